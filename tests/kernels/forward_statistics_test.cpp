// The statistics that the CPU's linear maps and convolutions leave for a batch norm: against sums in double over the output as it is
// stored, which keeps the bits of the plain kernels.
#include <gtest/gtest.h>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_checks.h"

namespace sepia::test {
namespace {

using kernels::KernelTable;
using kernels::LaunchContext;

/// Mean, variance and unbiased variance of each column of y (rows, channels).
Arrays statistics_of(const Array& y, std::int64_t channels) {
  const auto count = static_cast<std::size_t>(channels), rows = y.size() / count;
  Arrays found{{"mean", Array(count)}, {"variance", Array(count)}, {"unbiased", Array(count)}};
  for (std::size_t c = 0; c < count; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = c; i < y.size(); i += count) sum += y[i];
    const double mean = sum / static_cast<double>(rows);
    for (std::size_t i = c; i < y.size(); i += count) squares += (y[i] - mean) * (y[i] - mean);
    found["mean"][c] = mean;
    found["variance"][c] = squares / static_cast<double>(rows);
    found["unbiased"][c] = squares / static_cast<double>(std::max<std::size_t>(rows - 1, 1));
  }
  return found;
}

/// A mean lies within some units in the last place of the numbers' size. So do the means of tiles, and what they are off by enters the
/// squares by their distance from each other, a deviation or so. E[x^2] - E[x]^2 would be off by units of the square of that size.
void expect_close(const Arrays& found, const Arrays& expected) {
  for (std::size_t c = 0; c < expected.at("mean").size(); ++c) {
    const double mean = expected.at("mean")[c];
    for (const char* name : {"variance", "unbiased"}) {
      const double variance = expected.at(name)[c], off = 1e-6 * (std::abs(mean) + std::sqrt(variance)) + 1e-30;
      EXPECT_NEAR(found.at("mean")[c], mean, off) << "mean " << c;
      EXPECT_NEAR(found.at(name)[c], variance, 4e-6 * variance + off * (std::sqrt(variance) / 4 + off)) << name << " " << c;
    }
    if (testing::Test::HasFailure()) return;
  }
}

template <class T, template <class> class Forward, template <class> class ForwardStatistics>
void check(Workspace<T>& w, void (*plain)(const LaunchContext&, const Forward<T>&),
           void (*fused)(const LaunchContext&, const ForwardStatistics<T>&), Forward<T> forward, std::int64_t rows, std::int64_t channels) {
  using A = Accumulator<T>;
  plain(w.context, forward);
  const Array y = w.download(forward.y);
  const Arrays expected = statistics_of(y, channels);
  Arrays with_one_thread;
  for (const int threads : {1, 2, 3}) {
    const ThreadsGuard guard(threads);
    forward.y = w.output(rows * channels);
    const auto per_channel = [&] { return w.template output<A>(channels); };
    const kernels::BatchStatistics<T> places{per_channel(), per_channel(), per_channel()};
    fused(w.context, {forward, places});
    EXPECT_EQ(w.download(forward.y), y) << "with " << threads << " threads";
    const Arrays found{
        {"mean", w.download(places.mean)}, {"variance", w.download(places.variance)}, {"unbiased", w.download(places.unbiased_variance)}};
    if (threads == 1) {
      expect_close(found, expected);
      with_one_thread = found;
    }
    EXPECT_EQ(found, with_one_thread) << "with " << threads << " threads";
  }
  const kernels::BatchStatistics<T> without{w.template output<A>(channels), w.template output<A>(channels), nullptr};
  fused(w.context, {forward, without});
  EXPECT_EQ(w.download(without.mean), with_one_thread.at("mean"));
  EXPECT_EQ(w.download(without.variance), with_one_thread.at("variance"));
}

template <class T>
void check_case(const LinearCase& c, const KernelTable<T>& table, const Arrays& inputs) {
  Workspace<T> w(table, kernels::host_memory());
  check(w, table.linear_forward, table.linear_forward_statistics, c.prepare(w, inputs).forward, c.shape.rows, c.shape.out_features);
}

template <class T>
void check_case(const Conv2dCase& c, const KernelTable<T>& table, const Arrays& inputs) {
  Workspace<T> w(table, kernels::host_memory());
  check(w, table.conv2d_forward, table.conv2d_forward_statistics, c.prepare(w, inputs).forward, c.y_size() / c.shape.out_channels,
        c.shape.out_channels);
}

/// A depthwise convolution and the linear map behind it.
struct SeparableCase {
  std::string name;
  kernels::DepthwiseConvShape shape;
  std::int64_t out;
  bool bias = true;

