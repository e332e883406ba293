// Thresholds: by hand, against scikit-learn's curves, and at the ends of what a probability can say.
#include "engine/metrics/threshold.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <vector>

#include "engine/base/error.h"
#include "engine/metrics/scores.h"

namespace sepia {
namespace {

using ::testing::HasSubstr;
using Json = nlohmann::json;
using Labels = std::vector<std::uint8_t>;
using Scores = std::vector<double>;

ThresholdRule rule(const std::string& name) { return ThresholdRule::parse("--threshold", name); }

std::vector<Logits2> logits_of(const Scores& scores) {
  std::vector<Logits2> logits;
  for (const double d : scores) logits.push_back({0, d});
  return logits;
}

/// The choice, having checked that its threshold makes the decisions that it counts.
ChosenThreshold chosen(const Scores& scores, const Labels& labels, const std::string& name) {
  const ThresholdChoice choice = choose_threshold(roc_curve(scores, labels), rule(name));
  EXPECT_TRUE(choice.value) << choice.reason;
  const Confusion counted = confusion(logits_of(scores), labels, choice.value->threshold);
  EXPECT_EQ(counted.fp, choice.value->counts.fp) << name;
  EXPECT_EQ(counted.tp, choice.value->counts.tp) << name;
  EXPECT_EQ(counted.n(), choice.value->counts.n());
  return *choice.value;
}

// Falling: 4 F, 3 F, 2 R, 1 F, 0 R, -1 R, -2 R. Five places where it matters to cut:
//   above 4: tpr 0    fpr 0      above 2: tpr 2/3 fpr 0     above 0: tpr 1 fpr 1/4
const Scores kScores{-2, 4, 1, 0, 3, 2, -1};
const Labels kLabels{0, 1, 1, 0, 1, 0, 0};

TEST(Threshold, ByHand) {
  const ChosenThreshold youden = chosen(kScores, kLabels, "youden");  // 1 - 1/4 beats 2/3
  EXPECT_DOUBLE_EQ(log_odds(youden.threshold), 0.5) << "halfway between the scores 1 and 0";
  EXPECT_EQ(youden.counts.fp, 1);
  EXPECT_EQ(youden.counts.tp, 3);
  const ChosenThreshold eer = chosen(kScores, kLabels, "eer");  // |1/3 - 1/4| at the cut above 1, |0 - 1/4| above 0, |1/3 - 0| above 2
  EXPECT_DOUBLE_EQ(log_odds(eer.threshold), 1.5);
  const ChosenThreshold accuracy = chosen(kScores, kLabels, "accuracy");  // 6 of 7 above 2 and above 0: the higher one
  EXPECT_DOUBLE_EQ(log_odds(accuracy.threshold), 2.5);
  EXPECT_EQ(accuracy.counts.tn + accuracy.counts.tp, 6);
  EXPECT_DOUBLE_EQ(log_odds(chosen(kScores, kLabels, "fpr").threshold), 2.5) << "1% of four real pictures is none";
  EXPECT_DOUBLE_EQ(log_odds(chosen(kScores, kLabels, "fpr:0.25").threshold), 0.5);
}

TEST(Threshold, TheBestCutMayBeAtAnEnd) {
  // Upside down and mostly real: calling everything real is right most often. Then nothing of these scores is called fake.
  const ChosenThreshold none = chosen({3, 2, 1, 0}, {0, 0, 0, 1}, "accuracy");
  EXPECT_EQ(none.counts.tn, 3);
  EXPECT_GE(log_odds(none.threshold), 3);
  EXPECT_LT(log_odds(none.threshold), 3.001) << "a higher score is still fake";
  const ChosenThreshold all = chosen({3, 2, 1, 0}, {0, 1, 1, 1}, "accuracy");
  EXPECT_EQ(all.threshold, 0);
  const ChosenThreshold tied = chosen({1, 1, 1}, {0, 1, 1}, "youden");  // no cut tells anything: both have J = 0, the higher one is taken
  EXPECT_EQ(tied.counts.tp, 0);
}

TEST(Threshold, SaturatedScoresAreCutWhereAProbabilityCan) {
  // As logits 50 and 60 differ, as probabilities both are 1: the cut between them does not exist.
  const ChosenThreshold chosen_here = chosen({60, 50, -800, -900}, {1, 0, 0, 0}, "youden");
  EXPECT_EQ(chosen_here.counts.tp, 1);
  EXPECT_EQ(chosen_here.counts.fp, 1);
  chosen({36.1, 36.05, 36, 35.9}, {1, 1, 0, 0}, "youden");
  chosen({1e-300, 0, -1e-300}, {1, 0, 0}, "accuracy");
}

TEST(Threshold, OneClassSaysWhy) {
  const ThresholdChoice one = choose_threshold(roc_curve(Scores{1, 2}, Labels{1, 1}), rule("eer"));
  EXPECT_FALSE(one.value);
  EXPECT_THAT(one.reason, HasSubstr("no real pictures"));
  EXPECT_THAT(choose_threshold(roc_curve(Scores{}, Labels{}), rule("eer")).reason, HasSubstr("no pictures"));
}

TEST(Threshold, RulesAreReadAndRefused) {
  for (const char* name : {"youden", "eer", "accuracy", "fpr:0.01", "fpr:0.125", "fpr:0"}) EXPECT_EQ(rule(name).name(), name);
  EXPECT_EQ(rule("fpr").name(), "fpr:0.01");
  for (const char* bad : {"", "best", "fpr:", "fpr:1", "fpr:-0.1", "fpr:nan", "fpr:1e999", "fpr:0.1x", "EER"}) {
    try {
      rule(bad);
      ADD_FAILURE() << bad;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage);
      EXPECT_THAT(error.what(), HasSubstr("--threshold: there is no rule '" + std::string(bad) + "'"));
    }
  }
}

TEST(Threshold, AgreesWithScikitLearn) {
  std::ifstream file(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/metrics.json");
  int compared = 0, saturated = 0;
  const Json all = Json::parse(file);
  for (const Json& golden : all["cases"]) {
    if (!golden.contains("thresholds")) continue;
    Scores scores;
    Labels labels;
    const std::string text = golden["labels"];
    for (std::size_t i = 0; i < text.size(); ++i) {
      scores.push_back((golden["fake"][i].get<double>() - golden["real"][i].get<double>()) / 64);
      labels.push_back(static_cast<std::uint8_t>(text[i] - '0'));
    }
    for (const auto& [name, point] : golden["thresholds"].items()) {
      const ChosenThreshold ours = chosen(scores, labels, name);
      const std::vector<std::int64_t> found{ours.counts.fp, ours.counts.tp};
      if (!golden.contains("thresholds_on_p")) {
        EXPECT_EQ(Json(found), point) << name;
        ++compared;
      } else {
        // Between a threshold on rounded probabilities and one on logits: as good as the one, no better than the other.
        const auto merit = [&](const Json& at) {
          const auto fp = at[0].get<std::int64_t>(), tp = at[1].get<std::int64_t>(), n = ours.counts.reals(), p = ours.counts.fakes();
          return name == "youden" ? tp * n - fp * p : name == "eer" ? -std::abs((p - tp) * n - fp * p) : name == "accuracy" ? tp - fp : tp;
        };
        EXPECT_LE(merit(golden["thresholds_on_p"][name]), merit(Json(found))) << name;
        EXPECT_GE(merit(point), merit(Json(found))) << name;
        ++saturated;
      }
    }
  }
  EXPECT_GT(compared, 600);
  EXPECT_GT(saturated, 50);
}

}  // namespace
}  // namespace sepia
