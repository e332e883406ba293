// The fused backward kernels of the CPU against the kernels whose work they do, one after the other: the same bits where each number is made
// alone, to rounding where sums over rows are added in another order; and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;

struct Case {
  DepthwiseConvShape shape;
  std::int64_t out = 0;
  bool biases = true, prologue = true, sums = true;
  Accumulate accumulate = Accumulate::kWrite;
};

std::string describe(const Case& c) {
  const DepthwiseConvShape& s = c.shape;
  return str(s.batch, "x", s.height, "x", s.width, "x", s.channels, " -> ", c.out, " stride ", s.stride, " kernel ", s.kernel_h, c.biases ? " biases" : "",
             c.prologue ? " prologue" : "", c.sums ? " sums" : "", c.accumulate == Accumulate::kAdd ? " adds" : "");
}

/// The gradients of one way through, each filled with what was there before.
template <class T>
struct Gradients {
  explicit Gradients(const Case& c)
      : x(random_numbers<T>(c.shape.batch * c.shape.height * c.shape.width * c.shape.channels, 21)),
        depthwise(random_numbers<float>(c.shape.kernel_h * c.shape.kernel_w * c.shape.channels, 22)),
        depthwise_bias(random_numbers<float>(c.shape.channels, 23)),
        pointwise(random_numbers<float>(c.out * c.shape.channels, 24)),
        pointwise_bias(random_numbers<float>(c.out, 25)),
        sum_g(static_cast<std::size_t>(c.shape.channels)),
        sum_g_xhat(sum_g.size()) {}

  std::vector<T> x;
  std::vector<float> depthwise, depthwise_bias, pointwise, pointwise_bias, sum_g, sum_g_xhat;
};

template <class T>
struct Setting {
  explicit Setting(const Case& c)
      : test_case(c),
        rows{c.shape.batch * c.shape.out_height() * c.shape.out_width(), c.shape.channels, c.out},
        x(random_numbers<T>(c.shape.batch * c.shape.height * c.shape.width * c.shape.channels, 1)),
        depthwise(random_numbers<T>(c.shape.kernel_h * c.shape.kernel_w * c.shape.channels, 2)),
        pointwise(random_numbers<T>(c.out * c.shape.channels, 3)),
        grad_y(random_numbers<T>(rows.rows * c.out, 4)),
        bias(random_numbers<float>(c.shape.channels, 5)),
        scale(random_numbers<float>(c.shape.channels, 6)),
        shift(random_numbers<float>(c.shape.channels, 7)),
        mean(random_numbers<float>(c.shape.channels, 8)),
        inv_std(random_numbers<float>(c.shape.channels, 9)) {
    if (c.prologue) act = {scale.data(), shift.data(), true};
  }

  DepthwiseConvBackward<T> depthwise_backward(Gradients<T>& g, const T* grad_u) const {
    return {test_case.shape, x.data(), act, depthwise.data(), grad_u, g.x.data(), test_case.accumulate, g.depthwise.data(),
            test_case.biases ? g.depthwise_bias.data() : nullptr, test_case.accumulate};
  }
  DepthwiseConvBackwardSums<T> with_sums(Gradients<T>& g, const T* grad_u) const {
    const auto array = [&](const std::vector<float>& a) { return test_case.sums ? a.data() : nullptr; };
    return {depthwise_backward(g, grad_u), array(mean), array(inv_std), g.sum_g.data(), g.sum_g_xhat.data()};
  }

