// Whether probabilities mean what they say: of the pictures called fake with probability 0.8, are 8 in 10 fake?
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/metrics/metric.h"
#include "engine/metrics/scores.h"

namespace sepia {

/// A bar of the reliability diagram: the samples with low <= prob_fake < high (the last bin includes 1).
struct ReliabilityBin {
  double low = 0, high = 0;
  std::int64_t count = 0, fakes = 0;
  double probability_sum = 0;

  /// Mean of prob_fake and share of fakes in the bin; 0 when it is empty.
  double mean_probability() const { return count == 0 ? 0 : probability_sum / static_cast<double>(count); }
  double fake_share() const { return count == 0 ? 0 : static_cast<double>(fakes) / static_cast<double>(count); }
};

constexpr int kCalibrationBins = 15;

/// `bins` bins of equal width over the probability of "fake". kUsage when the lengths differ or bins < 1.
std::vector<ReliabilityBin> reliability_bins(std::span<const Logits2> logits, std::span<const std::uint8_t> labels,
                                             int bins = kCalibrationBins);

/// Expected calibration error: sum over bins of count / n * |fake_share - mean_probability| (Naeini, Cooper and Hauskrecht 2015,
/// on the probability of the positive class).
Metric expected_calibration_error(std::span<const ReliabilityBin> bins);

/// Mean of (prob_fake - label)^2 (Brier 1950, for two classes counted once).
Metric brier_score(std::span<const Logits2> logits, std::span<const std::uint8_t> labels);

/// Cost of log-likelihood ratios in bits (Bruemmer and du Preez 2006): the mean over fakes of log2(1 + exp(-d)) and the mean over
/// reals of log2(1 + exp(d)), halved, the logit difference d taken as the natural log of the ratio. 0 is perfect, 1 says
/// nothing. Absent with one class.
Metric cllr(std::span<const Logits2> logits, std::span<const std::uint8_t> labels);

}  // namespace sepia
