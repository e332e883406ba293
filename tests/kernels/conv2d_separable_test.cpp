// The stem, its ReLU and the separable convolution behind it in one kernel of the CPU, against conv2d_forward, depthwise_conv_forward and
// linear_forward one after the other: the same bits.
#include "kernels/conv2d_separable.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;

struct Depthwise {
  std::int64_t kernel_h = 3, kernel_w = 3, stride = 1, padding = 1;
};

/// What of the kernel a check asks for.
struct Options {
  bool relu = true, biases = true;
  bool prologue = false;  ///< an affine and a ReLU pending at the stem's input
  bool pixels = false;    ///< the stem's input is bytes
};

template <class T>
std::vector<float> as_floats(const std::vector<T>& numbers) {
  return {numbers.begin(), numbers.end()};
}

DepthwiseConvShape behind(const Conv2dShape& stem, const Depthwise& d) {
  return {.batch = stem.batch,
          .height = stem.out_height(),
          .width = stem.out_width(),
          .channels = stem.out_channels,
          .kernel_h = d.kernel_h,
          .kernel_w = d.kernel_w,
          .stride = d.stride,
          .padding = d.padding};
}

/// All arrays of a stem and of the separable convolution behind it, and how the kernels are called with them.
template <class T>
struct Network {
  Network(const Conv2dShape& stem_shape, const Depthwise& d, std::int64_t outputs, const Options& options)
      : stem(stem_shape),
        s(behind(stem, d)),
        out(outputs),
        asked(options),
        x(random_numbers<T>(stem.batch * stem.height * stem.width * stem.in_channels, 1)),
        weight(random_numbers<T>(stem.out_channels * stem.kernel_h * stem.kernel_w * stem.in_channels, 2)),
        depthwise(random_numbers<T>(s.kernel_h * s.kernel_w * s.channels, 3)),
        pointwise(random_numbers<T>(out * s.channels, 4)),
        bias(random_numbers<float>(s.channels, 5)),
        depthwise_bias(random_numbers<float>(s.channels, 6)),
        pointwise_bias(random_numbers<float>(out, 7)),
        scale(random_numbers<float>(stem.in_channels, 8)),
        shift(random_numbers<float>(stem.in_channels, 9)) {
    RandomStream random(3, RandomPurpose::kTest, 1);
    for (std::size_t i = 0; i < x.size(); ++i) bytes.push_back(static_cast<std::uint8_t>(random.next_u32() >> 24));
  }

  std::int64_t rows() const { return s.batch * s.out_height() * s.out_width(); }
  const float* bias_or_null(const std::vector<float>& numbers) const { return asked.biases ? numbers.data() : nullptr; }
  Prologue<T> relu() const { return {.relu = asked.relu}; }

  Conv2dForward<T> stem_to(T* v) const {
    const Prologue<T> prologue = asked.prologue ? Prologue<T>{scale.data(), shift.data(), true} : Prologue<T>{};
    const Pixels pixels = asked.pixels ? Pixels{bytes.data(), {0.4914, 0.4822, 0.4465}, {0.2023, 0.1994, 0.2010}} : Pixels{};
    return {.shape = stem,
            .x = asked.pixels ? nullptr : x.data(),
            .prologue = prologue,
            .weight = weight.data(),
            .bias = bias_or_null(bias),
            .y = v,
            .pixels = pixels};
  }

  std::vector<T> one_after_the_other(const KernelTable<T>& table) const {
    std::vector<T> v(static_cast<std::size_t>(s.batch * s.height * s.width * s.channels)), u(static_cast<std::size_t>(rows() * s.channels)),
        y(static_cast<std::size_t>(rows() * out));
    table.conv2d_forward({}, stem_to(v.data()));
    table.depthwise_conv_forward({}, {s, v.data(), relu(), depthwise.data(), bias_or_null(depthwise_bias), u.data()});
    table.linear_forward({}, {{rows(), s.channels, out}, u.data(), {}, pointwise.data(), bias_or_null(pointwise_bias), y.data()});
    return y;
  }

  std::vector<T> fused(const KernelTable<T>& table) const {
    std::vector<T> y(static_cast<std::size_t>(rows() * out), T(55.0F));
    table.conv2d_separable_forward({}, {.stem = stem_to(nullptr),
                                        .separable = {.shape = s,
                                                      .out_features = out,
                                                      .x = nullptr,
                                                      .prologue = relu(),
                                                      .depthwise_weight = depthwise.data(),
                                                      .depthwise_bias = bias_or_null(depthwise_bias),
                                                      .pointwise_weight = pointwise.data(),
                                                      .pointwise_bias = bias_or_null(pointwise_bias),
                                                      .y = y.data()}});
    return y;
  }

  Conv2dShape stem;
  DepthwiseConvShape s;
  std::int64_t out;
  Options asked;
  std::vector<T> x, weight, depthwise, pointwise;
  std::vector<float> bias, depthwise_bias, pointwise_bias, scale, shift;
  std::vector<std::uint8_t> bytes;
};