  Gradients<T> one_after_the_other(const KernelTable<T>& table) const {
    const Case& c = test_case;
    Gradients<T> g(c);
    std::vector<T> u(static_cast<std::size_t>(rows.rows * c.shape.channels)), grad_u(u.size());
    table.depthwise_conv_forward({}, {c.shape, x.data(), act, depthwise.data(), c.biases ? bias.data() : nullptr, u.data()});
    table.linear_backward_weight({}, {rows, u.data(), {}, grad_y.data(), g.pointwise.data(), c.biases ? g.pointwise_bias.data() : nullptr, c.accumulate});
    table.linear_backward_input({}, {rows, grad_y.data(), pointwise.data(), nullptr, {}, grad_u.data(), Accumulate::kWrite});
    table.depthwise_conv_backward({}, depthwise_backward(g, grad_u.data()));
    if (c.sums) {
      table.batch_norm_backward_sums({}, {{c.shape.batch * c.shape.height * c.shape.width, c.shape.channels}, x.data(), g.x.data(), mean.data(), inv_std.data(),
                                          g.sum_g.data(), g.sum_g_xhat.data()});
    }
    return g;
  }

  Gradients<T> fused(const KernelTable<T>& table) const {
    const Case& c = test_case;
    Gradients<T> g(c);
    table.separable_conv_backward_weight({}, {c.shape, c.out, x.data(), act, depthwise.data(), c.biases ? bias.data() : nullptr, grad_y.data(),
                                              g.pointwise.data(), c.biases ? g.pointwise_bias.data() : nullptr, c.accumulate});
    table.separable_conv_backward_input({}, {c.out, grad_y.data(), pointwise.data(), with_sums(g, nullptr)});
    return g;
  }

  Case test_case;
  LinearShape rows;
  std::vector<T> x, depthwise, pointwise, grad_y;
  std::vector<float> bias, scale, shift, mean, inv_std;
  Prologue<T> act;
};

template <class T>
std::vector<float> as_floats(const std::vector<T>& numbers) {
  return {numbers.begin(), numbers.end()};
}

/// Sums of `terms` numbers of about this size, added in two orders.
void expect_near(const std::vector<float>& found, const std::vector<float>& expected, double terms, const char* what) {
  ASSERT_EQ(found.size(), expected.size());
  double square = 0;
  for (const float value : expected) square += double{value} * value;
  const double size = std::sqrt(square / static_cast<double>(expected.size())) + 1;
  const double limit = 4 * std::sqrt(terms) * 6e-8 * size;
  for (std::size_t i = 0; i < found.size(); ++i) ASSERT_NEAR(found[i], expected[i], limit) << what << " " << i;
}

template <class T>
void expect_the_same(const Gradients<T>& found, const Gradients<T>& expected, double terms) {
  EXPECT_EQ(as_floats(found.x), as_floats(expected.x));
  expect_near(found.depthwise, expected.depthwise, terms, "depthwise weight");
  expect_near(found.depthwise_bias, expected.depthwise_bias, terms, "depthwise bias");
  expect_near(found.pointwise, expected.pointwise, terms, "pointwise weight");
  expect_near(found.pointwise_bias, expected.pointwise_bias, terms, "pointwise bias");
  expect_near(found.sum_g, expected.sum_g, terms, "sum of g");
  expect_near(found.sum_g_xhat, expected.sum_g_xhat, terms, "sum of g xhat");
}

template <class T>
void check(const KernelTable<T>& table, const Case& c) {
  SCOPED_TRACE(describe(c));
  const Setting<T> setting(c);
  const auto terms = static_cast<double>(c.shape.batch * c.shape.height * c.shape.width);
  const Gradients<T> expected = setting.one_after_the_other(table);
  set_num_threads(1);
  const Gradients<T> one = setting.fused(table);
  expect_the_same(one, expected, terms);
  for (const int threads : {2, 3}) {
    set_num_threads(threads);
    const Gradients<T> more = setting.fused(table);
    EXPECT_EQ(as_floats(more.x), as_floats(one.x)) << threads;
    for (const auto member : {&Gradients<T>::depthwise, &Gradients<T>::depthwise_bias, &Gradients<T>::pointwise, &Gradients<T>::pointwise_bias,
                              &Gradients<T>::sum_g, &Gradients<T>::sum_g_xhat}) {
      EXPECT_EQ(more.*member, one.*member) << threads;
    }
  }
  set_num_threads(0);
}

