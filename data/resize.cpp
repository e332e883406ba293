#include "data/resize.h"

// Debian 12 has the first version of the library, newer systems the second.
// Its assertions are off: one says that unnormalised weights add up to 1 within a tenth, which 7 pixels to 4 already breaks, and
// it normalises them on the next line.
#define STBIR_ASSERT(condition) ((void)0)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-function"
#pragma GCC diagnostic ignored "-Wunused-parameter"
#if __has_include(<stb_image_resize.h>)
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb_image_resize.h>
#else
#define SEPIA_STB_IMAGE_RESIZE2
#define STB_IMAGE_RESIZE_IMPLEMENTATION
#define STB_IMAGE_RESIZE_STATIC
#include <stb_image_resize2.h>
#endif
#pragma GCC diagnostic pop

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <utility>

#include "engine/base/error.h"

namespace sepia {

namespace {

/// A window of the picture resized as a whole to full_width x full_height.
struct Window {
  int full_width, full_height;
  int left, top, width, height;
};

#ifdef SEPIA_STB_IMAGE_RESIZE2
bool resize_rgba(const std::uint8_t* from, int width, int height, std::uint8_t* to, const Window& window) {
  STBIR_RESIZE job;
  stbir_resize_init(&job, from, width, height, 0, to, window.width, window.height, 0, STBIR_RGBA, STBIR_TYPE_UINT8);
  stbir_set_edgemodes(&job, STBIR_EDGE_ZERO, STBIR_EDGE_ZERO);
  stbir_set_filters(&job, STBIR_FILTER_TRIANGLE, STBIR_FILTER_TRIANGLE);
  stbir_set_input_subrect(&job, double(window.left) / window.full_width, double(window.top) / window.full_height,
                          double(window.left + window.width) / window.full_width, double(window.top + window.height) / window.full_height);
  return stbir_resize_extended(&job) == 1;
}
#else
bool resize_rgba(const std::uint8_t* from, int width, int height, std::uint8_t* to, const Window& window) {
  const float scale_x = static_cast<float>(window.full_width) / static_cast<float>(width);
  const float scale_y = static_cast<float>(window.full_height) / static_cast<float>(height);
  return stbir_resize_subpixel(from, width, height, 0, to, window.width, window.height, 0, STBIR_TYPE_UINT8, 4, 3, 0, STBIR_EDGE_ZERO,
                               STBIR_EDGE_ZERO, STBIR_FILTER_TRIANGLE, STBIR_FILTER_TRIANGLE, STBIR_COLORSPACE_LINEAR, nullptr, scale_x,
                               scale_y, static_cast<float>(window.left), static_cast<float>(window.top)) == 1;
}
#endif

/// stb_image_resize has no border mode that leaves pixels outside the picture out of the average, as torchvision does. It
/// divides by filtered alpha, though: with alpha 1 inside and 0 outside, that is the same thing.
Image resize_window(const Image& image, const Window& window) {
  const std::size_t count = image.rgb.size() / 3;
  std::vector<std::uint8_t> rgba(count * 4), resized(static_cast<std::size_t>(window.width) * static_cast<std::size_t>(window.height) * 4);
  for (std::size_t i = 0; i < count; ++i) {
    for (std::size_t c = 0; c < 3; ++c) rgba[4 * i + c] = image.rgb[3 * i + c];
    rgba[4 * i + 3] = 255;
  }
  const bool ok = resize_rgba(rgba.data(), image.width, image.height, resized.data(), window);
  SEPIA_CHECK_KIND(ok, ErrorKind::kMemory, "out of memory while resizing a picture of ", image.width, "x", image.height);
  Image result(window.width, window.height);
  for (std::size_t i = 0; i < result.rgb.size() / 3; ++i) {
    for (std::size_t c = 0; c < 3; ++c) result.rgb[3 * i + c] = resized[4 * i + c];
  }
  return result;
}

}  // namespace

Image resize(const Image& image, int width, int height) {
  SEPIA_CHECK(width >= 1 && height >= 1 && image.width >= 1 && image.height >= 1, "[resize] ", image.width, "x", image.height, " to ",
              width, "x", height, " is not possible");
  if (image.width == width && image.height == height) return image;
  return resize_window(image, {width, height, 0, 0, width, height});
}

Image resize_and_crop(Image image, int size) {
  SEPIA_CHECK(size >= 1 && image.width >= 1 && image.height >= 1, "[resize] ", image.width, "x", image.height, " to ", size, "x", size,
              " is not possible");
  if (image.width == size && image.height == size) return image;
  const int short_side = std::min(image.width, image.height);
  const auto scaled = [&](int side) { return static_cast<int>(std::int64_t{size} * side / short_side); };
  const auto margin = [&](int side) { return static_cast<int>(std::nearbyint((side - size) / 2.0)); };  // Python's round: half to even
  const int full_width = scaled(image.width), full_height = scaled(image.height);
  return resize_window(image, {full_width, full_height, margin(full_width), margin(full_height), size, size});
}

}  // namespace sepia
