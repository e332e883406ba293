#include "data/transforms.h"

#include <algorithm>
#include <cstring>

#include "data/augment_strong.h"
#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {

Augment augment_from_name(const std::string& name) {
  if (name == "none") return Augment::kNone;
  if (name == "document") return Augment::kDocument;
  if (name == "strong") return Augment::kStrong;
  fail(ErrorKind::kUsage, "there is no augmentation '", name, "'; use document, strong or none");
}

void crop_and_flip(const Image& image, int left, int top, bool flip, std::span<std::uint8_t> out) {
  SEPIA_CHECK(out.size() == image.rgb.size(), "[crop_and_flip] output of ", out.size(), " bytes for a picture of ", image.rgb.size());
  const auto width = static_cast<std::size_t>(image.width);
  const int first = std::clamp(-left, 0, image.width), last = std::clamp(image.width - left, 0, image.width);
  std::fill(out.begin(), out.end(), std::uint8_t{0});
  for (int y = 0; y < image.height; ++y) {
    const int from_y = y + top;
    if (from_y < 0 || from_y >= image.height || first >= last) continue;
    std::uint8_t* row = out.data() + static_cast<std::size_t>(y) * width * 3;
    const std::uint8_t* from = image.pixel(first + left, from_y);
    if (!flip) {
      std::memcpy(row + 3 * first, from, static_cast<std::size_t>(last - first) * 3);
    } else {
      for (int x = first; x < last; ++x, from += 3) std::memcpy(row + 3 * (image.width - 1 - x), from, 3);
    }
  }
}

void apply_augment(Augment augment, const AugmentKey& key, const Image& image, std::span<std::uint8_t> out) {
  if (augment == Augment::kNone) {
    crop_and_flip(image, 0, 0, false, out);
    return;
  }
  if (augment == Augment::kStrong) {
    SEPIA_CHECK(out.size() == image.rgb.size(), "[apply_augment] output of ", out.size(), " bytes for a picture of ", image.rgb.size());
    std::ranges::copy(apply_strong_changes(draw_strong_changes(key), image).rgb, out.begin());
    return;
  }
  RandomStream random(key.seed, RandomPurpose::kAugmentation, key.epoch, key.sample);
  const int left = static_cast<int>(random.below(2 * kCropPadding + 1)) - kCropPadding;
  const int top = static_cast<int>(random.below(2 * kCropPadding + 1)) - kCropPadding;
  const bool flip = random.below(2) == 1;
  crop_and_flip(image, left, top, flip, out);
}

}  // namespace sepia
