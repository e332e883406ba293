#include "engine/metrics/spread.h"

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"

namespace sepia {

Spread spread_of(std::span<const double> values) {
  SEPIA_CHECK(!values.empty(), "[spread] there are no values");
  Spread spread{.n = values.size(), .mean = 0, .low = *std::ranges::min_element(values), .high = *std::ranges::max_element(values), .deviation = std::nullopt};
  const auto n = static_cast<double>(values.size());
  for (const double value : values) spread.mean += value / n;
  if (values.size() > 1) {
    double squares = 0;
    for (const double value : values) squares += (value - spread.mean) * (value - spread.mean);
    spread.deviation = std::sqrt(squares / (n - 1));
  }
  return spread;
}

std::vector<std::pair<std::string, Spread>> spreads_of(std::span<const Evaluation* const> evaluations) {
  std::vector<std::pair<std::string, Spread>> spreads;
  if (evaluations.empty()) return spreads;
  for (const NamedMetric& first : evaluations.front()->metrics()) {
    std::vector<double> values;
    for (const Evaluation* evaluation : evaluations) {
      for (const NamedMetric& metric : evaluation->metrics()) {
        if (metric.name == first.name && metric.metric->value) values.push_back(*metric.metric->value);
      }
    }
    if (values.size() == evaluations.size()) spreads.emplace_back(first.name, spread_of(values));
  }
  return spreads;
}

}  // namespace sepia
