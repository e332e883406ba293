// Linear map: by hand, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/linear.h"

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_linear.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

TEST(Linear, ComputedByHand) {
  const LinearCase by_hand{"by hand", {2, 3, 2}, PrologueKind::kAffineRelu, kernels::Accumulate::kAdd};
  // act(x) = relu(x * {1, 2, -1} + {0, -1, 4}) = (1 3 1 / 0 0 6); the masked ones are x[1][0] and x[1][1].
  const Arrays inputs{{"x", {1, 2, 3, -4, 0.5, -2}},
                      {"scale", {1, 2, -1}},
                      {"shift", {0, -1, 4}},
                      {"weight", {1, 2, 3, 10, 20, 30}},
                      {"bias", {100, 200}},
                      {"grad_y", {1, 2, 3, 4}},
                      {"grad_x_before", {0, 0, 0, 5, 0, 0}},
                      {"grad_weight_before", {0, 0, 0, 0, 0, 1}},
                      {"grad_bias_before", {1, 1}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), (Array{100 + 1 + 6 + 3, 200 + 10 + 60 + 30, 100 + 18, 200 + 180}));
    EXPECT_EQ(results.at("grad_x"), (Array{1 + 20, 2 + 40, 3 + 60, 5, 0, 9 + 120}));
    EXPECT_EQ(results.at("grad_weight"), (Array{1, 3, 1 + 18, 2, 6, 1 + 2 + 24}));
    EXPECT_EQ(results.at("grad_bias"), (Array{1 + 4, 1 + 6}));
  }
}

TEST(Linear, GradientsMatchFiniteDifferences) {
  expect_gradients(linear_cases());
}

TEST(Linear, MatchesPyTorch) {
  for (const auto& row : op_goldens("linear")) {
    const auto weight = golden_shape(row, "weight");
    const LinearCase op_case{row.at("name"),
                             {golden_shape(row, "x")[0], weight[1], weight[0]},
                             PrologueKind::kNone,
                             kernels::Accumulate::kWrite,
                             row.at("inputs").contains("bias")};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(Linear, ReferenceInFloatMatchesDouble) {
  expect_matches_reference(every(3, linear_cases()), *kernels::reference_backend().float32);
}
TEST(Linear, CpuMatchesReference) {
  expect_matches_reference(linear_cases(), cpu_table());
}
TEST(Linear, CpuMatchesReferenceOnRealLayers) {
  expect_matches_reference(linear_layer_cases(), cpu_table());
}
TEST(Linear, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(linear_cases(), cpu_table());
  expect_same_for_any_threads(linear_layer_cases(), cpu_table());
}
TEST(Linear, ReferenceIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(every(5, linear_cases()), reference());
}

}  // namespace
}  // namespace sepia::test