  Arrays inputs() const {
    const RandomArrays random(name);
    Arrays inputs{{"x", random.values("x", shape.batch * shape.height * shape.width * shape.channels)},
                  {"depthwise", random.values("depthwise", shape.kernel_h * shape.kernel_w * shape.channels)},
                  {"pointwise", random.values("pointwise", out * shape.channels)}};
    add_prologue_inputs(inputs, random, PrologueKind::kAffineRelu, shape.channels);
    if (bias) inputs["bias"] = random.values("bias", out);
    return inputs;
  }
};

template <class T>
void check_case(const SeparableCase& c, const KernelTable<T>& table, const Arrays& inputs) {
  Workspace<T> w(table, kernels::host_memory());
  const kernels::SeparableConvForward<T> forward{.shape = c.shape,
                                                 .out_features = c.out,
                                                 .x = w.upload(inputs.at("x")),
                                                 .prologue = upload_prologue(w, inputs, PrologueKind::kAffineRelu),
                                                 .depthwise_weight = w.upload(inputs.at("depthwise")),
                                                 .depthwise_bias = nullptr,
                                                 .pointwise_weight = w.upload(inputs.at("pointwise")),
                                                 .pointwise_bias = w.template upload_if_present<Accumulator<T>>(inputs, "bias"),
                                                 .y = w.output(c.shape.batch * c.shape.out_height() * c.shape.out_width() * c.out)};
  check(w, table.separable_conv_forward, table.separable_conv_forward_statistics, forward,
        c.shape.batch * c.shape.out_height() * c.shape.out_width(), c.out);
}

template <class T, class Case>
void check_all(const std::vector<Case>& cases, const KernelTable<T>& table) {
  for (const Case& c : cases) {
    SCOPED_TRACE(c.name);
    Arrays inputs = c.inputs();
    check_case(c, table, inputs);
    // A mean of a thousand and a deviation of about one: E[x^2] - E[x]^2 would have nothing left.
    if (c.bias) {
      for (double& value : inputs["bias"]) value += 1000;
      check_case(c, table, inputs);
    }
    if (testing::Test::HasFailure()) return;
  }
}

/// Many panels, the last one shorter; rows that are dealt out to threads by columns; and what is left of a vector.
std::vector<LinearCase> more_linear_cases() {
  return {
      {"statistics m5003 37->91", {5003, 37, 91}, PrologueKind::kAffineRelu},
      {"statistics m3001 8->150", {3001, 8, 150}},
      {"statistics m70 700->728", {70, 700, 728}},
      {"statistics m30011 3->1", {30011, 3, 1}},
  };
}

std::vector<Conv2dCase> more_conv2d_cases() {
  return {
      {"statistics gathered", {3, 33, 35, 40, 50, 3, 3, 2, 1}, PrologueKind::kAffineRelu},
      {"statistics xception skip", {2, 31, 29, 128, 256, 1, 1, 2, 0}},
      {"statistics pointwise", {2, 31, 29, 24, 37, 1, 1, 1, 0}},
      {"statistics direct", {5, 37, 41, 3, 96, 3, 3, 1, 1}, PrologueKind::kRelu},
      {"statistics planar", {2, 20, 19, 5, 6, 3, 3, 1, 1}},
  };
}

/// As in separable_conv_test.cpp: also rows too few to pack weights for, threads that share columns, a row longer than a panel.
std::vector<SeparableCase> separable_cases() {
  return {
      {"separable few rows", {.batch = 1, .height = 5, .width = 4, .channels = 3}, 7},
      {"separable stride 2", {.batch = 2, .height = 119, .width = 123, .channels = 32, .stride = 2}, 64},
      {"separable odd", {.batch = 3, .height = 16, .width = 16, .channels = 91}, 91, false},
      {"separable middle flow", {.batch = 4, .height = 16, .width = 16, .channels = 728}, 728, false},
      {"separable by columns", {.batch = 1, .height = 8, .width = 8, .channels = 130}, 300},
      {"separable long rows", {.batch = 1, .height = 3, .width = 600, .channels = 5}, 33},
      {"separable 5x5",
       {.batch = 2, .height = 12, .width = 9, .channels = 17, .kernel_h = 5, .kernel_w = 5, .stride = 1, .padding = 2},
       12},
  };
}

template <class T>
void check_linear(const KernelTable<T>& table) {
  check_all(linear_cases(), table);
  check_all(linear_layer_cases(), table);
  check_all(more_linear_cases(), table);
}

template <class T>
void check_conv2d(const KernelTable<T>& table) {
  check_all(conv2d_cases(), table);
  check_all(conv2d_layer_cases(), table);
  check_all(more_conv2d_cases(), table);
}

TEST(ForwardStatistics, CpuLinear) {
  check_linear(cpu_table());
}
TEST(ForwardStatistics, CpuConv2d) {
  check_conv2d(cpu_table());
}
TEST(ForwardStatistics, CpuSeparableConv) {
  check_all(separable_cases(), cpu_table());
}

class ForwardStatisticsInBfloat16 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  }
};
TEST_F(ForwardStatisticsInBfloat16, CpuLinear) {
  check_linear(*kernels::cpu_backend().bfloat16);
}
TEST_F(ForwardStatisticsInBfloat16, CpuConv2d) {
  check_conv2d(*kernels::cpu_backend().bfloat16);
}
TEST_F(ForwardStatisticsInBfloat16, CpuSeparableConv) {
  check_all(separable_cases(), *kernels::cpu_backend().bfloat16);
}

}  // namespace
}  // namespace sepia::test
