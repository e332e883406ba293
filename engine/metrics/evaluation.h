// Everything that `sepia eval` says about a model on a split, from its logits.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>
#include <vector>

#include "engine/metrics/bootstrap.h"
#include "engine/metrics/calibration.h"
#include "engine/metrics/classification.h"
#include "engine/metrics/metric.h"
#include "engine/metrics/roc.h"
#include "engine/metrics/scores.h"

namespace sepia {

struct EvaluationParams {
  double threshold = 0.5;  ///< "fake" when prob_fake is above it
  int calibration_bins = kCalibrationBins;
  BootstrapParams bootstrap{};  ///< replicates = 0 leaves the interval out
};

/// One sample: probabilities sum to 1, loss is its cross-entropy.
struct SampleEvaluation {
  double prob_real = 0, prob_fake = 0, loss = 0;
  bool called_fake = false;
};

/// A metric under the name that JSON and reports give it.
struct NamedMetric {
  std::string_view name;
  const Metric* metric = nullptr;
};

struct Evaluation {
  std::int64_t n = 0, n_real = 0, n_fake = 0;
  Confusion confusion;
  Metric loss;  ///< mean cross-entropy
  Metric accuracy, balanced_accuracy, precision, recall, f1, majority_accuracy;
  Metric auc_first_score;   ///< of the "real" output, fakes being the positive class: below 0.5 for a detector that works
  Metric auc_second_score;  ///< of the "fake" output; the two sum to exactly 1
  Metric auc;               ///< the second
  Metric auc_p_value, eer, average_precision, tpr_at_fpr_1pct;
  Metric brier, ece, cllr;
  MetricInterval auc_ci95;         ///< by bootstrap
  MetricInterval auc_delong_ci95;  ///< by DeLong's variance
  bool all_one_class = false;  ///< every sample, and there is one, was called the same class
  RocCurve roc_first, roc_second;
  std::vector<ReliabilityBin> reliability;
  std::vector<SampleEvaluation> samples;  ///< in the order of the logits

  /// All metrics under their stable names ("loss", "accuracy", ..., "tpr_at_fpr_1pct", "brier", ...). Valid as long as this object.
  std::vector<NamedMetric> metrics() const;
};

/// Evaluates logits {real, fake} against labels (0 real, 1 fake), as many. Nothing in the result is NaN: what cannot be computed is
/// absent with the reason. kUsage when the lengths differ, a label is not 0 or 1 or the threshold is outside [0, 1]; kNumeric, with
/// the index, when a logit is not finite.
Evaluation evaluate(std::span<const Logits2> logits, std::span<const std::uint8_t> labels, const EvaluationParams& params = {});

}  // namespace sepia
