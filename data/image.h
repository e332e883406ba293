// A decoded picture.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace sepia {

/// An RGB picture of 8 bits a channel, row-major, channels innermost (HWC): rgb.size() == width * height * 3.
struct Image {
  int width = 0;
  int height = 0;
  std::vector<std::uint8_t> rgb;

  Image() = default;
  /// A black picture of the given size.
  Image(int width_, int height_)
      : width(width_), height(height_), rgb(static_cast<std::size_t>(width_) * static_cast<std::size_t>(height_) * 3) {}

  /// The three bytes of the pixel in column x, row y (no bounds check).
  std::uint8_t* pixel(int x, int y) { return rgb.data() + offset(x, y); }
  const std::uint8_t* pixel(int x, int y) const { return rgb.data() + offset(x, y); }

  bool operator==(const Image&) const = default;

 private:
  std::size_t offset(int x, int y) const {
    return (static_cast<std::size_t>(y) * static_cast<std::size_t>(width) + static_cast<std::size_t>(x)) * 3;
  }
};

}  // namespace sepia
