#include "engine/metrics/bootstrap.h"

#include <algorithm>
#include <array>
#include <cassert>
#include <cmath>
#include <vector>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/base/random.h"
#include "engine/metrics/roc.h"

namespace sepia {
namespace {

/// For each class, the rank group (index among the distinct scores, falling) of each of its samples.
std::array<std::vector<std::uint32_t>, 2> groups_by_class(const RocCurve& curve) {
  std::array<std::vector<std::uint32_t>, 2> groups;
  for (std::size_t i = 1; i < curve.size(); ++i) {
    const auto group = static_cast<std::uint32_t>(i - 1);
    groups[0].insert(groups[0].end(), static_cast<std::size_t>(curve.false_positives[i] - curve.false_positives[i - 1]), group);
    groups[1].insert(groups[1].end(), static_cast<std::size_t>(curve.true_positives[i] - curve.true_positives[i - 1]), group);
  }
  return groups;
}

/// The AUC of one draw with replacement from each class: counts per group, then one pass; no sorting.
double resampled_auc(const std::array<std::vector<std::uint32_t>, 2>& groups, std::size_t group_count, RandomStream random) {
  std::vector<std::array<std::int64_t, 2>> counts(group_count);
  for (std::size_t label = 0; label < 2; ++label) {
    const auto& samples = groups[label];
    const auto size = static_cast<std::uint32_t>(samples.size());
    for (std::uint32_t draw = 0; draw < size; ++draw) counts[samples[random.below(size)]][label] += 1;
  }
  std::int64_t positives_above = 0, won_twice = 0;
  for (const auto& [negatives, positives] : counts) {
    won_twice += negatives * (2 * positives_above + positives);
    positives_above += positives;
  }
  return static_cast<double>(won_twice) / (2.0 * static_cast<double>(groups[0].size()) * static_cast<double>(groups[1].size()));
}

}  // namespace

double quantile_of_sorted(std::span<const double> sorted, double q) {
  assert(!sorted.empty() && q >= 0 && q <= 1);
  const double position = q * static_cast<double>(sorted.size() - 1);
  const auto below = static_cast<std::size_t>(position);
  if (below + 1 >= sorted.size()) return sorted.back();
  return sorted[below] + (position - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
}

MetricInterval bootstrap_auc_interval(std::span<const double> scores, std::span<const std::uint8_t> labels, const BootstrapParams& params) {
  SEPIA_CHECK(params.replicates >= 1, "[bootstrap] ", params.replicates, " replicates; at least 1 is needed");
  SEPIA_CHECK(params.confidence > 0 && params.confidence < 1, "[bootstrap] confidence ", params.confidence, " is not between 0 and 1");
  const RocCurve curve = roc_curve(scores, labels);
  if (auto reason = curve.degenerate_reason(); !reason.empty()) return {std::nullopt, std::move(reason)};
  const auto groups = groups_by_class(curve);
  std::vector<double> values(static_cast<std::size_t>(params.replicates));
  parallel_for(params.replicates, [&](std::int64_t replicate) {
    RandomStream random(params.seed, RandomPurpose::kBootstrap, static_cast<std::uint32_t>(replicate));
    values[static_cast<std::size_t>(replicate)] = resampled_auc(groups, curve.size() - 1, random);
  });
  std::sort(values.begin(), values.end());
  const double tail = (1 - params.confidence) / 2;
  return {std::pair(quantile_of_sorted(values, tail), quantile_of_sorted(values, 1 - tail)), {}};
}

}  // namespace sepia
