// Maps over the positions of a picture, and bringing them to its size.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

namespace sepia::explain {

/// One value per position, row-major.
struct Map {
  std::int64_t height = 0, width = 0;
  std::vector<float> values;

  Map() = default;
  /// All zero.
  Map(std::int64_t height_, std::int64_t width_) : height(height_), width(width_), values(static_cast<std::size_t>(height_ * width_)) {}

  float& at(std::int64_t y, std::int64_t x) { return values[static_cast<std::size_t>(y * width + x)]; }
  float at(std::int64_t y, std::int64_t x) const { return values[static_cast<std::size_t>(y * width + x)]; }
  bool operator==(const Map&) const = default;
};

struct Extremes {
  float min = 0, max = 0;
  /// The larger magnitude of the two.
  float magnitude() const;
};
/// Of a map that holds at least one value.
Extremes extremes(const Map& map);

/// Whether there is nothing in the map: all its values are equal (all zero after the ReLU of a class activation map, for the most
/// part). Such a map must not be stretched to the full range of colours.
bool is_empty(const Map& map);

/// (v - min) / (max - min), all zero when the map is empty.
Map min_max_normalised(const Map& map);

/// |v|.
Map magnitudes(const Map& map);

/// Bilinear interpolation to height x width with pixel centres at halves, borders repeated: torch.nn.functional.interpolate with
/// mode="bilinear", align_corners=False. The source position of pixel x is (x + 1/2) * from / to - 1/2. Throws kUsage for sizes below 1.
Map upsampled(const Map& map, std::int64_t height, std::int64_t width);

}  // namespace sepia::explain
