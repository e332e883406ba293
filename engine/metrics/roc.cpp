#include "engine/metrics/roc.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numeric>

#include "engine/base/error.h"
#include "engine/metrics/normal.h"

namespace sepia {
namespace {

/// Twice the Mann-Whitney count: for every (positive, negative) pair 2 when the positive scores higher, 1 when equal. It is
/// twice the area in counts, by trapezoids. Fits 64 bits up to 4 thousand million samples.
std::int64_t twice_pairs_won(const RocCurve& curve) {
  std::int64_t sum = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    sum += (curve.false_positives[i] - curve.false_positives[i - 1]) * (curve.true_positives[i] + curve.true_positives[i - 1]);
  }
  return sum;
}

}  // namespace

std::string RocCurve::degenerate_reason() const {
  if (positives + negatives == 0) return "there are no pictures";
  if (positives == 0) return "there are no fake pictures, only real ones; both classes are needed";
  if (negatives == 0) return "there are no real pictures, only fake ones; both classes are needed";
  return {};
}

RocCurve roc_curve(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  SEPIA_CHECK(scores.size() == labels.size(), "[roc] ", scores.size(), " scores for ", labels.size(), " labels");
  for (std::size_t i = 0; i < scores.size(); ++i) {
    SEPIA_CHECK(labels[i] <= 1, "[roc] label ", i, " is ", int{labels[i]}, ", expected 0 or 1");
    SEPIA_CHECK_KIND(!std::isnan(scores[i]), ErrorKind::kNumeric, "[roc] score ", i, " is NaN");
  }
  std::vector<std::size_t> order(scores.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return scores[a] > scores[b]; });

  RocCurve curve;
  curve.thresholds = {std::numeric_limits<double>::infinity()};
  curve.false_positives = curve.true_positives = {0};
  for (std::size_t k = 0; k < order.size(); ++k) {
    const std::size_t sample = order[k];
    if (k == 0 || scores[sample] != scores[order[k - 1]]) {
      curve.thresholds.push_back(scores[sample]);
      curve.false_positives.push_back(curve.negatives);
      curve.true_positives.push_back(curve.positives);
    }
    (labels[sample] == 1 ? curve.positives : curve.negatives) += 1;
    curve.false_positives.back() = curve.negatives;
    curve.true_positives.back() = curve.positives;
  }
  return curve;
}

Metric auc(const RocCurve& curve) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  const std::int64_t won = twice_pairs_won(curve), all = 2 * curve.positives * curve.negatives;
  const double larger = static_cast<double>(std::max(won, all - won)) / static_cast<double>(all);
  return Metric::of(2 * won >= all ? larger : 1 - larger);
}

Metric auc(std::span<const double> scores, std::span<const std::uint8_t> labels) {
  return auc(roc_curve(scores, labels));
}

Metric auc_p_value(const RocCurve& curve) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  if (curve.size() == 2) return Metric::none("all scores are equal");
  const double positives = static_cast<double>(curve.positives), negatives = static_cast<double>(curve.negatives);
  const double n = positives + negatives;
  double ties = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const double t = static_cast<double>(curve.false_positives[i] + curve.true_positives[i] - curve.false_positives[i - 1] -
                                         curve.true_positives[i - 1]);
    ties += t * (t * t - 1);
  }
  const std::int64_t won = twice_pairs_won(curve), all = 2 * curve.positives * curve.negatives;
  const double distance = std::abs(static_cast<double>(2 * won - all)) / 4;  // |U - mean|
  const double deviation = std::sqrt(positives * negatives / 12 * (n + 1 - ties / (n * (n - 1))));
  return Metric::of(std::min(1.0, 2 * normal_cdf(-(distance - 0.5) / deviation)));
}

Metric equal_error_rate(const RocCurve& curve) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  // fnr - fpr, times positives * negatives, falls strictly from point to point, from above zero to below it.
  const auto gap = [&](std::size_t i) {
    return (curve.positives - curve.true_positives[i]) * curve.negatives - curve.false_positives[i] * curve.positives;
  };
  std::size_t i = 1;
  while (gap(i) > 0) ++i;
  const double before = static_cast<double>(gap(i - 1)), after = static_cast<double>(gap(i));
  const double part = before / (before - after);
  return Metric::of(curve.fpr(i - 1) + part * (curve.fpr(i) - curve.fpr(i - 1)));
}

Metric average_precision(const RocCurve& curve) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  double sum = 0;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const std::int64_t found = curve.true_positives[i], gained = found - curve.true_positives[i - 1];
    sum += static_cast<double>(gained) * static_cast<double>(found) / static_cast<double>(found + curve.false_positives[i]);
  }
  return Metric::of(sum / static_cast<double>(curve.positives));
}

Metric tpr_at_fpr(const RocCurve& curve, double max_fpr) {
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return Metric::none(std::move(reason));
  std::size_t last = 0;  // both rates grow from point to point
  while (last + 1 < curve.size() && curve.fpr(last + 1) <= max_fpr) ++last;
  return Metric::of(curve.tpr(last));
}

}  // namespace sepia
