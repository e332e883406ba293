#include "engine/metrics/roc.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using Labels = std::vector<std::uint8_t>;
using Scores = std::vector<double>;

TEST(Roc, AHandComputedCurveWithATie) {
  // Falling: 4 (fake), 3 (fake and real), 1 (real).
  const RocCurve curve = roc_curve(Scores{3, 1, 4, 3}, Labels{1, 0, 1, 0});
  EXPECT_THAT(curve.thresholds, ElementsAre(INFINITY, 4, 3, 1));
  EXPECT_THAT(curve.false_positives, ElementsAre(0, 0, 1, 2));
  EXPECT_THAT(curve.true_positives, ElementsAre(0, 1, 2, 2));
  EXPECT_EQ(curve.fpr(2), 0.5);
  EXPECT_EQ(curve.tpr(1), 0.5);
  EXPECT_EQ(curve.fnr(1), 0.5);
  EXPECT_EQ(auc(curve).value, 3.5 / 4);            // pairs won: 4>3, 4>1, 3>1, and 3=3 counts half
  EXPECT_EQ(equal_error_rate(curve).value, 0.25);  // the step from (0, 1/2) to (1/2, 1) meets fpr = fnr in its middle
  EXPECT_DOUBLE_EQ(*average_precision(curve).value, 0.5 * 1 + 0.5 * 2 / 3);
  EXPECT_EQ(tpr_at_fpr(curve, 0.01).value, 0.5);
  EXPECT_EQ(tpr_at_fpr(curve, 0.5).value, 1.0);
}

// The definition itself, pair by pair.
TEST(Roc, AucIsTheShareOfPairsWon) {
  for (std::uint32_t round = 0; round < 200; ++round) {
    RandomStream random(5, RandomPurpose::kTest, round);
    const std::size_t n = 2 + random.below(30);
    Scores scores(n), negated(n);
    Labels labels(n);
    for (std::size_t i = 0; i < n; ++i) {
      scores[i] = random.below(8) / 3.0;
      negated[i] = -scores[i];
      labels[i] = static_cast<std::uint8_t>(random.below(2));
    }
    labels[0] = 0, labels[1] = 1;
    double won = 0, pairs = 0;
    for (std::size_t i = 0; i < n; ++i) {
      for (std::size_t j = 0; j < n; ++j) {
        if (labels[i] == 0 || labels[j] == 1) continue;
        won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
        pairs += 1;
      }
    }
    EXPECT_NEAR(*auc(scores, labels).value, won / pairs, 1e-15);
    EXPECT_EQ(*auc(scores, labels).value + *auc(negated, labels).value, 1.0);
  }
}

TEST(Roc, OrderOfSamplesChangesNothing) {
  const Scores scores{1, 1, 2, 2, 2, 0}, shuffled{2, 0, 1, 2, 1, 2};
  const Labels labels{0, 1, 1, 0, 1, 0}, shuffled_labels{0, 0, 1, 1, 0, 1};
  const RocCurve a = roc_curve(scores, labels), b = roc_curve(shuffled, shuffled_labels);
  EXPECT_EQ(a.true_positives, b.true_positives);
  EXPECT_EQ(a.false_positives, b.false_positives);
  EXPECT_EQ(a.thresholds, b.thresholds);
}

TEST(Roc, ZeroOfEitherSignIsOneScore) {
  EXPECT_EQ(auc(Scores{0.0, -0.0}, Labels{1, 0}).value, 0.5);
}

TEST(Roc, AllTiedIsChance) {
  const RocCurve curve = roc_curve(Scores{7, 7, 7, 7, 7}, Labels{1, 0, 1, 0, 0});
  EXPECT_EQ(curve.size(), 2u);
  EXPECT_EQ(auc(curve).value, 0.5);
  EXPECT_EQ(equal_error_rate(curve).value, 0.5);
  EXPECT_EQ(average_precision(curve).value, 0.4);
  EXPECT_EQ(tpr_at_fpr(curve, 0.01).value, 0.0);
  EXPECT_FALSE(auc_p_value(curve).value);
  EXPECT_EQ(auc_p_value(curve).reason, "all scores are equal");
}

TEST(Roc, PerfectAndReversed) {
  const Labels labels{0, 0, 1, 1};
  const RocCurve perfect = roc_curve(Scores{1, 2, 3, 4}, labels), reversed = roc_curve(Scores{4, 3, 2, 1}, labels);
  EXPECT_EQ(auc(perfect).value, 1.0);
  EXPECT_EQ(auc(reversed).value, 0.0);
  EXPECT_EQ(equal_error_rate(perfect).value, 0.0);
  EXPECT_EQ(equal_error_rate(reversed).value, 1.0);
  EXPECT_EQ(average_precision(perfect).value, 1.0);
}

// RELIABILITY F13.
TEST(Roc, OneClassOrNothingIsAbsentWithTheReason) {
  const std::vector<std::pair<Labels, std::string>> cases{
      {{}, "there are no pictures"}, {{0, 0}, "there are no fake pictures"}, {{1, 1}, "there are no real pictures"}};
  for (const auto& [labels, reason] : cases) {
    const RocCurve curve = roc_curve(Scores(labels.size(), 0.25), labels);
    for (const Metric& metric :
         {auc(curve), auc_p_value(curve), equal_error_rate(curve), average_precision(curve), tpr_at_fpr(curve, 0.01)}) {
      EXPECT_FALSE(metric.value);
      EXPECT_THAT(metric.reason, HasSubstr(reason));
    }
    for (std::size_t i = 0; i < curve.size(); ++i) EXPECT_TRUE(std::isfinite(curve.fpr(i) + curve.tpr(i) + curve.fnr(i)));
  }
}

TEST(Roc, RefusesWhatDoesNotFit) {
  EXPECT_THROW(roc_curve(Scores{1, 2}, Labels{0}), Error);
  EXPECT_THROW(roc_curve(Scores{1}, Labels{2}), Error);
  try {
    roc_curve(Scores{1, NAN}, Labels{0, 1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
    EXPECT_THAT(error.what(), HasSubstr("score 1 is NaN"));
  }
}

TEST(Roc, ManySamplesDoNotOverflow) {
  const std::size_t half = 300000;
  Scores scores(2 * half);
  Labels labels(2 * half);
  for (std::size_t i = 0; i < scores.size(); ++i) {
    scores[i] = static_cast<double>(i);
    labels[i] = i >= half;
  }
  EXPECT_EQ(auc(scores, labels).value, 1.0);
  EXPECT_EQ(equal_error_rate(roc_curve(scores, labels)).value, 0.0);
}

}  // namespace
}  // namespace sepia
