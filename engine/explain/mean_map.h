// The mean of many maps, and what stands out in it.
#pragma once

#include <cstddef>
#include <optional>
#include <vector>

#include "engine/explain/map.h"

namespace sepia::explain {

/// Adds up maps of one size, each min-max normalised first (of its magnitudes, where it has both signs), as the document does. Empty maps
/// count in the mean as zero and are counted apart.
class MeanMap {
 public:
  void add(const Map& map);
  /// All zero of no size before the first map.
  Map mean() const;
  std::size_t count() const { return count_; }
  std::size_t empty() const { return empty_; }

 private:
  std::int64_t height_ = 0, width_ = 0;
  std::vector<double> sum_;
  std::size_t count_ = 0, empty_ = 0;
};

/// A place where a map is high.
struct Hotspot {
  double x = 0, y = 0;  ///< of the peak, in pixels from the upper left corner
  double radius = 0;    ///< where the mean over the circle has fallen to half of the peak, both above the map's median
  double share = 0;     ///< of all that lies above the median, how much lies within the radius
};

/// The peaks of the map under a Gaussian blur of side / 64, highest first: those above the median by at least a quarter of what the highest
/// peak is, and at least side / 16 apart. At most `most`.
std::vector<Hotspot> hotspots(const Map& map, std::size_t most = 8);

/// A grid in a map.
struct Period {
  int pixels = 0;
  double share = 0;   ///< of the high-passed map's variance, what a pattern repeated every `pixels` both ways explains
  double chance = 0;  ///< what it would explain of noise: its own degrees of freedom over the number of values
};

/// The period that explains most of the map beyond chance; of several that explain about as much (multiples of one another), the shortest.
/// The map is high-passed by taking away its mean over a square of side / 4, and a frame of side / 8 is left out. Nothing for maps that are
/// smaller than 32x32, not square, or empty.
std::optional<Period> strongest_period(const Map& map);

}  // namespace sepia::explain
