// sepia gradcheck: passes on every op, and would not pass on a wrong gradient.
#include "tools/gradcheck/grad_case.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "engine/base/parallel_for.h"
#include "engine/ops/add.h"
#include "engine/ops/linear.h"
#include "tests/support/run_command.h"

namespace sepia::tools {
namespace {

using ::testing::HasSubstr;

TEST(Gradcheck, EveryOpAgreesForSeveralSeeds) {
  set_num_threads(1);  // the pieces are tiny
  for (const GradCase& grad_case : grad_cases()) {
    for (const std::uint64_t seed : {1U, 2U, 3U}) {
      const GradReport report = check_gradients(grad_case, seed);
      EXPECT_GT(report.checked, 0);
      EXPECT_TRUE(report.mismatches.empty()) << grad_case.op << " (" << grad_case.name << "), seed " << seed << ": " << report.worst;
    }
  }
}

TEST(Gradcheck, FindsAMissingTerm) {
  const GradCase wrong{"add", "one branch cut off the tape", {{"a", Shape({2, 3})}, {"b", Shape({2, 3})}},
                       [](const std::vector<Variable>& in) { return ops::add(in[0], in[1].detach()); }};
  const GradReport report = check_gradients(wrong, 1);
  EXPECT_EQ(report.checked, 12);
  ASSERT_EQ(report.mismatches.size(), 6U);
  EXPECT_EQ(report.mismatches.front().input, "b");
  EXPECT_EQ(report.mismatches.front().analytic, 0.0);
}

TEST(Gradcheck, FindsAWrongFactor) {
  // A value used twice whose second use is hidden from the tape: the gradient lacks a half.
  const GradCase wrong{"linear", "input hidden once", {{"x", Shape({2, 3})}, {"weight", Shape({3, 3})}}, [](const std::vector<Variable>& in) {
                         return ops::add(ops::linear(in[0], in[1], Variable()), ops::linear(in[0].detach(), in[1], Variable()));
                       }};
  const GradReport report = check_gradients(wrong, 1);
  EXPECT_EQ(report.mismatches.size(), 6U);
}

TEST(GradcheckCommand, ChecksTheNamedOps) {
  const auto result = sepia::test::run_sepia({"gradcheck", "linear", "--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("passed"), json.at("cases"));
  for (const auto& one : json.at("results")) EXPECT_EQ(one.at("op"), "linear");
}

TEST(GradcheckCommand, SuggestsTheNearestOp) {
  const auto result = sepia::test::run_sepia({"gradcheck", "con2d"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("error: no operation is called 'con2d', did you mean 'conv2d'?"));
}

}  // namespace
}  // namespace sepia::tools
