// Private to data/: a picture's value between its pixels, with integers alone.
#pragma once

#include <algorithm>

#include "data/image.h"

namespace sepia::detail {

/// The value at (x, y), in 1/256 pixel, by bilinear interpolation; beyond the border the border's. At least two pixels each way.
inline int sample_between(const Image& image, int x, int y, int channel) {
  x = std::clamp(x, 0, (image.width - 2) * 256);
  y = std::clamp(y, 0, (image.height - 2) * 256);
  const int ix = x / 256, iy = y / 256, fx = x % 256, fy = y % 256;
  const auto at = [&](int px, int py) { return static_cast<int>(image.pixel(px, py)[channel]); };
  const int top = at(ix, iy) * (256 - fx) + at(ix + 1, iy) * fx, bottom = at(ix, iy + 1) * (256 - fx) + at(ix + 1, iy + 1) * fx;
  return (top * (256 - fy) + bottom * fy + 32768) / 65536;
}

}  // namespace sepia::detail
