// The variance of an AUC by DeLong, DeLong and Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver operating
// characteristic curves", Biometrics 44, and the interval that follows from it.
#pragma once

#include <cstdint>
#include <span>

#include "engine/metrics/metric.h"
#include "engine/metrics/roc.h"

namespace sepia {

/// Var(AUC) = S10 / m + S01 / n, with m positives and n negatives. S10 is the sample variance over the positives of the share of negatives
/// that each beats (ties half), S01 that over the negatives of the share of positives that beat it. Absent with one class or with a
/// single picture of a class.
Metric delong_variance(const RocCurve& curve);

/// AUC +- z sqrt(Var(AUC)), z the normal deviate of `confidence`, cut at 0 and 1. With a perfect AUC the estimated variance is 0 and so is the
/// interval: then the bootstrap says no more either. kUsage for a confidence outside (0, 1).
MetricInterval delong_auc_interval(const RocCurve& curve, double confidence = 0.95);

}  // namespace sepia
