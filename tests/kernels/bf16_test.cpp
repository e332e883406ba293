// The CPU's kernels for bf16 activations against the double reference on the same bf16 inputs, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <bit>
#include <cmath>
#include <limits>

#include "tests/support/op_cases_batch_norm.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_cases_cross_entropy.h"
#include "tests/support/op_cases_depthwise_conv.h"
#include "tests/support/op_cases_elementwise.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_cases_optimizer.h"
#include "tests/support/op_cases_pooling.h"
#include "tests/support/op_checks.h"

namespace sepia::test {
namespace {

class CpuInBfloat16 : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products (or SEPIA_MAX_ISA forbids them)";
  }

  static const kernels::KernelTable<bf16>& table() { return *kernels::cpu_backend().bfloat16; }

  template <class Case>
  static void match(const std::vector<Case>& cases) {
    expect_matches_reference<bf16>(cases, table());
  }
};

TEST_F(CpuInBfloat16, DenseConvolutionsMatchTheReference) {
  match(conv2d_cases());
  match(every(2, conv2d_layer_cases()));
}
TEST_F(CpuInBfloat16, DepthwiseConvolutionsMatchTheReference) {
  match(depthwise_conv_cases());
  match(every(3, depthwise_conv_layer_cases()));
}
TEST_F(CpuInBfloat16, LinearMapsMatchTheReference) {
  match(linear_cases());
  match(every(3, linear_layer_cases()));
}
TEST_F(CpuInBfloat16, BatchNormMatchesTheReference) {
  match(batch_norm_cases());
  match(every(3, batch_norm_layer_cases()));
}
TEST_F(CpuInBfloat16, ElementwiseMatchesTheReference) {
  match(affine_relu_cases());
  match(add_cases());
  match(accumulate_into_cases());
  match(images_to_input_cases());
}
TEST_F(CpuInBfloat16, PoolingMatchesTheReference) {
  match(max_pool_cases());
  match(max_pool_tie_cases());
  match(global_avg_pool_cases());
}
TEST_F(CpuInBfloat16, LossesMatchTheReference) {
  match(softmax_cases());
  match(cross_entropy_cases());
}
TEST_F(CpuInBfloat16, OptimisersMatchTheReference) {
  match(adam_cases());
  match(sgd_cases());
  match(flat_cases());
  match(prepare_cases());
}

TEST_F(CpuInBfloat16, TheSameBitsForAnyThreads) {
  expect_same_for_any_threads(every(4, conv2d_cases()), table());
  expect_same_for_any_threads(every(4, depthwise_conv_cases()), table());
  expect_same_for_any_threads(every(3, linear_cases()), table());
  expect_same_for_any_threads(every(3, batch_norm_cases()), table());
}

// Every lane of whole and partial vectors rounds as bf16(float) does: ties, NaN, the largest numbers, the smallest.
TEST_F(CpuInBfloat16, StoresRoundAsTheScalarConversionDoes) {
  std::vector<float> values;
  for (std::uint32_t upper = 0; upper < 0x10000u; upper += 37) {
    for (const std::uint32_t lower : {0x0000u, 0x7fffu, 0x8000u, 0x8001u, 0xffffu}) values.push_back(std::bit_cast<float>(upper << 16 | lower));
  }
  values.push_back(std::numeric_limits<float>::quiet_NaN());
  values.push_back(std::bit_cast<float>(0x7f800001u));  // a signalling NaN
  const auto count = static_cast<std::int64_t>(values.size());
  // SGD with a learning rate of zero writes the weights to the shadow: the one kernel that reads floats and writes bf16.
  std::vector<float> weights = values, gradients(values.size(), 0.0F);
  std::vector<bf16> shadow(values.size());
  table().sgd_step({}, {.count = count, .weight = weights.data(), .gradient = gradients.data(), .momentum_buffer = nullptr, .lr = 0, .momentum = 0,
                        .weight_decay = 0, .nesterov = false, .first_step = true, .gradient_scale = 1, .shadow = shadow.data()});
  for (std::size_t i = 0; i < values.size(); ++i) {
    const bool denormal = values[i] != 0 && std::abs(values[i]) < std::numeric_limits<float>::min();
    if (denormal || std::isnan(values[i])) continue;  // denormals count as zero in every kernel
    EXPECT_EQ(shadow[i].bits, bf16(values[i]).bits) << values[i];
  }
  for (std::size_t i = 0; i < values.size(); ++i) {
    if (!std::isnan(values[i])) continue;
    EXPECT_TRUE(std::isnan(static_cast<float>(shadow[i]))) << i;
  }
}

}  // namespace
}  // namespace sepia::test
