// A data set of a few small pictures that a network can tell apart: made in milliseconds, for tests of whole commands.
#pragma once

#include <filesystem>
#include <string>

#include "data/image_write.h"
#include "engine/base/random.h"

namespace sepia::test {

struct SmallDataset {
  int train = 12, val = 4, test = 4;  ///< pictures per class; 0 leaves the split out
  int side = 32;
};

/// Noise with lying stripes (real) or standing ones (fake).
inline Image striped_picture(int side, bool fake, std::uint32_t number) {
  RandomStream random(5, RandomPurpose::kTest, number, fake ? 1 : 0);
  Image image(side, side);
  for (int y = 0; y < side; ++y) {
    for (int x = 0; x < side; ++x) {
      const bool bright = (fake ? x : y) / 2 % 2 == 0;
      for (int c = 0; c < 3; ++c) {
        image.rgb[static_cast<std::size_t>((y * side + x) * 3 + c)] = static_cast<std::uint8_t>((bright ? 150 : 50) + random.below(50));
      }
    }
  }
  return image;
}

/// Writes ROOT/{train,val,test}/{real,fake}/N.png.
inline void write_small_dataset(const std::filesystem::path& root, const SmallDataset& sizes = {}) {
  std::uint32_t number = 0;
  for (const auto& [split, count] : {std::pair<const char*, int>{"train", sizes.train}, {"val", sizes.val}, {"test", sizes.test}}) {
    for (const bool fake : {false, true}) {
      const std::filesystem::path folder = root / split / (fake ? "fake" : "real");
      if (count > 0) std::filesystem::create_directories(folder);
      for (int i = 0; i < count; ++i) write_png(folder / (std::to_string(i) + ".png"), striped_picture(sizes.side, fake, number++));
    }
  }
}

}  // namespace sepia::test
