// How much a figure differs from run to run.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/metrics/evaluation.h"

namespace sepia {

/// Of n >= 1 values.
struct Spread {
  std::size_t n = 0;
  double mean = 0, low = 0, high = 0;
  std::optional<double> deviation;  ///< of the sample: sqrt(sum (x - mean)^2 / (n - 1)); a single value has none
};

/// kUsage when there is no value.
Spread spread_of(std::span<const double> values);

/// The spread of every metric that all the evaluations have, under its name, in the order of Evaluation::metrics().
std::vector<std::pair<std::string, Spread>> spreads_of(std::span<const Evaluation* const> evaluations);

}  // namespace sepia
