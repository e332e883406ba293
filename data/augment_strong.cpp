#include "data/augment_strong.h"

#include <algorithm>
#include <array>

#include "data/image_read.h"
#include "data/image_write.h"
#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {

namespace {

/// Uniform in [low, high].
int between(RandomStream& random, int low, int high) { return low + static_cast<int>(random.below(static_cast<std::uint32_t>(high - low + 1))); }

/// True `of_ten` times in ten.
bool happens(RandomStream& random, std::uint32_t of_ten) { return random.below(10) < of_ten; }

std::uint8_t to_byte(int value) { return static_cast<std::uint8_t>(std::clamp(value, 0, 255)); }

/// n / 256, to the nearest; halves go up.
int rounded(int n) { return (n + 128) >> 8; }

/// Position -1 is 1 and `extent` is `extent` - 2, as in the residual of kernels/elementwise.h.
int mirrored(int position, int extent) {
  if (extent == 1) return 0;
  return position < 0 ? 1 : position < extent ? position : extent - 2;
}

}  // namespace

StrongChanges draw_strong_changes(const AugmentKey& key) {
  RandomStream random(key.seed, RandomPurpose::kAugmentation, key.epoch, key.sample);
  // Every number is drawn, whether it is used or not: how often one change happens then does not move the others.
  StrongChanges changes;
  changes.left = between(random, -kCropPadding, kCropPadding);
  changes.top = between(random, -kCropPadding, kCropPadding);
  changes.flip = random.below(2) == 1;
  changes.turns = static_cast<int>(random.below(4));
  const bool light = happens(random, 5);
  const int contrast = between(random, 192, 320), brightness = between(random, -24, 24);
  const bool blur = happens(random, 2);
  const int strength = between(random, 32, 256);
  const bool jpeg = happens(random, 3);
  const int quality = between(random, 60, 95);
  const bool subsampling = random.below(2) == 1;
  if (light) changes.contrast = contrast, changes.brightness = brightness;
  if (blur) changes.blur = strength;
  if (jpeg) changes.jpeg_quality = quality, changes.jpeg_subsampling = subsampling;
  return changes;
}

Image apply_strong_changes(const StrongChanges& changes, const Image& image) {
  Image result(image.width, image.height);
  crop_and_flip(image, changes.left, changes.top, changes.flip, result.rgb);
  if (changes.turns != 0) result = turned(result, changes.turns);
  if (changes.contrast != 256 || changes.brightness != 0) result = relit(result, changes.contrast, changes.brightness);
  if (changes.blur != 0) result = blurred(result, changes.blur);
  if (changes.jpeg_quality != 0) result = recompressed(result, changes.jpeg_quality, changes.jpeg_subsampling);
  return result;
}

Image turned(const Image& image, int turns) {
  const int quarter = ((turns % 4) + 4) % 4;
  SEPIA_CHECK(quarter % 2 == 0 || image.width == image.height, "[turned] a picture of ", image.width, "x", image.height,
              " cannot be turned by a right angle and keep its size");
  Image out(image.width, image.height);
  const int last_x = image.width - 1, last_y = image.height - 1;
  for (int y = 0; y < image.height; ++y) {
    for (int x = 0; x < image.width; ++x) {
      // Where the pixel that ends up at (x, y) was: clockwise, the left column becomes the top row.
      const std::uint8_t* from = quarter == 0   ? image.pixel(x, y)
                                 : quarter == 1 ? image.pixel(y, last_y - x)
                                 : quarter == 2 ? image.pixel(last_x - x, last_y - y)
                                                : image.pixel(last_x - y, x);
      std::copy_n(from, 3, out.pixel(x, y));
    }
  }
  return out;
}

Image relit(const Image& image, int contrast, int brightness) {
  std::array<std::uint8_t, 256> table{};
  for (int value = 0; value < 256; ++value) table[static_cast<std::size_t>(value)] = to_byte(rounded((value - 128) * contrast) + 128 + brightness);
  Image out = image;
  for (std::uint8_t& value : out.rgb) value = table[value];
  return out;
}

Image blurred(const Image& image, int blur) {
  Image out(image.width, image.height);
  for (int y = 0; y < image.height; ++y) {
    const int above = mirrored(y - 1, image.height), below = mirrored(y + 1, image.height);
    for (int x = 0; x < image.width; ++x) {
      const int left = mirrored(x - 1, image.width), right = mirrored(x + 1, image.width);
      for (int c = 0; c < 3; ++c) {
        const auto row = [&](int from) { return image.pixel(left, from)[c] + 2 * image.pixel(x, from)[c] + image.pixel(right, from)[c]; };
        const int sum = row(above) + 2 * row(y) + row(below), value = image.pixel(x, y)[c];
        out.pixel(x, y)[c] = to_byte(value + (((sum - 16 * value) * blur + 2048) >> 12));
      }
    }
  }
  return out;
}

Image recompressed(const Image& image, int quality, bool subsampling) {
  return decode_image(encode_jpeg(image, {.quality = quality, .chroma_subsampling = subsampling}), "a recompressed picture");
}

}  // namespace sepia
