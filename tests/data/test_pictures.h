// Pictures that tests make themselves.
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <fstream>
#include <span>

#include "data/image.h"
#include "engine/base/random.h"

namespace sepia::test {

/// Smooth colours with some noise: compresses like a photograph, and every pixel differs from its neighbours.
inline Image make_picture(int width, int height, std::uint32_t variant = 0) {
  RandomStream random(2024, RandomPurpose::kTest, variant);
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      std::uint8_t* p = image.pixel(x, y);
      const std::uint32_t noise = random.below(16);
      p[0] = static_cast<std::uint8_t>(x * 200 / width + static_cast<int>(noise));
      p[1] = static_cast<std::uint8_t>(y * 200 / height + static_cast<int>(noise));
      p[2] = static_cast<std::uint8_t>((x + y + 37 * static_cast<int>(variant)) % 200 + static_cast<int>(noise));
    }
  }
  return image;
}

/// Writes a file without flushing it to the disk, which would take most of the tests' time.
inline void put_file(const std::filesystem::path& path, std::span<const std::byte> bytes) {
  std::filesystem::create_directories(path.parent_path());
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
}

}  // namespace sepia::test
