#include "engine/explain/map.h"

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"

namespace sepia::explain {
namespace {

/// Between which two places of a side a place of the larger side lies, and how far from the first.
struct Between {
  std::int64_t first, second;
  double share;  ///< of the second
};

std::vector<Between> places(std::int64_t from, std::int64_t to) {
  std::vector<Between> all(static_cast<std::size_t>(to));
  for (std::int64_t i = 0; i < to; ++i) {
    const double place = std::max((static_cast<double>(i) + 0.5) * static_cast<double>(from) / static_cast<double>(to) - 0.5, 0.0);
    const auto first = std::min(static_cast<std::int64_t>(place), from - 1);
    all[static_cast<std::size_t>(i)] = {first, std::min(first + 1, from - 1), place - static_cast<double>(first)};
  }
  return all;
}

}  // namespace

float Extremes::magnitude() const { return std::max(std::abs(min), std::abs(max)); }

Extremes extremes(const Map& map) {
  SEPIA_CHECK(!map.values.empty(), "[explain] a map without values has no extremes");
  const auto [low, high] = std::ranges::minmax(map.values);
  return {low, high};
}

bool is_empty(const Map& map) {
  if (map.values.empty()) return true;
  const Extremes range = extremes(map);
  return !(range.max > range.min);
}

Map min_max_normalised(const Map& map) {
  Map result(map.height, map.width);
  if (is_empty(map)) return result;
  const Extremes range = extremes(map);
  const double low = range.min, span = static_cast<double>(range.max) - low;
  std::ranges::transform(map.values, result.values.begin(), [&](float v) { return static_cast<float>((v - low) / span); });
  return result;
}

Map magnitudes(const Map& map) {
  Map result(map.height, map.width);
  std::ranges::transform(map.values, result.values.begin(), [](float v) { return std::abs(v); });
  return result;
}

Map upsampled(const Map& map, std::int64_t height, std::int64_t width) {
  SEPIA_CHECK(height >= 1 && width >= 1 && map.height >= 1 && map.width >= 1, "[explain] a map of ", map.height, "x", map.width, " cannot become ", height, "x", width);
  const std::vector<Between> rows = places(map.height, height), columns = places(map.width, width);
  Map result(height, width);
  float* out = result.values.data();
  for (const Between& y : rows) {
    for (const Between& x : columns) {
      const double top = map.at(y.first, x.first) * (1 - x.share) + map.at(y.first, x.second) * x.share;
      const double bottom = map.at(y.second, x.first) * (1 - x.share) + map.at(y.second, x.second) * x.share;
      *out++ = static_cast<float>(top * (1 - y.share) + bottom * y.share);
    }
  }
  return result;
}

}  // namespace sepia::explain
