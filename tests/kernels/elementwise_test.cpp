// Element-wise kernels: by hand, against finite differences and PyTorch; the CPU's against the reference.
#include "kernels/elementwise.h"

#include <cmath>
#include <limits>

#include "tests/kernels/cpu_table.h"
#include "tests/support/op_cases_elementwise.h"
#include "tests/support/op_goldens.h"

namespace sepia::test {
namespace {

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr double kInfinity = std::numeric_limits<double>::infinity();
const kernels::KernelTable<double>& reference() {
  return *kernels::reference_backend().float64;
}

TEST(AffineRelu, ComputedByHand) {
  const AffineReluCase by_hand{"by hand", 2, 2, PrologueKind::kAffineRelu, kernels::Accumulate::kAdd};
  const Arrays inputs{
      {"x", {1, 2, 3, 4}}, {"scale", {2, -1}}, {"shift", {-3, 2}}, {"grad_y", {1, 2, 3, 4}}, {"grad_x_before", {10, 20, 30, 40}}};
  for (const auto& results : {run_case(by_hand, inputs, reference()), run_case(by_hand, inputs, cpu_table())}) {
    EXPECT_EQ(results.at("y"), (Array{0, 0, 3, 0}));
    EXPECT_EQ(results.at("grad_x"), (Array{10, 20, 33, 40}));  // blocked below zero and at zero
  }
}

// Eleven elements in one row of eleven channels, so that both the vector body and the tail of a CPU kernel see each kind.
TEST(AffineRelu, SpecialValuesGoThroughAsInPyTorch) {
  const Array x{kNan, -kInfinity, kInfinity, -0.0, 0.0, 1e-300, -1e-300, kNan, -1, 2, kNan};
  const AffineReluCase op_case{"special values", 1, std::ssize(x), PrologueKind::kRelu, kernels::Accumulate::kWrite};
  const Arrays inputs{{"x", x}, {"grad_y", Array(x.size(), 3)}};
  const Arrays results = run_case(op_case, inputs, reference());
  expect_near(results.at("y"), {kNan, 0, kInfinity, 0, 0, 1e-300, 0, kNan, 0, 2, kNan}, {0, 0}, "y");
  EXPECT_EQ(results.at("grad_x"), (Array{3, 0, 3, 0, 0, 3, 0, 3, 0, 3, 3}));
  const Arrays cpu = run_case(op_case, inputs, cpu_table());  // 1e-300 is zero in float
  expect_near(cpu.at("y"), {kNan, 0, kInfinity, 0, 0, 0, 0, kNan, 0, 2, kNan}, {0, 0}, "y");
  EXPECT_EQ(cpu.at("grad_x"), (Array{3, 0, 3, 0, 0, 0, 0, 3, 0, 3, 3}));
}

TEST(AffineRelu, MatchesPyTorch) {
  for (const auto& row : op_goldens("relu")) {
    const AffineReluCase op_case{row.at("name"), 1, golden_shape(row, "x")[0], PrologueKind::kRelu, kernels::Accumulate::kWrite};
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(Add, MatchesPyTorch) {
  for (const auto& row : op_goldens("add")) {
    const auto shape = golden_shape(row, "a");
    const AddCase op_case{row.at("name"), shape[0], shape[1], PrologueKind::kNone, PrologueKind::kNone};
    Arrays expected = golden_arrays(row.at("outputs"));
    EXPECT_EQ(expected.at("grad_a"), golden_arrays(row.at("inputs")).at("grad_y"));  // its backward is a copy
    expected.erase("grad_a");
    expected.erase("grad_b");
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), expected, cpu_table());
  }
}

TEST(Add, ComputedByHand) {
  const AddCase by_hand{"by hand", 1, 2, PrologueKind::kAffineRelu, PrologueKind::kRelu};
  const Arrays inputs{{"a", {1, 2}}, {"a_scale", {2, 3}}, {"a_shift", {1, -10}}, {"b", {-7, 4}}};
  EXPECT_EQ(run_case(by_hand, inputs, reference()).at("y"), (Array{3, 4}));
  EXPECT_EQ(run_case(by_hand, inputs, cpu_table()).at("y"), (Array{3, 4}));
}

TEST(ImagesToInput, ComputedByHand) {
  const ImagesToInputCase by_hand{"by hand", 1, 1, 2, {0.5, 0, 0.25}, {0.5, 2, 0.25}};
  const Arrays inputs{{"pixels", {0, 255, 51, 255, 0, 255}}};
  expect_near(run_case(by_hand, inputs, reference()).at("y"), {-1, 0.5, -0.2, 1, 0, 3}, {1e-15, 1e-15}, "y");
}

// A source of 2x2 pixels, whose channels are value, 10 value, 20 value: 1 2 / 3 4. The window begins one pixel up and to the right.
TEST(ImagesToInput, CropAndFlipByHand) {
  const auto run = [](double flip, std::int64_t width) {
    const ImagesToInputCase window{"window", 1, 2, width, {0, 0, 0}, {1.0 / 255, 1.0 / 255, 1.0 / 255}, 2, 2, true, true};
    const Arrays inputs{{"pixels", {1, 10, 20, 2, 20, 40, 3, 30, 60, 4, 40, 80}}, {"crop_y", {-1}}, {"crop_x", {1}}, {"flip", {flip}}};
    const Array y = run_case(window, inputs, reference()).at("y");
    expect_near(run_case(window, inputs, cpu_table()).at("y"), y, {1e-6, 1e-6}, "y");
    return y;
  };
  expect_near(run(0, 2), {0, 0, 0, 0, 0, 0, 2, 20, 40, 0, 0, 0}, {1e-14, 1e-14}, "y");
  expect_near(run(1, 2), {0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 20, 40}, {1e-14, 1e-14}, "mirrored");
  expect_near(run(1, 3), {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2, 20, 40}, {1e-14, 1e-14}, "mirrored, wider than the source");
}

// One channel differs from zero. By hand, with the border reflected (row -1 is row 1): at the middle 16 * 60 - 4 * 60 = 720, clamped to 612 of
// 204: 3. Right of it, the middle counts 2 on the left and 2 on the right (column 3 is column 1): -240 / 204. In the corner 4 times: -240 / 204.
TEST(ImagesToResidual, ComputedByHand) {
  const ImagesToResidualCase op_case{"by hand", 1, 3, 3};
  Array pixels(27, 0), expected(27, 0);
  pixels[4 * 3 + 1] = 60;
  for (std::size_t i = 0; i < 9; ++i) expected[i * 3 + 1] = -240.0 / 204;
  expected[4 * 3 + 1] = 3;
  const Arrays inputs{{"pixels", pixels}};
  expect_near(run_case(op_case, inputs, reference()).at("y"), expected, {1e-15, 1e-15}, "y");
  expect_near(run_case(op_case, inputs, cpu_table()).at("y"), expected, {1e-7, 1e-7}, "y");
}

TEST(ImagesToResidual, MatchesPyTorch) {
  for (const auto& row : op_goldens("images_to_residual")) {
    const auto shape = golden_shape(row, "pixels");
    const ImagesToResidualCase op_case{row.at("name"), shape[0], shape[2], shape[3]};  // (N, C, H, W)
    expect_matches_golden(op_case, golden_arrays(row.at("inputs")), golden_arrays(row.at("outputs")), cpu_table());
  }
}

TEST(AffineRelu, GradientsMatchFiniteDifferences) {
  expect_gradients(affine_relu_cases());
}

TEST(Elementwise, ReferenceInFloatMatchesDouble) {
  const auto& table = *kernels::reference_backend().float32;
  expect_matches_reference(affine_relu_cases(), table);
  expect_matches_reference(add_cases(), table);
  expect_matches_reference(accumulate_into_cases(), table);
  expect_matches_reference(images_to_input_cases(), table);
  expect_matches_reference(images_to_residual_cases(), table);
}
TEST(Elementwise, CpuMatchesReference) {
  expect_matches_reference(affine_relu_cases(), cpu_table());
  expect_matches_reference(add_cases(), cpu_table());
  expect_matches_reference(accumulate_into_cases(), cpu_table());
  expect_matches_reference(images_to_input_cases(), cpu_table());
  expect_matches_reference(images_to_residual_cases(), cpu_table());
}
TEST(Elementwise, CpuIsTheSameForAnyNumberOfThreads) {
  expect_same_for_any_threads(affine_relu_cases(), cpu_table());
  expect_same_for_any_threads(add_cases(), cpu_table());
  expect_same_for_any_threads(accumulate_into_cases(), cpu_table());
  expect_same_for_any_threads(images_to_input_cases(), cpu_table());
  expect_same_for_any_threads(images_to_residual_cases(), cpu_table());
}

}  // namespace
}  // namespace sepia::test
