// Decodes a PNG with libpng (cairo wrote it), for tests that look at pixels.
#pragma once

#include <gtest/gtest.h>
#include <png.h>

#include <cstddef>
#include <set>
#include <span>

#include "data/image.h"

namespace sepia::test {

inline Image decode_png(std::span<const std::byte> bytes) {
  png_image header{};
  header.version = PNG_IMAGE_VERSION;
  EXPECT_TRUE(png_image_begin_read_from_memory(&header, bytes.data(), bytes.size())) << header.message;
  header.format = PNG_FORMAT_RGB;
  Image image(static_cast<int>(header.width), static_cast<int>(header.height));
  EXPECT_TRUE(png_image_finish_read(&header, nullptr, image.rgb.data(), 0, nullptr)) << header.message;
  return image;
}

/// Number of different colours.
inline std::size_t colour_count(const Image& image) {
  std::set<int> colours;
  for (std::size_t i = 0; i + 2 < image.rgb.size(); i += 3) {
    colours.insert(image.rgb[i] << 16 | image.rgb[i + 1] << 8 | image.rgb[i + 2]);
  }
  return colours.size();
}

}  // namespace sepia::test
