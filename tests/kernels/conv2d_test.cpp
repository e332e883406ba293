// Dense convolution: by hand, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/conv2d.h"

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_conv2d.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

// x is the picture 1..9 with a prologue relu(2 x - 10): -8 -6 -4 / -2 0 2 / 4 6 8 before the ReLU.
// A 2x2 filter 1 2 / 3 4 with padding 1 and stride 2 sees the corners of the padded 5x5 picture.
TEST(Conv2d, ComputedByHand) {
  const Conv2dCase by_hand{"by hand", {1, 3, 3, 1, 1, 2, 2, 2, 1}, PrologueKind::kAffineRelu, kernels::Accumulate::kAdd};
  const Arrays inputs{{"x", {1, 2, 3, 4, 5, 6, 7, 8, 9}},
                      {"scale", {2}},
                      {"shift", {-10}},
                      {"weight", {1, 2, 3, 4}},
                      {"bias", {100}},
                      {"grad_y", {1, 10, 100, 1000}},
                      {"grad_x_before", {0, 0, 0, 0, 0, 0, 0, 0, 1}},
                      {"grad_weight_before", {0, 0, 0, 5}},
                      {"grad_bias_before", {7}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    // Windows hold (0 0 / 0 0), (0 0 / 0 0), (0 0 / 0 4), (0 2 / 6 8).
    EXPECT_EQ(results.at("y"), (Array{100, 100, 100 + 4 * 4, 100 + 2 * 2 + 3 * 6 + 4 * 8}));
    // Open ReLUs: 6, 7, 8, 9. Pixel 6 is tap (0,1) of window (1,1); 7 tap (1,1) of (1,0); 8 and 9 taps (1,0), (1,1) of (1,1).
    EXPECT_EQ(results.at("grad_x"), (Array{0, 0, 0, 0, 0, 2000, 400, 3000, 4001}));
    EXPECT_EQ(results.at("grad_weight"), (Array{0, 2 * 1000, 6 * 1000, 5 + 4 * 100 + 8 * 1000}));
    EXPECT_EQ(results.at("grad_bias"), (Array{7 + 1111}));
  }
}

TEST(Conv2d, PaddingIsZeroAfterThePrologue) {
  const Conv2dCase padded{"padding", {1, 1, 1, 1, 1, 3, 3, 1, 1}, PrologueKind::kAffine, kernels::Accumulate::kWrite, false};
  const Arrays inputs{{"x", {0}}, {"scale", {1}}, {"shift", {5}}, {"weight", Array(9, 1)}, {"grad_y", {1}}};
  EXPECT_EQ(run_case(padded, inputs, reference()).at("y"), Array{5});  // not 9 times 5
  EXPECT_EQ(run_case(padded, inputs, cpu_table()).at("y"), Array{5});
}

TEST(Conv2d, GradientsMatchFiniteDifferences) {
  expect_gradients(conv2d_cases());
}

TEST(Conv2d, MatchesPyTorch) {
  for (const auto& row : op_goldens("conv2d")) {
    const auto x = golden_shape(row, "x"), weight = golden_shape(row, "weight");
    const auto& params = row.at("params");
    const Conv2dCase op_case{row.at("name"),
                             {x[0], x[2], x[3], x[1], weight[0], weight[2], weight[3], params.at("stride"), params.at("padding")},
                             PrologueKind::kNone,
                             kernels::Accumulate::kWrite,
                             params.at("bias")};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(Conv2d, ReferenceInFloatMatchesDouble) {
  expect_matches_reference(every(3, conv2d_cases()), *kernels::reference_backend().float32);
}
TEST(Conv2d, CpuMatchesReference) {
  expect_matches_reference(conv2d_cases(), cpu_table());
}
TEST(Conv2d, CpuMatchesReferenceOnRealLayers) {
  expect_matches_reference(conv2d_layer_cases(), cpu_table());
}
TEST(Conv2d, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(conv2d_cases(), cpu_table());
  expect_same_for_any_threads(conv2d_layer_cases(), cpu_table());
}
TEST(Conv2d, ReferenceIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(every(5, conv2d_cases()), reference());
}

}  // namespace
}  // namespace sepia::test
