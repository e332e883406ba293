// Every figure against scikit-learn and SciPy (tests/golden/make_metrics.py).
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/metrics/delong.h"
#include "engine/metrics/evaluation.h"
#include "engine/metrics/normal.h"

namespace sepia {
namespace {

using Json = nlohmann::json;

const Json& golden() {
  static const Json json = [] {
    std::ifstream file(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/metrics.json");
    return Json::parse(file);
  }();
  return json;
}

struct Split {
  std::vector<Logits2> logits;
  std::vector<std::uint8_t> labels;
};

Split split_of(const Json& json) {
  Split split;
  const std::string labels = json["labels"];
  for (std::size_t i = 0; i < labels.size(); ++i) {
    split.logits.push_back({json["real"][i].get<double>() / 64, json["fake"][i].get<double>() / 64});
    split.labels.push_back(static_cast<std::uint8_t>(labels[i] - '0'));
  }
  return split;
}

TEST(MetricsGolden, EveryFigureAgreesWithScikitLearn) {
  int compared = 0, absent = 0;
  ASSERT_EQ(golden()["cases"].size(), 220u);
  for (std::size_t index = 0; index < golden()["cases"].size(); ++index) {
    const Json& expected = golden()["cases"][index];
    SCOPED_TRACE(index);
    const Split split = split_of(expected);
    EvaluationParams params;
    params.bootstrap.replicates = 0;
    const Evaluation result = evaluate(split.logits, split.labels, params);
    const Confusion& counts = result.confusion;
    EXPECT_EQ((std::vector<std::int64_t>{counts.tn, counts.fp, counts.fn, counts.tp}),
              expected["confusion"].get<std::vector<std::int64_t>>());
    for (const auto& [name, metric] : result.metrics()) {
      const Json& value = expected[name == "auc" ? "auc_second_score" : std::string(name)];
      if (value.is_null()) {
        EXPECT_FALSE(metric->value) << name;
        EXPECT_FALSE(metric->reason.empty()) << name;
        ++absent;
      } else {
        ASSERT_TRUE(metric->value) << name << ": " << metric->reason;
        EXPECT_NEAR(*metric->value, value.get<double>(), 1e-12) << name;
        EXPECT_TRUE(metric->reason.empty()) << name;
        ++compared;
      }
    }
    const Metric variance = delong_variance(result.roc_second);
    ASSERT_EQ(variance.value.has_value(), !expected["auc_delong_variance"].is_null());
    if (variance.value) {
      EXPECT_NEAR(*variance.value, expected["auc_delong_variance"].get<double>(), 1e-12);
      const double half = 1.959963984540054 * std::sqrt(*variance.value);
      EXPECT_NEAR(result.auc_delong_ci95.value->first, std::max(0.0, *result.auc.value - half), 1e-12);
      EXPECT_NEAR(result.auc_delong_ci95.value->second, std::min(1.0, *result.auc.value + half), 1e-12);
    }
    if (expected.contains("roc")) {
      EXPECT_EQ(result.roc_second.false_positives, expected["roc"][0].get<std::vector<std::int64_t>>());
      EXPECT_EQ(result.roc_second.true_positives, expected["roc"][1].get<std::vector<std::int64_t>>());
      EXPECT_EQ(*result.auc_first_score.value + *result.auc_second_score.value, 1.0);
    }
  }
  EXPECT_GT(compared, 3000);
  EXPECT_GT(absent, 150);
}

TEST(MetricsGolden, NormalDeviateAgreesWithSciPy) {
  const auto p = golden()["probit"][0].get<std::vector<double>>(), x = golden()["probit"][1].get<std::vector<double>>();
  for (std::size_t i = 0; i < p.size(); ++i) {
    EXPECT_NEAR(normal_deviate(p[i]), x[i], 1e-13 * std::max(1.0, std::abs(x[i]))) << p[i];
    EXPECT_NEAR(normal_cdf(x[i]), p[i], 1e-12 * p[i]) << p[i];
  }
  EXPECT_EQ(normal_deviate(0), -INFINITY);
  EXPECT_EQ(normal_deviate(1), INFINITY);
}

TEST(MetricsGolden, QuantilesAgreeWithNumPy) {
  const auto values = golden()["quantile"][0].get<std::vector<double>>();
  const auto q = golden()["quantile"][1].get<std::vector<double>>(), expected = golden()["quantile"][2].get<std::vector<double>>();
  for (std::size_t i = 0; i < q.size(); ++i) EXPECT_NEAR(quantile_of_sorted(values, q[i]), expected[i], 1e-11);
  EXPECT_EQ(quantile_of_sorted(std::vector<double>{5}, 0.3), 5);
}

}  // namespace
}  // namespace sepia
