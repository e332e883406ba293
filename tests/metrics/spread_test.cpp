#include "engine/metrics/spread.h"

#include <gtest/gtest.h>

#include <vector>

#include "engine/base/error.h"

namespace sepia {
namespace {

TEST(Spread, ByHand) {
  const Spread spread = spread_of(std::vector<double>{2, 4, 4, 6});  // squares of distances from 4: 4 + 0 + 0 + 4
  EXPECT_EQ(spread.n, 4U);
  EXPECT_EQ(spread.mean, 4);
  EXPECT_EQ(spread.low, 2);
  EXPECT_EQ(spread.high, 6);
  EXPECT_NEAR(spread.deviation.value(), 1.632993161855452, 1e-15);  // sqrt(8 / 3)
}

TEST(Spread, OfOneValueHasNoDeviation) {
  const Spread spread = spread_of(std::vector<double>{0.75});
  EXPECT_EQ(spread.mean, 0.75);
  EXPECT_FALSE(spread.deviation);
  EXPECT_THROW(spread_of({}), Error);
}

TEST(Spread, OfEvaluationsHoldsWhatAllOfThemHave) {
  const std::vector<Logits2> logits{{0, 1}, {0, -1}, {0, 2}};
  EvaluationParams params;
  params.bootstrap.replicates = 0;
  const Evaluation both = evaluate(logits, std::vector<std::uint8_t>{1, 0, 1}, params), one_class = evaluate(logits, std::vector<std::uint8_t>{1, 1, 1}, params);
  const auto names_of = [](const auto& spreads) {
    std::string names;
    for (const auto& [name, spread] : spreads) names += name + " ";
    return names;
  };
  const Evaluation* same[] = {&both, &both};
  EXPECT_EQ(names_of(spreads_of(same)).find("loss accuracy balanced_accuracy"), 0U);
  EXPECT_EQ(spreads_of(same).front().second.deviation, 0);
  const Evaluation* mixed[] = {&both, &one_class};
  EXPECT_EQ(names_of(spreads_of(mixed)).find("auc"), std::string::npos);
  EXPECT_NE(names_of(spreads_of(mixed)).find("accuracy"), std::string::npos);
  EXPECT_TRUE(spreads_of({}).empty());
}

}  // namespace
}  // namespace sepia
