#include "engine/explain/mean_map.h"

#include <algorithm>
#include <cmath>
#include <numbers>

#include "engine/base/error.h"
#include "engine/explain/baseline.h"

namespace sepia::explain {
namespace {

float median_of(std::vector<float> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::ranges::nth_element(values, middle);
  return *middle;
}

bool is_peak(const Map& map, std::int64_t y, std::int64_t x) {
  for (std::int64_t dy = -1; dy <= 1; ++dy) {
    for (std::int64_t dx = -1; dx <= 1; ++dx) {
      const std::int64_t v = y + dy, u = x + dx;
      if ((dy == 0 && dx == 0) || v < 0 || u < 0 || v >= map.height || u >= map.width) continue;
      // Of a plateau the first place in reading order is the peak.
      const bool before = dy < 0 || (dy == 0 && dx < 0);
      if (before ? map.at(v, u) >= map.at(y, x) : map.at(v, u) > map.at(y, x)) return false;
    }
  }
  return true;
}

/// Mean of the map on a circle, the part of it inside the map.
double ring_mean(const Map& map, const Hotspot& centre, double radius) {
  const int places = std::max(8, static_cast<int>(2 * std::numbers::pi * radius));
  double sum = 0;
  int inside = 0;
  for (int i = 0; i < places; ++i) {
    const double angle = 2 * std::numbers::pi * i / places;
    const auto x = std::lround(centre.x + radius * std::cos(angle)), y = std::lround(centre.y + radius * std::sin(angle));
    if (x < 0 || y < 0 || x >= map.width || y >= map.height) continue;
    sum += map.at(y, x);
    ++inside;
  }
  return inside > 0 ? sum / inside : 0;
}

}  // namespace

void MeanMap::add(const Map& map) {
  if (count_ == 0) {
    height_ = map.height;
    width_ = map.width;
    sum_.resize(map.values.size());
  }
  SEPIA_CHECK(map.height == height_ && map.width == width_, "[explain] a map of ", map.height, "x", map.width, " among maps of ", height_, "x", width_);
  ++count_;
  if (is_empty(map)) {
    ++empty_;
    return;
  }
  const Map normalised = min_max_normalised(extremes(map).min < 0 ? magnitudes(map) : map);
  for (std::size_t i = 0; i < sum_.size(); ++i) sum_[i] += normalised.values[i];
}

Map MeanMap::mean() const {
  Map result(height_, width_);
  for (std::size_t i = 0; i < sum_.size(); ++i) result.values[i] = static_cast<float>(sum_[i] / static_cast<double>(count_));
  return result;
}

std::vector<Hotspot> hotspots(const Map& map, std::size_t most) {
  if (is_empty(map)) return {};
  const double side = static_cast<double>(std::min(map.height, map.width));
  Map smooth(map.height, map.width);
  smooth.values = blurred(map.values, map.height, map.width, std::max(side / 64, 0.5), 1);
  const double level = median_of(smooth.values), highest = extremes(smooth).max - level;
  if (!(highest > 0)) return {};

  std::vector<Hotspot> peaks;
  for (std::int64_t y = 0; y < map.height; ++y) {
    for (std::int64_t x = 0; x < map.width; ++x) {
      if (smooth.at(y, x) - level >= highest / 4 && is_peak(smooth, y, x)) peaks.push_back({.x = static_cast<double>(x), .y = static_cast<double>(y)});
    }
  }
  const auto height_of = [&](const Hotspot& h) { return smooth.at(static_cast<std::int64_t>(h.y), static_cast<std::int64_t>(h.x)); };
  std::ranges::stable_sort(peaks, std::ranges::greater{}, height_of);
  std::vector<Hotspot> chosen;
  for (const Hotspot& peak : peaks) {
    const bool apart = std::ranges::all_of(chosen, [&](const Hotspot& other) { return std::hypot(peak.x - other.x, peak.y - other.y) >= side / 16; });
    if (apart && chosen.size() < most) chosen.push_back(peak);
  }

  double total = 0;
  for (const float v : smooth.values) total += std::max(v - level, 0.0);
  for (Hotspot& spot : chosen) {
    const double half = (height_of(spot) - level) / 2;
    spot.radius = 1;
    while (spot.radius < side / 4 && ring_mean(smooth, spot, spot.radius) - level > half) ++spot.radius;
    double within = 0;
    for (std::int64_t y = 0; y < map.height; ++y) {
      for (std::int64_t x = 0; x < map.width; ++x) {
        if (std::hypot(static_cast<double>(x) - spot.x, static_cast<double>(y) - spot.y) <= spot.radius) within += std::max(smooth.at(y, x) - level, 0.0);
      }
    }
    spot.share = within / total;
  }
  return chosen;
}

}  // namespace sepia::explain
