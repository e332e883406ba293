// Grids in maps: see strongest_period in mean_map.h.
#include <algorithm>
#include <cmath>

#include "engine/explain/mean_map.h"

namespace sepia::explain {
namespace {

constexpr std::int64_t kSmallestSide = 32;
constexpr int kFewestRepeats = 3;
constexpr double kAboutAsMuch = 0.9;

/// Sums over all rectangles that begin at the corner, one row and column more than the map.
std::vector<double> integral_of(const Map& map) {
  const std::int64_t columns = map.width + 1;
  std::vector<double> sums(static_cast<std::size_t>((map.height + 1) * columns));
  for (std::int64_t y = 0; y < map.height; ++y) {
    double row = 0;
    for (std::int64_t x = 0; x < map.width; ++x) {
      row += map.at(y, x);
      sums[static_cast<std::size_t>((y + 1) * columns + x + 1)] = sums[static_cast<std::size_t>(y * columns + x + 1)] + row;
    }
  }
  return sums;
}

/// The inner part of the map, less the mean over the square around each place, with mean zero.
std::vector<double> high_passed(const Map& map, std::int64_t frame, std::int64_t inner) {
  const std::vector<double> sums = integral_of(map);
  const std::int64_t columns = map.width + 1;
  // The square reaches from x - frame to x + frame, its outermost lines counted half: exactly two frames wide, so that a period that
  // divides it leaves nothing in the mean.
  const auto sum = [&](std::int64_t y0, std::int64_t x0, std::int64_t y1, std::int64_t x1) {
    const auto at = [&](std::int64_t y, std::int64_t x) { return sums[static_cast<std::size_t>(y * columns + x)]; };
    return at(y1, x1) - at(y0, x1) - at(y1, x0) + at(y0, x0);
  };
  std::vector<double> values;
  double mean = 0;
  for (std::int64_t y = frame; y < frame + inner; ++y) {
    for (std::int64_t x = frame; x < frame + inner; ++x) {
      double around = 0;
      for (const std::int64_t dy : {0, 1}) {
        for (const std::int64_t dx : {0, 1}) around += sum(y - frame + dy, x - frame + dx, y + frame + dy, x + frame + dx) / 4;
      }
      values.push_back(map.at(y, x) - around / static_cast<double>(4 * frame * frame));
      mean += values.back();
    }
  }
  mean /= static_cast<double>(values.size());
  for (double& v : values) v -= mean;
  return values;
}

/// The share of the sum of squares that the mean over all repeats explains.
double folded_share(const std::vector<double>& values, std::int64_t inner, std::int64_t period, double total) {
  std::vector<double> sums(static_cast<std::size_t>(period * period));
  std::vector<std::int64_t> counts(sums.size());
  for (std::int64_t y = 0; y < inner; ++y) {
    for (std::int64_t x = 0; x < inner; ++x) {
      const auto cell = static_cast<std::size_t>(y % period * period + x % period);
      sums[cell] += values[static_cast<std::size_t>(y * inner + x)];
      ++counts[cell];
    }
  }
  double explained = 0;
  for (std::size_t i = 0; i < sums.size(); ++i) explained += sums[i] * sums[i] / static_cast<double>(counts[i]);
  return explained / total;
}

}  // namespace

std::optional<Period> strongest_period(const Map& map) {
  if (map.height != map.width || map.height < kSmallestSide || is_empty(map)) return std::nullopt;
  const std::int64_t frame = map.height / 8, inner = map.height - 2 * frame;
  const std::vector<double> values = high_passed(map, frame, inner);
  double total = 0;
  for (const double v : values) total += v * v;
  if (!(total > 0)) return std::nullopt;

  std::vector<Period> periods;
  const auto beyond_chance = [](const Period& p) { return (p.share - p.chance) / (1 - p.chance); };
  double best = 0;
  for (std::int64_t p = 2; p <= inner / kFewestRepeats; ++p) {
    periods.push_back({.pixels = static_cast<int>(p), .share = folded_share(values, inner, p, total),
                       .chance = static_cast<double>(p * p) / static_cast<double>(inner * inner)});
    best = std::max(best, beyond_chance(periods.back()));
  }
  return *std::ranges::find_if(periods, [&](const Period& p) { return beyond_chance(p) >= kAboutAsMuch * best; });
}

}  // namespace sepia::explain
