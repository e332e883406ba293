#include "engine/metrics/calibration.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>

#include "engine/base/error.h"

namespace sepia {
namespace {

void check_lengths(std::span<const Logits2> logits, std::span<const std::uint8_t> labels) {
  SEPIA_CHECK(logits.size() == labels.size(), "[calibration] ", logits.size(), " pairs of logits for ", labels.size(), " labels");
}

constexpr const char* kEmpty = "there are no pictures";

}  // namespace

std::vector<ReliabilityBin> reliability_bins(std::span<const Logits2> logits, std::span<const std::uint8_t> labels, int bins) {
  check_lengths(logits, labels);
  SEPIA_CHECK(bins >= 1, "[calibration] ", bins, " bins; at least 1 is needed");
  std::vector<ReliabilityBin> result(static_cast<std::size_t>(bins));
  for (int k = 0; k < bins; ++k) {
    result[static_cast<std::size_t>(k)].low = static_cast<double>(k) / bins;
    result[static_cast<std::size_t>(k)].high = static_cast<double>(k + 1) / bins;
  }
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double p = logistic(logit_difference(logits[i]));
    // The edges themselves decide, not p * bins, whose rounding can put a probability below its bin.
    auto bin = std::upper_bound(result.begin(), result.end(), p, [](double value, const ReliabilityBin& b) { return value < b.low; });
    --bin;
    bin->count += 1;
    bin->fakes += labels[i];
    bin->probability_sum += p;
  }
  return result;
}

Metric expected_calibration_error(std::span<const ReliabilityBin> bins) {
  std::int64_t n = 0;
  double sum = 0;
  for (const auto& bin : bins) {
    n += bin.count;
    sum += std::abs(static_cast<double>(bin.fakes) - bin.probability_sum);
  }
  return n == 0 ? Metric::none(kEmpty) : Metric::of(sum / static_cast<double>(n));
}

Metric brier_score(std::span<const Logits2> logits, std::span<const std::uint8_t> labels) {
  check_lengths(logits, labels);
  if (logits.empty()) return Metric::none(kEmpty);
  double sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    // The probability of the wrong class is the error itself; 1 - prob would lose its small values.
    const double d = logit_difference(logits[i]), error = logistic(labels[i] == 1 ? -d : d);
    sum += error * error;
  }
  return Metric::of(sum / static_cast<double>(logits.size()));
}

Metric cllr(std::span<const Logits2> logits, std::span<const std::uint8_t> labels) {
  check_lengths(logits, labels);
  if (logits.empty()) return Metric::none(kEmpty);
  std::array<double, 2> sum{};
  std::array<std::int64_t, 2> count{};
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const std::size_t label = labels[i];
    sum[label] += cross_entropy(logits[i], labels[i]);
    count[label] += 1;
  }
  if (count[1] == 0) return Metric::none("there are no fake pictures");
  if (count[0] == 0) return Metric::none("there are no real pictures");
  const double mean = (sum[0] / static_cast<double>(count[0]) + sum[1] / static_cast<double>(count[1])) / 2;
  return Metric::of(mean / std::numbers::ln2);
}

}  // namespace sepia
