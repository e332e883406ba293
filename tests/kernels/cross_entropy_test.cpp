// Softmax and cross-entropy: by hand, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/cross_entropy.h"

#include <cmath>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_cross_entropy.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

// Logits log 1, log 3 give probabilities 1/4, 3/4.
TEST(CrossEntropy, ComputedByHand) {
  const CrossEntropyCase by_hand{"by hand", 2, 2, true, 0.5, kernels::Accumulate::kAdd};
  const Arrays inputs{{"logits", {0, std::log(3.0), std::log(3.0), 0}},
                      {"labels", {1, 1}},
                      {"class_weights", {1, 3}},
                      {"grad_y", {12}},
                      {"grad_logits_before", {0, 0, 0, 100}}};
  const Arrays results = run_case(by_hand, inputs, reference());
  expect_near(results.at("probabilities"), {0.25, 0.75, 0.75, 0.25}, {1e-15, 1e-15}, "probabilities");
  // Targets 1/4, 3/4; weighted by class 1/4, 9/4; divided by the labels' weights 3 + 3.
  const double low = -std::log(0.25), high = -std::log(0.75);
  expect_near(results.at("loss"), {(low / 4 + high * 9 / 4 + high / 4 + low * 9 / 4) / 6}, {1e-15, 0}, "loss");
  // 12 / 6 * (p * 10/4 - weighted target).
  expect_near(results.at("grad_logits"), {0.75, -0.75, 3.25, 100 - 3.25}, {1e-14, 1e-14}, "grad_logits");
}

TEST(CrossEntropy, AnImpossibleClassThatIsNotAskedForCostsNothing) {
  const CrossEntropyCase op_case{"minus infinity", 1, 2};
  const Arrays inputs{{"logits", {-INFINITY, 1}}, {"labels", {1}}, {"grad_y", {1}}};
  EXPECT_EQ(run_case(op_case, inputs, reference()).at("loss"), Array{0});
  EXPECT_EQ(run_case(op_case, inputs, cpu_table()).at("loss"), Array{0});
}

TEST(CrossEntropy, NanIsNotLost) {
  const CrossEntropyCase op_case{"nan", 2, 3};
  for (int place = 0; place < 6; ++place) {
    Arrays inputs{{"logits", {1, 2, 3, 4, 5, 6}}, {"labels", {0, 1}}, {"grad_y", {1}}};
    inputs["logits"][place] = NAN;
    EXPECT_TRUE(std::isnan(run_case(op_case, inputs, reference()).at("loss")[0])) << place;
    EXPECT_TRUE(std::isnan(run_case(op_case, inputs, cpu_table()).at("loss")[0])) << place;
  }
}

TEST(CrossEntropy, MatchesPyTorch) {
  for (const auto& row : op_goldens("cross_entropy")) {
    const auto shape = golden_shape(row, "x");
    const CrossEntropyCase op_case{row.at("name"), shape[0], shape[1], row.at("inputs").contains("class_weights"),
                                   row.at("params").at("smoothing")};
    const Renames renames{{"x", "logits"}, {"y", "loss"}, {"grad_x", "grad_logits"}};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs"), false, renames), golden_arrays(row.at("outputs"), false, renames),
                          cpu_table());
  }
}

TEST(Softmax, MatchesPyTorch) {
  for (const auto& row : op_goldens("softmax")) {
    const auto shape = golden_shape(row, "x");
    const SoftmaxCase op_case{row.at("name"), shape[0], shape[1]};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(CrossEntropy, GradientsMatchFiniteDifferences) {
  expect_gradients(softmax_cases());
  expect_gradients(cross_entropy_cases());
}

TEST(CrossEntropy, ReferenceInFloatMatchesDouble) {
  expect_matches_reference(softmax_cases(), *kernels::reference_backend().float32);
  expect_matches_reference(cross_entropy_cases(), *kernels::reference_backend().float32);
}
TEST(CrossEntropy, CpuMatchesReference) {
  expect_matches_reference(softmax_cases(), cpu_table());
  expect_matches_reference(cross_entropy_cases(), cpu_table());
}
TEST(CrossEntropy, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(softmax_cases(), cpu_table());
  expect_same_for_any_threads(cross_entropy_cases(), cpu_table());
}

}  // namespace
}  // namespace sepia::test
