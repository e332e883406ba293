// A figure that may not exist: one class, no samples, nothing predicted. It is then absent with a reason, never NaN.
#pragma once

#include <optional>
#include <string>
#include <utility>

namespace sepia {

/// A value, or the reason why there is none (JSON: `"auc": null, "auc_reason": "..."`).
struct Metric {
  std::optional<double> value;
  std::string reason;  ///< empty when there is a value

  static Metric of(double value) { return {value, {}}; }
  static Metric none(std::string reason) { return {std::nullopt, std::move(reason)}; }
};

/// An interval, or the reason why there is none.
struct MetricInterval {
  std::optional<std::pair<double, double>> value;  ///< low, high
  std::string reason;
};

}  // namespace sepia
