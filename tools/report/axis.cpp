#include "tools/report/axis.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/metrics/normal.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

// The value as the scale sees it: the transformed axis is linear.
double transformed(ScaleKind scale, double value) {
  switch (scale) {
    case ScaleKind::kLinear: return value;
    case ScaleKind::kLog: return value > 0 ? std::log10(value) : -std::numeric_limits<double>::infinity();
    case ScaleKind::kProbit: return normal_deviate(value);
  }
  return value;
}

// Decimals that tell multiples of `step` apart.
int decimals_for(double step) { return std::max(0, static_cast<int>(std::ceil(-std::log10(step) - 1e-9))); }

std::string percent_label(double fraction) {
  const double percent = 100 * fraction;
  return number_text(percent, 6);
}

}  // namespace

double Axis::unit(double value) const {
  const double from = transformed(scale, low), to = transformed(scale, high);
  return std::clamp((transformed(scale, value) - from) / (to - from), 0.0, 1.0);
}

double nice_step(double span, int pieces) {
  const double raw = span / pieces;
  const double decade = std::pow(10.0, std::floor(std::log10(raw)));
  for (const double factor : {1.0, 2.0, 5.0, 10.0}) {
    if (factor * decade >= raw * (1 - 1e-9)) return factor * decade;
  }
  return 10 * decade;
}

Axis linear_axis(std::string label, double low, double high, bool percent, bool snap, int pieces) {
  if (!(high > low)) high = low + std::max(1e-3, 0.1 * std::abs(low));
  const double step = nice_step(high - low, pieces);
  // Multiples are counted in whole steps, so that labels carry no rounding dust.
  const double slack = 1e-6;
  auto first = static_cast<long long>(std::ceil(low / step - slack)), last = static_cast<long long>(std::floor(high / step + slack));
  if (snap) {
    first = static_cast<long long>(std::floor(low / step + slack));
    last = static_cast<long long>(std::ceil(high / step - slack));
    low = static_cast<double>(first) * step;
    high = static_cast<double>(last) * step;
  }
  Axis axis{std::move(label), ScaleKind::kLinear, low, high, {}};
  for (long long i = first; i <= last; ++i) {
    const double at = static_cast<double>(i) * step;
    axis.ticks.push_back({at, percent ? fixed_text(100 * at, decimals_for(100 * step)) : fixed_text(at, decimals_for(step))});
  }
  return axis;
}

Axis integer_axis(std::string label, int low, int high, int pieces) {
  Axis axis{std::move(label), ScaleKind::kLinear, static_cast<double>(low), static_cast<double>(high), {}};
  if (high <= low) {  // one epoch: a place in the middle
    axis.low = low - 1;
    axis.high = low + 1;
    axis.ticks.push_back({static_cast<double>(low), std::to_string(low)});
    return axis;
  }
  const int step = std::max(1, static_cast<int>(std::lround(nice_step(high - low, pieces))));
  axis.ticks.push_back({static_cast<double>(low), std::to_string(low)});
  for (int at = (low / step + 1) * step; at <= high; at += step) {
    // 1, 5, 10, ...: the first epoch is not squeezed against a neighbour.
    if (step > 2 && at - low < step / 2) continue;
    axis.ticks.push_back({static_cast<double>(at), std::to_string(at)});
  }
  return axis;
}

Axis log_axis(std::string label, double low, double high) {
  if (!(high > low)) high = low * 10;
  Axis axis{std::move(label), ScaleKind::kLog, low, high, {}};
  const int first = static_cast<int>(std::floor(std::log10(low) + 1e-9)), last = static_cast<int>(std::ceil(std::log10(high) - 1e-9));
  if (std::log10(high / low) < 1.5) {
    std::vector<double> steps;
    for (int decade = first; decade <= last; ++decade) {
      for (const double factor : {1.0, 2.0, 5.0}) steps.push_back(factor * std::pow(10.0, decade));
    }
    for (const double step : steps) {
      if (step <= low * (1 + 1e-9)) axis.low = step;
    }
    axis.high = *std::find_if(steps.begin(), steps.end(), [&](double step) { return step >= high * (1 - 1e-9); });
    for (const double step : steps) {
      if (step >= axis.low && step <= axis.high) axis.ticks.push_back({step, number_text(step, 2)});
    }
    return axis;
  }
  axis.low = std::pow(10.0, first);
  axis.high = std::pow(10.0, last);
  const int decades = last - first, every = decades <= 6 ? 1 : (decades + 5) / 6;
  for (int decade = first; decade <= last; ++decade) {
    const double at = std::pow(10.0, decade);
    axis.ticks.push_back({at, (decade - first) % every == 0 ? power_of_ten_text(decade) : ""});
    if (decades > 4 || decade == last) continue;
    for (int factor = 2; factor <= 9; ++factor) axis.ticks.push_back({factor * at, ""});
  }
  return axis;
}

Axis probit_axis(std::string label, double low, double high) {
  static constexpr double kCustomary[] = {0.0001, 0.001, 0.01, 0.05, 0.2, 0.5, 0.8, 0.95, 0.99, 0.999, 0.9999};
  static constexpr double kMinor[] = {0.0002, 0.0005, 0.002, 0.005, 0.02, 0.1, 0.3, 0.4, 0.6, 0.7, 0.9, 0.98, 0.995, 0.998, 0.9995, 0.9998};
  Axis axis{std::move(label), ScaleKind::kProbit, low, high, {}};
  const auto inside = [&](double p) { return p >= low * (1 - 1e-9) && 1 - p >= (1 - high) * (1 - 1e-9); };
  for (const double p : kCustomary) {
    if (inside(p)) axis.ticks.push_back({p, percent_label(p)});
  }
  for (const double p : kMinor) {
    // The ends are named, so that a reader sees where the axis stops.
    const bool end = std::abs(p - low) < 1e-9 || std::abs(p - high) < 1e-9;
    if (inside(p)) axis.ticks.push_back({p, end ? percent_label(p) : ""});
  }
  std::sort(axis.ticks.begin(), axis.ticks.end(), [](const Tick& a, const Tick& b) { return a.at < b.at; });
  return axis;
}

}  // namespace sepia::report