template <class T>
void check(const KernelTable<T>& table, const Conv2dShape& stem, const Depthwise& d, std::int64_t out, const Options& options = {}) {
  SCOPED_TRACE(str("stem ", stem.batch, "x", stem.height, "x", stem.width, "x", stem.in_channels, " -> ", stem.out_channels, " kernel ",
                   stem.kernel_h, "x", stem.kernel_w, " stride ", stem.stride, " padding ", stem.padding, "; depthwise kernel ", d.kernel_h,
                   "x", d.kernel_w, " stride ", d.stride, " padding ", d.padding, " -> ", out, options.relu ? " relu" : "",
                   options.biases ? " biases" : "", options.pixels ? " pixels" : ""));
  ASSERT_TRUE(conv2d_has_few_inputs(stem));
  const Network<T> network(stem, d, out, options);
  const std::vector<float> expected = as_floats(network.one_after_the_other(table));
  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    EXPECT_EQ(as_floats(network.fused(table)), expected) << "with " << threads << " threads";
  }
  set_num_threads(0);
}

template <class T>
void check_every_window(const KernelTable<T>& table) {
  for (const std::int64_t kernel : {3, 5}) {
    for (const std::int64_t stride : {1, 2}) {
      for (const std::int64_t padding : {0, 1, 2}) {
        check(table, {2, 47, 29, 3, 32, 3, 3, 1, 1}, {kernel, kernel, stride, padding}, 33);
      }
    }
  }
}

// Strips are of at least eight rows and at most a quarter of the picture; rows of this many numbers are taken few at once, so that stem
// rows are kept from one panel to the next.
template <class T>
void check_every_strip(const KernelTable<T>& table) {
  check(table, {1, 128, 256, 3, 32, 3, 3, 2, 1}, {3, 3, 2, 1}, 64);  // edgenet, half its height
  check(table, {2, 40, 260, 3, 64, 3, 3, 2, 0}, {3, 3, 1, 1}, 16);   // some at once
  check(table, {1, 21, 1030, 3, 64, 3, 3, 1, 1}, {5, 5, 1, 2}, 8);   // one by one, four kept
  check(table, {1, 21, 1030, 3, 64, 3, 3, 1, 1}, {3, 3, 2, 1}, 8);   // one by one, one kept
  check(table, {1, 21, 1030, 3, 64, 3, 3, 1, 1}, {1, 1, 2, 0}, 8);   // one by one, none kept and one passed over
  check(table, {1, 12, 1030, 3, 64, 3, 3, 1, 1}, {2, 3, 3, 4}, 8);   // windows that lie wholly in the padding
}

template <class T>
void check_small_pictures(const KernelTable<T>& table) {
  check(table, {3, 1, 7, 3, 32, 1, 3, 1, 0}, {1, 3, 1, 0}, 5);  // one row
  check(table, {2, 1, 9, 3, 32, 3, 3, 1, 1}, {3, 3, 2, 2}, 5);
  check(table, {2, 1, 9, 3, 32, 3, 3, 1, 1}, {5, 5, 1, 2}, 5);
  check(table, {3, 5, 1, 3, 32, 3, 1, 1, 0}, {3, 1, 1, 1}, 7);   // one column
  check(table, {2, 9, 11, 3, 32, 3, 3, 1, 0}, {3, 3, 1, 1}, 1);  // fewer rows than a strip has
  check(table, {5, 19, 5, 3, 96, 3, 3, 2, 1}, {3, 3, 2, 1}, 130);
  check(table, {2, 17, 13, 8, 32, 3, 3, 1, 1}, {3, 3, 1, 1}, 12, {.prologue = true});  // no pictures
  check(table, {1, 17, 13, 1, 64, 5, 5, 2, 2}, {3, 3, 1, 1}, 12);
}

template <class T>
void check_options(const KernelTable<T>& table) {
  for (const bool relu : {true, false}) {
    for (const bool biases : {true, false}) {
      for (const bool pixels : {true, false}) {
        check(table, {2, 35, 37, 3, 32, 3, 3, 2, 1}, {3, 3, 2, 1}, 64, {.relu = relu, .biases = biases, .pixels = pixels});
        check(table, {1, 40, 513, 3, 64, 3, 3, 1, 0}, {3, 3, 1, 1}, 7, {.relu = relu, .biases = biases, .pixels = pixels});
      }
    }
  }
}

template <class T>
void check_all(const KernelTable<T>& table) {
  check_every_window(table);
  check_every_strip(table);
  check_small_pictures(table);
  check_options(table);
}

TEST(Conv2dSeparable, CpuGivesTheBitsOfItsParts) {
  check_all(*cpu_backend().float32);
}
TEST(Conv2dSeparable, CpuGivesTheBitsOfItsPartsInBfloat16) {
  if (!cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_all(*cpu_backend().bfloat16);
}

TEST(Conv2dSeparable, TakesFewInputsAndWholeVectorsOfOutputs) {
  EXPECT_TRUE(conv2d_has_few_inputs({1, 8, 8, 3, 32, 3, 3}));
  EXPECT_TRUE(conv2d_has_few_inputs({1, 8, 8, 32, 64, 3, 3})) << "288 inputs";
  EXPECT_FALSE(conv2d_has_few_inputs({1, 8, 8, 33, 64, 3, 3}));
  EXPECT_FALSE(conv2d_has_few_inputs({1, 8, 8, 3, 48, 3, 3}));
  EXPECT_FALSE(conv2d_has_few_inputs({1, 8, 8, 1, 32, 3, 1})) << "bf16 kernels take numbers of a filter row in pairs";
}

}  // namespace
}  // namespace sepia::kernels
