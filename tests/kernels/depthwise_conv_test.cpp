// Depthwise convolution: by hand, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/depthwise_conv.h"

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_depthwise_conv.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

// Two channels, a 1x3 picture, a 1x3 filter with padding 1 at height too (so the rows above and below are padding only).
TEST(DepthwiseConv, ComputedByHand) {
  const DepthwiseConvCase by_hand{"by hand", {1, 1, 3, 2, 1, 3, 1, 1}, PrologueKind::kRelu, kernels::Accumulate::kAdd};
  // Pixels (a, b): channel a holds 1 -2 3, channel b holds 4 5 -6; filters a: 1 10 100, b: 2 3 4. P = 3, Q = 3: rows 0 and 2 are padding.
  const Arrays inputs{{"x", {1, 4, -2, 5, 3, -6}},
                      {"weight", {1, 2, 10, 3, 100, 4}},
                      {"bias", {1000, 2000}},
                      {"grad_y", {1, 1, 1, 1, 1, 1, 1, 10, 2, 20, 3, 30, 1, 1, 1, 1, 1, 1}},
                      {"grad_x_before", {0, 0, 0, 0, 0, 7}},
                      {"grad_weight_before", {1, 0, 0, 0, 0, 0}},
                      {"grad_bias_before", {0, 0}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    // After the ReLU a is 1 0 3 and b is 4 5 0.
    EXPECT_EQ(results.at("y"), (Array{1000, 2000, 1000, 2000, 1000, 2000,                          //
                                      1010, 2000 + 12 + 20, 1301, 2000 + 8 + 15, 1030, 2000 + 10,  //
                                      1000, 2000, 1000, 2000, 1000, 2000}));
    // d/dx_w = g_{w+1} f_0 + g_w f_1 + g_{w-1} f_2.
    EXPECT_EQ(results.at("grad_x"), (Array{10 + 2, 40 + 30, 0, 60 + 60 + 40, 30 + 200, 7}));
    EXPECT_EQ(results.at("grad_weight"), (Array{1 + 3 * 0 + 2 * 1, 20 * 4 + 30 * 5, 1 + 9, 40 + 100, 2 * 3, 10 * 5}));
    EXPECT_EQ(results.at("grad_bias"), (Array{6 + 6, 60 + 6}));
  }
}

TEST(DepthwiseConv, GradientsMatchFiniteDifferences) {
  expect_gradients(depthwise_conv_cases());
}

TEST(DepthwiseConv, MatchesPyTorch) {
  for (const auto& row : op_goldens("depthwise_conv")) {
    const auto x = golden_shape(row, "x"), weight = golden_shape(row, "weight");
    const auto& params = row.at("params");
    const DepthwiseConvCase op_case{row.at("name"),
                                    {x[0], x[2], x[3], x[1], weight[2], weight[3], params.at("stride"), params.at("padding")},
                                    PrologueKind::kNone,
                                    kernels::Accumulate::kWrite,
                                    params.at("bias")};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs"), true), golden_arrays(row.at("outputs"), true), cpu_table());
  }
}

TEST(DepthwiseConv, ReferenceInFloatMatchesDouble) {
  expect_matches_reference(every(3, depthwise_conv_cases()), *kernels::reference_backend().float32);
}
TEST(DepthwiseConv, CpuMatchesReference) {
  expect_matches_reference(depthwise_conv_cases(), cpu_table());
}
TEST(DepthwiseConv, CpuMatchesReferenceOnRealLayers) {
  expect_matches_reference(depthwise_conv_layer_cases(), cpu_table());
}
TEST(DepthwiseConv, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(depthwise_conv_cases(), cpu_table());
  expect_same_for_any_threads(depthwise_conv_layer_cases(), cpu_table());
}
TEST(DepthwiseConv, ReferenceIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(every(5, depthwise_conv_cases()), reference());
}

}  // namespace
}  // namespace sepia::test
