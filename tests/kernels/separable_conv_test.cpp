// The fused depthwise and pointwise convolution of the CPU against its two halves one after the other: the same bits.
#include "kernels/separable_conv.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "kernels/backend.h"
#include "tests/support/random_numbers.h"

namespace sepia::kernels {
namespace {

using test::random_numbers;

template <class T>
std::vector<float> as_floats(const std::vector<T>& numbers) {
  return {numbers.begin(), numbers.end()};
}

template <class T>
void check(const KernelTable<T>& table, const DepthwiseConvShape& s, std::int64_t out, bool biases, bool prologue) {
  SCOPED_TRACE(str(s.batch, "x", s.height, "x", s.width, "x", s.channels, " -> ", out, " stride ", s.stride, " kernel ", s.kernel_h, biases ? " biases" : "",
                   prologue ? " prologue" : ""));
  const std::int64_t rows = s.batch * s.out_height() * s.out_width();
  const auto x = random_numbers<T>(s.batch * s.height * s.width * s.channels, 1), depthwise = random_numbers<T>(s.kernel_h * s.kernel_w * s.channels, 2),
             pointwise = random_numbers<T>(out * s.channels, 3);
  const auto bias1 = random_numbers<float>(s.channels, 4), bias2 = random_numbers<float>(out, 5), scale = random_numbers<float>(s.channels, 6),
             shift = random_numbers<float>(s.channels, 7);
  const Prologue<T> act = prologue ? Prologue<T>{scale.data(), shift.data(), true} : Prologue<T>{};

  std::vector<T> between(static_cast<std::size_t>(rows * s.channels)), expected(static_cast<std::size_t>(rows * out));
  table.depthwise_conv_forward({}, {s, x.data(), act, depthwise.data(), biases ? bias1.data() : nullptr, between.data()});
  table.linear_forward({}, {{rows, s.channels, out}, between.data(), {}, pointwise.data(), biases ? bias2.data() : nullptr, expected.data()});

  for (const int threads : {1, 2, 3}) {
    set_num_threads(threads);
    std::vector<T> y(expected.size(), T(55.0F));
    table.separable_conv_forward({}, {.shape = s, .out_features = out, .x = x.data(), .prologue = act, .depthwise_weight = depthwise.data(),
                                      .depthwise_bias = biases ? bias1.data() : nullptr, .pointwise_weight = pointwise.data(),
                                      .pointwise_bias = biases ? bias2.data() : nullptr, .y = y.data()});
    EXPECT_EQ(as_floats(y), as_floats(expected)) << "with " << threads << " threads";
  }
  set_num_threads(0);
}

template <class T>
void check_all(const KernelTable<T>& table) {
  check(table, {.batch = 1, .height = 5, .width = 4, .channels = 3}, 7, true, true);  // too few rows to pack weights for
  check(table, {.batch = 2, .height = 19, .width = 23, .channels = 32, .stride = 2}, 64, true, true);
  check(table, {.batch = 3, .height = 16, .width = 16, .channels = 91}, 91, false, true);
  check(table, {.batch = 1, .height = 16, .width = 16, .channels = 728}, 728, false, true);
  check(table, {.batch = 1, .height = 8, .width = 8, .channels = 130}, 300, true, false);
  check(table, {.batch = 1, .height = 3, .width = 600, .channels = 5}, 33, false, false);  // a row is longer than a panel
  check(table, {.batch = 2, .height = 12, .width = 9, .channels = 17, .kernel_h = 5, .kernel_w = 5, .stride = 1, .padding = 2}, 12, true, true);
}

TEST(SeparableConv, CpuGivesTheBitsOfItsHalves) { check_all(*cpu_backend().float32); }
TEST(SeparableConv, CpuGivesTheBitsOfItsHalvesInBfloat16) {
  if (!cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  check_all(*cpu_backend().bfloat16);
}

}  // namespace
}  // namespace sepia::kernels
