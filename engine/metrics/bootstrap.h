// Confidence interval of the AUC by resampling (Efron 1979), the same for any number of threads.
#pragma once

#include <cstdint>
#include <span>

#include "engine/metrics/metric.h"

namespace sepia {

struct BootstrapParams {
  int replicates = 2000;
  double confidence = 0.95;
  std::uint64_t seed = 0;
};

/// Percentile interval: each replicate draws as many fakes from the fakes and reals from the reals as there are, with
/// replacement, and takes their AUC; the interval runs from quantile (1 - confidence) / 2 to its mirror image. A function of the
/// data and `seed` alone. Absent with one class. kUsage for replicates < 1 or a confidence outside (0, 1).
MetricInterval bootstrap_auc_interval(std::span<const double> scores, std::span<const std::uint8_t> labels,
                                      const BootstrapParams& params = {});

/// Quantile q in [0, 1] of values in rising order, linear between neighbours: position q * (n - 1) (NumPy's default). n >= 1.
double quantile_of_sorted(std::span<const double> sorted, double q);

}  // namespace sepia
