// The checks themselves must be able to fail: a kernel table with faults planted in it.
#include "tests/support/op_checks.h"

#include <gtest/gtest-spi.h>

#include <cmath>

#include "kernels/reference/elementwise.h"
#include "tests/support/op_cases_elementwise.h"

namespace sepia::test {
namespace {

using kernels::Accumulate;
using kernels::LaunchContext;
using Forward = kernels::AffineReluForward<float>;
using Backward = kernels::AffineReluBackward<float>;

/// The reference's float table with its affine_relu_forward replaced.
kernels::KernelTable<float> table_with(void (*forward)(const LaunchContext&, const Forward&)) {
  kernels::KernelTable<float> table = *kernels::reference_backend().float32;
  table.affine_relu_forward = forward;
  return table;
}

const std::vector<AffineReluCase>& one_case() {
  static const std::vector<AffineReluCase> cases{{"one case", 5, 37, PrologueKind::kAffineRelu, Accumulate::kWrite}};
  return cases;
}

TEST(OpChecks, AWrongElementIsFound) {
  EXPECT_NONFATAL_FAILURE(expect_matches_reference(one_case(), table_with([](const LaunchContext& context, const Forward& a) {
                                                     kernels::reference::affine_relu_forward(context, a);
                                                     a.y[17] += 1e-3f;
                                                   })),
                          "y[17]");
}

TEST(OpChecks, AnElementThatIsNotWrittenIsFound) {
  EXPECT_NONFATAL_FAILURE(expect_matches_reference(one_case(), table_with([](const LaunchContext& context, const Forward& a) {
                                                     Forward all_but_one_row = a;
                                                     --all_but_one_row.rows;
                                                     kernels::reference::affine_relu_forward(context, all_but_one_row);
                                                   })),
                          "37 of 185 differ");
}

TEST(OpChecks, AWritePastTheEndIsFound) {
  const auto table = table_with([](const LaunchContext& context, const Forward& a) {
    kernels::reference::affine_relu_forward(context, a);
    a.y[a.rows * a.channels + 3] = 0;
  });
  EXPECT_THROW(expect_matches_reference(one_case(), table), std::runtime_error);
}

TEST(OpChecks, AResultThatDependsOnTheThreadsIsFound) {
  const auto table = table_with([](const LaunchContext& context, const Forward& a) {
    kernels::reference::affine_relu_forward(context, a);
    if (num_threads() == 3) a.y[0] = std::nextafter(a.y[0], 9.0f);
  });
  EXPECT_NONFATAL_FAILURE(expect_same_for_any_threads(one_case(), table), "differs with 3 threads");
}

/// A case whose backward forgets the ReLU: what a wrong gradient looks like to the gradient check.
struct ForgetsTheRelu : AffineReluCase {
  template <class T>
  Arrays run(Workspace<T>& w, const Arrays& inputs) const {
    Arrays results = AffineReluCase::run(w, inputs);
    results["grad_x"] = inputs.at("grad_y");
    return results;
  }
};

TEST(OpChecks, AWrongGradientIsFound) {
  const std::vector<ForgetsTheRelu> cases{{{"forgets the ReLU", 1, 3, PrologueKind::kRelu, Accumulate::kWrite}}};
  Arrays inputs{{"x", {1, -1, 2}}, {"grad_y", {1, 1, 1}}};
  const Arrays results = run_case(cases[0], inputs, *kernels::reference_backend().float64);
  EXPECT_NONFATAL_FAILURE(expect_gradient(cases[0], inputs, results, cases[0].gradients()[0], 10), "grad_x[1] is 1");
}

TEST(OpChecks, NanAndInfinityAreOnlyNearThemselves) {
  const Tolerance t{0.1, 0.1};
  EXPECT_TRUE(t.accepts(NAN, NAN));
  EXPECT_TRUE(t.accepts(INFINITY, INFINITY));
  EXPECT_FALSE(t.accepts(1, NAN));
  EXPECT_FALSE(t.accepts(NAN, 1));
  EXPECT_FALSE(t.accepts(-INFINITY, INFINITY));
  EXPECT_FALSE(t.accepts(1e300, INFINITY));
}

TEST(RandomArrays, DependOnTheNamesAlone) {
  const RandomArrays a("case a"), again("case a"), b("case b");
  EXPECT_EQ(a.values("x", 20), again.values("x", 20));
  EXPECT_NE(a.values("x", 20), a.values("y", 20));
  EXPECT_NE(a.values("x", 20), b.values("x", 20));
}

TEST(RandomArrays, KeepTheirPromises) {
  const RandomArrays random("promises");
  const Array x = random.values("x", 1000), scale = random.scales("scale", 1000), shift = random.shifts("shift", 1000);
  for (std::size_t i = 0; i < x.size(); ++i) {
    EXPECT_EQ(static_cast<double>(static_cast<float>(bf16(static_cast<float>(x[i])))), x[i]);  // exact in bf16
    const float in_float = static_cast<float>(scale[i]) * static_cast<float>(x[i]) + static_cast<float>(shift[i]);
    EXPECT_EQ(static_cast<double>(in_float), scale[i] * x[i] + shift[i]);  // no rounding in float
    EXPECT_GT(std::abs(scale[i] * x[i] + shift[i]), 1e-4);                 // clear of the kink
  }
  Array distinct = random.distinct("d", 500);
  std::sort(distinct.begin(), distinct.end());
  EXPECT_EQ(std::adjacent_find(distinct.begin(), distinct.end()), distinct.end());
}

}  // namespace
}  // namespace sepia::test
