#include "engine/metrics/evaluation.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/metrics/normal.h"

namespace sepia {
namespace {

using ::testing::HasSubstr;
using Labels = std::vector<std::uint8_t>;
using Logits = std::vector<Logits2>;

TEST(Scores, SoftmaxAndLossKeepTheirSmallValues) {
  EXPECT_EQ(softmax({0, 0})[1], 0.5);
  EXPECT_DOUBLE_EQ(softmax({50, 0})[1], std::exp(-50.0) / (1 + std::exp(-50.0)));
  EXPECT_EQ(softmax({-1e6, 1e6})[1], 1.0);
  EXPECT_EQ(softmax({-1e6, 1e6})[0], 0.0);
  EXPECT_DOUBLE_EQ(cross_entropy({0, 0}, 1), std::log(2.0));
  EXPECT_DOUBLE_EQ(cross_entropy({0, 800}, 0), 800);
  EXPECT_DOUBLE_EQ(cross_entropy({0, 40}, 1), std::exp(-40.0));
  for (const double p : {1e-9, 0.02, 0.3, 0.5, 0.75}) EXPECT_NEAR(logistic(log_odds(p)), p, 1e-15);
}

TEST(Scores, TheDecisionAtOneHalfIsArgmaxToTheBit) {
  EXPECT_FALSE(is_fake({1, 1}));  // argmax takes the first of equals
  EXPECT_TRUE(is_fake({1, std::nextafter(1.0, 2.0)}));
  EXPECT_FALSE(is_fake({std::nextafter(1.0, 2.0), 1}));
  EXPECT_TRUE(is_fake({0, -100}, 0));
  EXPECT_FALSE(is_fake({0, 100}, 1));
  EXPECT_TRUE(is_fake({0, 2}, 0.8));
  EXPECT_FALSE(is_fake({0, 2}, 0.9));
}

TEST(Classification, CountsAndAbsentFigures) {
  const Confusion none;
  for (const Metric& metric : {accuracy(none), balanced_accuracy(none), precision(none), recall(none), f1(none), majority_accuracy(none)}) {
    EXPECT_FALSE(metric.value);
    EXPECT_EQ(metric.reason, "there are no pictures");
  }
  const Confusion reals{5, 0, 0, 0};
  EXPECT_EQ(accuracy(reals).value, 1.0);
  EXPECT_EQ(balanced_accuracy(reals).reason, "there are no fake pictures");
  EXPECT_EQ(precision(reals).reason, "no picture was called fake");
  EXPECT_EQ(recall(reals).reason, "there are no fake pictures");
  EXPECT_THAT(f1(reals).reason, HasSubstr("none was called fake"));
  const Confusion mixed{3, 1, 2, 4};
  EXPECT_EQ(accuracy(mixed).value, 0.7);
  EXPECT_DOUBLE_EQ(*balanced_accuracy(mixed).value, (3.0 / 4 + 4.0 / 6) / 2);
  EXPECT_EQ(precision(mixed).value, 0.8);
  EXPECT_DOUBLE_EQ(*recall(mixed).value, 4.0 / 6);
  EXPECT_DOUBLE_EQ(*f1(mixed).value, 8.0 / 11);
  EXPECT_EQ(majority_accuracy(mixed).value, 0.6);
}

TEST(Calibration, BinsCoverZeroToOneWithTheirEdges) {
  const Logits logits{{1000, 0}, {0, 1000}, {0, 0}, {0, 0}};
  const Labels labels{0, 1, 1, 0};
  const auto bins = reliability_bins(logits, labels, 2);
  ASSERT_EQ(bins.size(), 2u);
  EXPECT_EQ(bins[0].count, 1);
  EXPECT_EQ(bins[1].count, 3);  // 0.5 opens the upper bin, 1 is in it
  EXPECT_EQ(bins[1].fakes, 2);
  EXPECT_DOUBLE_EQ(bins[1].mean_probability(), 2.0 / 3);
  EXPECT_DOUBLE_EQ(bins[1].fake_share(), 2.0 / 3);
  EXPECT_EQ(expected_calibration_error(bins).value, 0.0);
  EXPECT_EQ(cllr(logits, labels).value, 0.5);  // each class: one picture certain and right, one that says nothing
  EXPECT_EQ(brier_score(logits, labels).value, 0.125);
}

TEST(Evaluation, SamplesAndFlags) {
  const Logits logits{{2, 1}, {0, 3}, {5, 0}};
  const Evaluation result = evaluate(logits, Labels{0, 1, 0});
  EXPECT_EQ(result.n, 3);
  EXPECT_EQ(result.n_real, 2);
  EXPECT_EQ(result.n_fake, 1);
  EXPECT_FALSE(result.all_one_class);
  ASSERT_EQ(result.samples.size(), 3u);
  EXPECT_TRUE(result.samples[1].called_fake);
  EXPECT_DOUBLE_EQ(result.samples[0].prob_fake, 1 / (1 + std::exp(1.0)));
  EXPECT_DOUBLE_EQ(*result.loss.value, (result.samples[0].loss + result.samples[1].loss + result.samples[2].loss) / 3);
  EXPECT_EQ(result.auc.value, 1.0);
  EXPECT_EQ(result.auc_first_score.value, 0.0);
  EXPECT_EQ(result.auc_ci95.value, std::pair(1.0, 1.0));
  EvaluationParams strict;
  strict.threshold = 0.99;
  EXPECT_TRUE(evaluate(logits, Labels{0, 1, 0}, strict).all_one_class);
}

TEST(Evaluation, SaturatedLogitsMakeNoTies) {
  // As probabilities all of these are 1 in double; as logit differences they are in order.
  const Evaluation result = evaluate(Logits{{0, 40}, {0, 41}, {0, 42}, {0, 43}}, Labels{0, 0, 1, 1});
  EXPECT_EQ(result.auc.value, 1.0);
}

// RELIABILITY F13: nothing is NaN, whatever the split.
TEST(Evaluation, DegenerateSplitsHaveReasonsInPlaceOfValues) {
  for (const std::size_t n : {0u, 1u, 4u}) {
    for (const std::uint8_t label : {0, 1}) {
      const Evaluation result = evaluate(Logits(n, {0.5, 0.25}), Labels(n, label));
      for (const auto& [name, metric] : result.metrics()) {
        EXPECT_NE(metric->value.has_value(), !metric->reason.empty()) << name;
        EXPECT_TRUE(std::isfinite(metric->value.value_or(0))) << name;
      }
      EXPECT_FALSE(result.auc_ci95.value);
      EXPECT_FALSE(result.auc_ci95.reason.empty());
      EXPECT_EQ(result.all_one_class, n > 0);
    }
  }
}

TEST(Evaluation, RefusesWhatIsNotANumber) {
  try {
    evaluate(Logits{{0, 1}, {NAN, 0}}, Labels{0, 1});
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.exit_code(), 5);
    EXPECT_THAT(error.what(), HasSubstr("picture 1"));
  }
  EXPECT_THROW(evaluate(Logits{{0, INFINITY}}, Labels{0}), Error);
  EXPECT_THROW(evaluate(Logits{{0, 1}}, Labels{}), Error);
  EXPECT_THROW(evaluate(Logits{{0, 1}}, Labels{3}), Error);
  EXPECT_THROW(evaluate(Logits{}, Labels{}, {.threshold = NAN}), Error);
}

/// Normal scores, fakes `shift` higher: the AUC of the population is Phi(shift / sqrt 2).
struct Sample {
  std::vector<double> scores;
  Labels labels;
};
Sample binormal(std::uint32_t seed, std::size_t n, double shift) {
  RandomStream random(17, RandomPurpose::kTest, seed);
  Sample sample;
  for (std::size_t i = 0; i < n; ++i) {
    sample.labels.push_back(i % 2 != 0);
    sample.scores.push_back(random.normal() + (i % 2 != 0 ? shift : 0));
  }
  return sample;
}

TEST(Bootstrap, IntervalsCoverTheTrueAucAsOftenAsTheySay) {
  constexpr int kSamples = 300;
  const double truth = normal_cdf(1.0 / std::sqrt(2.0));
  int covered = 0;
  for (std::uint32_t seed = 0; seed < kSamples; ++seed) {
    const Sample sample = binormal(seed, 120, 1.0);
    const auto interval = bootstrap_auc_interval(sample.scores, sample.labels, {.replicates = 400, .confidence = 0.9, .seed = seed});
    ASSERT_TRUE(interval.value);
    covered += interval.value->first <= truth && truth <= interval.value->second;
  }
  // Binomial deviation of 300 trials at 0.9 is 0.017; the percentile method runs a point or two short at this size.
  EXPECT_NEAR(static_cast<double>(covered) / kSamples, 0.9, 0.06);
}

TEST(Bootstrap, IsAFunctionOfTheSeedAndNotOfTheThreads) {
  const Sample sample = binormal(1, 60, 0.5);
  const BootstrapParams params{.replicates = 200, .confidence = 0.95, .seed = 3};
  const int threads = num_threads();
  set_num_threads(1);
  const auto one = bootstrap_auc_interval(sample.scores, sample.labels, params);
  set_num_threads(4);
  const auto four = bootstrap_auc_interval(sample.scores, sample.labels, params);
  set_num_threads(threads);
  EXPECT_EQ(one.value, four.value);
  EXPECT_NE(bootstrap_auc_interval(sample.scores, sample.labels, {.replicates = 200, .seed = 4}).value, one.value);
  const double point = *auc(sample.scores, sample.labels).value;
  EXPECT_LT(one.value->first, point);
  EXPECT_GT(one.value->second, point);
  EXPECT_THROW(bootstrap_auc_interval(sample.scores, sample.labels, {.replicates = 0}), Error);
}

}  // namespace
}  // namespace sepia
