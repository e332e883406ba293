// Pooling: by hand, ties and NaN, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/pooling.h"

#include <limits>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_pooling.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

// 3x3 windows, stride 2, padding 1 on a 3x3 picture: four windows, all of which see the centre.
TEST(MaxPool, ComputedByHand) {
  const MaxPoolCase by_hand{"by hand", {1, 3, 3, 1, 3, 2, 1}, PrologueKind::kNone, kernels::Accumulate::kAdd};
  const Arrays inputs{{"x", {1, 1, 0, 1, 1, 0, 0, 0, 5}}, {"grad_y", {1, 10, 100, 1000}}, {"grad_x_before", {0, 0, 0, 0, 0, 0, 0, 0, 7}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), (Array{1, 1, 1, 5}));
    EXPECT_EQ(results.at("index"), (Array{4, 3, 1, 4}));  // the first of several, as row * 3 + column of its window
    EXPECT_EQ(results.at("grad_x"), (Array{1, 10, 0, 100, 0, 0, 0, 0, 1007}));
  }
}

TEST(MaxPool, NothingPassesAClosedRelu) {
  const MaxPoolCase op_case{"closed", {1, 2, 4, 1, 2, 2, 0}, PrologueKind::kRelu};
  const Arrays inputs{{"x", {-1, -2, 3, 4, -3, -4, -5, 1}}, {"grad_y", {1, 2}}};
  for (const auto& results : {run_case(op_case, inputs, reference()), run_case(op_case, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), (Array{0, 4}));
    EXPECT_EQ(results.at("grad_x"), (Array{0, 0, 0, 2, 0, 0, 0, 0}));
  }
}

// A NaN wins wherever it stands in the window, through a ReLU too; of several the last, as in PyTorch.
TEST(MaxPool, NanWins) {
  for (const PrologueKind prologue : {PrologueKind::kNone, PrologueKind::kRelu}) {
    for (std::size_t place = 0; place < 4; ++place) {
      const MaxPoolCase op_case{"nan", {1, 2, 2, 1, 2, 2, 0}, prologue};
      Arrays inputs{{"x", {1, 2, 3, 4}}, {"grad_y", {5}}};
      inputs["x"][place] = kNan;
      Array expected(4);
      expected[place] = 5;
      for (const auto& results : {run_case(op_case, inputs, reference()), run_case(op_case, inputs, cpu_table())}) {
        expect_near(results.at("y"), {kNan}, {0, 0}, "y");
        EXPECT_EQ(results.at("grad_x"), expected);
      }
    }
  }
}

TEST(MaxPool, AWindowOfMinusInfinityHasAWinnerInsideThePicture) {
  const MaxPoolCase op_case{"minus infinity", {1, 1, 1, 1, 3, 1, 1}};
  const Arrays inputs{{"x", {-std::numeric_limits<double>::infinity()}}, {"grad_y", {2}}};
  for (const auto& results : {run_case(op_case, inputs, reference()), run_case(op_case, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), inputs.at("x"));
    EXPECT_EQ(results.at("grad_x"), Array{2});
  }
}

TEST(MaxPool, MatchesPyTorch) {
  for (const auto& row : op_goldens("max_pool")) {
    const auto x = golden_shape(row, "x");
    const auto& params = row.at("params");
    const MaxPoolCase op_case{row.at("name"), {x[0], x[2], x[3], x[1], params.at("kernel"), params.at("stride"), params.at("padding")}};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(GlobalAvgPool, ComputedByHand) {
  const GlobalAvgPoolCase by_hand{"by hand", 1, 2, 2, PrologueKind::kAffineRelu, kernels::Accumulate::kAdd};
  const Arrays inputs{{"x", {1, 2, 3, 4}}, {"scale", {1, -1}}, {"shift", {0, 3}}, {"grad_y", {10, 20}}, {"grad_x_before", {1, 0, 0, 0}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), (Array{2, 0.5}));
    EXPECT_EQ(results.at("grad_x"), (Array{6, 10, 5, 0}));
  }
}

TEST(GlobalAvgPool, MatchesPyTorch) {
  for (const auto& row : op_goldens("global_avg_pool")) {
    const auto x = golden_shape(row, "x");
    const GlobalAvgPoolCase op_case{row.at("name"), x[0], x[2] * x[3], x[1]};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(Pooling, GradientsMatchFiniteDifferences) {
  expect_gradients(max_pool_cases());
  expect_gradients(global_avg_pool_cases());
}

TEST(Pooling, ReferenceInFloatMatchesDouble) {
  const auto& table = *kernels::reference_backend().float32;
  expect_matches_reference(max_pool_cases(), table);
  expect_matches_reference(global_avg_pool_cases(), table);
}
TEST(Pooling, CpuMatchesReference) {
  expect_matches_reference(max_pool_cases(), cpu_table());
  expect_matches_reference(max_pool_tie_cases(), cpu_table());
  expect_matches_reference(max_pool_layer_cases(), cpu_table());
  expect_matches_reference(global_avg_pool_cases(), cpu_table());
}
TEST(Pooling, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(max_pool_cases(), cpu_table());
  expect_same_for_any_threads(max_pool_layer_cases(), cpu_table());
  expect_same_for_any_threads(global_avg_pool_cases(), cpu_table());
}
TEST(Pooling, ReferenceIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(every(5, max_pool_cases()), reference());
}

}  // namespace
}  // namespace sepia::test