template <class T>
void check_all(const KernelTable<T>& table) {
  check(table, {.shape = {.batch = 9, .height = 16, .width = 16, .channels = 91}, .out = 65});
  check(table, {.shape = {.batch = 8, .height = 19, .width = 23, .channels = 33}, .out = 64, .accumulate = Accumulate::kAdd});
  check(table, {.shape = {.batch = 8, .height = 19, .width = 24, .channels = 32, .stride = 2}, .out = 64});
  check(table, {.shape = {.batch = 8, .height = 16, .width = 15, .channels = 48, .stride = 2}, .out = 40, .biases = false, .sums = false});
  check(table, {.shape = {.batch = 8, .height = 8, .width = 8, .channels = 400}, .out = 700, .biases = false});  // a picture takes several bands
  check(table, {.shape = {.batch = 8, .height = 5, .width = 700, .channels = 5}, .out = 150, .prologue = false});  // a band is a row
  check(table, {.shape = {.batch = 8, .height = 1, .width = 16, .channels = 20}, .out = 12});
  check(table, {.shape = {.batch = 2, .height = 20, .width = 20, .channels = 40}, .out = 30, .accumulate = Accumulate::kAdd});  // few small pictures
  check(table, {.shape = {.batch = 1, .height = 70, .width = 31, .channels = 40}, .out = 30});                                  // in strips
  check(table, {.shape = {.batch = 3, .height = 51, .width = 20, .channels = 70, .stride = 2}, .out = 400});
  check(table, {.shape = {.batch = 1, .height = 3, .width = 3, .channels = 20}, .out = 12});                                    // few rows
  check(table, {.shape = {.batch = 8, .height = 12, .width = 9, .channels = 17, .kernel_h = 5, .kernel_w = 5, .stride = 1, .padding = 2}, .out = 12});
}

TEST(SeparableConvBackward, CpuGivesWhatItsHalvesGive) { check_all(*cpu_backend().float32); }
TEST(SeparableConvBackward, CpuGivesWhatItsHalvesGiveInBfloat16) {
  if (!cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_all(*cpu_backend().bfloat16);
}

// The sums alone, without the product in front.
template <class T>
void check_sums(const KernelTable<T>& table, const Case& c) {
  SCOPED_TRACE(describe(c));
  const Setting<T> setting(c);
  Gradients<T> expected(c), found(c);
  const auto grad_u = random_numbers<T>(setting.rows.rows * c.shape.channels, 10);
  table.depthwise_conv_backward({}, setting.depthwise_backward(expected, grad_u.data()));
  table.batch_norm_backward_sums({}, {{c.shape.batch * c.shape.height * c.shape.width, c.shape.channels}, setting.x.data(), expected.x.data(),
                                      setting.mean.data(), setting.inv_std.data(), expected.sum_g.data(), expected.sum_g_xhat.data()});
  table.depthwise_conv_backward_sums({}, setting.with_sums(found, grad_u.data()));
  EXPECT_EQ(found.depthwise, expected.depthwise);
  EXPECT_EQ(found.depthwise_bias, expected.depthwise_bias);
  expect_the_same(found, expected, static_cast<double>(c.shape.batch * c.shape.height * c.shape.width));
}

template <class T>
void check_all_sums(const KernelTable<T>& table) {
  check_sums(table, {.shape = {.batch = 2, .height = 37, .width = 41, .channels = 65}, .out = 1});
  check_sums(table, {.shape = {.batch = 2, .height = 17, .width = 18, .channels = 32, .stride = 2}, .out = 1, .accumulate = Accumulate::kAdd});
  check_sums(table, {.shape = {.batch = 3, .height = 9, .width = 10, .channels = 7, .kernel_h = 5, .kernel_w = 3, .stride = 1, .padding = 2}, .out = 1});
}

TEST(DepthwiseConvBackwardSums, AreThoseOfBatchNorm) { check_all_sums(*cpu_backend().float32); }
TEST(DepthwiseConvBackwardSums, AreThoseOfBatchNormInBfloat16) {
  if (!cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_all_sums(*cpu_backend().bfloat16);
}

}  // namespace
}  // namespace sepia::kernels
