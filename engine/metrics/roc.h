// Receiver operating characteristic and what follows from it: AUC, DET, equal error rate, average precision.
//
// Label 1 is the positive class ("fake"); a higher score means more positive. Samples of equal score are one step of the curve,
// so that no figure depends on their order. Everything is counted in integers and divided once, at the end.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/metrics/metric.h"

namespace sepia {

/// The curve: point 0 is (0, 0) at threshold +infinity, then one point for each distinct score, falling; the last is (1, 1).
/// Point i calls positive every sample whose score is at least thresholds[i]. No collinear point is dropped.
struct RocCurve {
  std::int64_t negatives = 0, positives = 0;
  std::vector<double> thresholds;
  std::vector<std::int64_t> false_positives, true_positives;

  std::size_t size() const { return thresholds.size(); }
  /// False and true positive rate of point i; 0 when the class has no sample.
  double fpr(std::size_t i) const { return rate(false_positives[i], negatives); }
  double tpr(std::size_t i) const { return rate(true_positives[i], positives); }
  /// Share of the positives that are missed at point i, (positives - true_positives) / positives: a DET curve is fnr over fpr,
  /// both as normal_deviate().
  double fnr(std::size_t i) const { return rate(positives - true_positives[i], positives); }
  /// Why rates cannot be compared (empty, one class), or an empty string.
  std::string degenerate_reason() const;

 private:
  static double rate(std::int64_t count, std::int64_t of) { return of == 0 ? 0 : static_cast<double>(count) / static_cast<double>(of); }
};

/// The curve of `scores` with `labels` (0 or 1, as many). kUsage when they do not fit; kNumeric when a score is NaN.
RocCurve roc_curve(std::span<const double> scores, std::span<const std::uint8_t> labels);

/// Area under the curve = P(score of a positive > score of a negative) + P(equal) / 2 (Mann-Whitney). Of the two AUCs of scores and
/// negated scores the larger is rounded once and the smaller is 1 minus it: they sum to exactly 1.
Metric auc(const RocCurve& curve);
/// Both in one call.
Metric auc(std::span<const double> scores, std::span<const std::uint8_t> labels);

/// Two-sided p-value of the AUC against 1/2: Mann-Whitney's normal approximation with tie and continuity correction. Absent when all scores
/// are equal.
Metric auc_p_value(const RocCurve& curve);

/// The rate at which fpr = fnr on the curve, its points joined by straight lines (not its convex hull).
Metric equal_error_rate(const RocCurve& curve);

/// Average precision: sum over points of (recall_i - recall_(i-1)) * precision_i, without interpolation (scikit-learn's definition).
Metric average_precision(const RocCurve& curve);

/// The largest tpr among the points with fpr <= max_fpr; no interpolation.
Metric tpr_at_fpr(const RocCurve& curve, double max_fpr);

}  // namespace sepia
