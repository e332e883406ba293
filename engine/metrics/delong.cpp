#include "engine/metrics/delong.h"

#include <algorithm>
#include <cmath>
#include <utility>

#include "engine/base/error.h"
#include "engine/metrics/normal.h"

namespace sepia {
namespace {

/// Sum of squared distances from the mean of a share that `count` samples have in common, group by group.
struct Deviations {
  double mean, sum = 0;
  void add(std::int64_t count, double share) { sum += static_cast<double>(count) * (share - mean) * (share - mean); }
};

}  // namespace

Metric delong_variance(const RocCurve& curve) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  if (curve.positives < 2 || curve.negatives < 2) return Metric::none("a class has a single picture");
  const auto positives = static_cast<double>(curve.positives), negatives = static_cast<double>(curve.negatives);
  const double area = *auc(curve).value;
  Deviations of_positives{area}, of_negatives{area};
  // The curve's points go down through the distinct scores: those of one step have one share.
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const std::int64_t tied_positives = curve.true_positives[i] - curve.true_positives[i - 1], tied_negatives = curve.false_positives[i] - curve.false_positives[i - 1];
    const std::int64_t negatives_below = curve.negatives - curve.false_positives[i], positives_above = curve.true_positives[i - 1];
    of_positives.add(tied_positives, (static_cast<double>(negatives_below) + 0.5 * static_cast<double>(tied_negatives)) / negatives);
    of_negatives.add(tied_negatives, (static_cast<double>(positives_above) + 0.5 * static_cast<double>(tied_positives)) / positives);
  }
  return Metric::of(of_positives.sum / (positives - 1) / positives + of_negatives.sum / (negatives - 1) / negatives);
}

MetricInterval delong_auc_interval(const RocCurve& curve, double confidence) {
  SEPIA_CHECK(confidence > 0 && confidence < 1, "[delong] confidence ", confidence, " is not between 0 and 1");
  Metric variance = delong_variance(curve);
  if (!variance.value) return {std::nullopt, std::move(variance.reason)};
  const double half = -normal_deviate((1 - confidence) / 2) * std::sqrt(*variance.value), area = *auc(curve).value;
  return {std::pair(std::max(0.0, area - half), std::min(1.0, area + half)), {}};
}

}  // namespace sepia
