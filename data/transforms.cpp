#include "data/transforms.h"

#include <algorithm>
#include <cstring>
#include <vector>

#include "data/augment_strong.h"
#include "engine/base/error.h"
#include "engine/base/random.h"

namespace sepia {

namespace {

/// `count` pixels, mirrored. `line` is scratch of 3 * count + 1 bytes.
void copy_mirrored(const std::uint8_t* from, int count, std::uint8_t* line, std::uint8_t* to) {
  // Out of memory forwards, as processors fetch ahead best. Then four bytes at once, which is faster than three: the fourth belongs to the
  // pixel written next, which puts it right.
  std::memcpy(line, from, static_cast<std::size_t>(count) * 3);
  const std::uint8_t* last = line + 3 * (count - 1);
  for (int x = 0; x + 1 < count; ++x) std::memcpy(to + 3 * x, last - 3 * x, 4);
  std::memcpy(to + 3 * (count - 1), line, 3);
}

}  // namespace

Augment augment_from_name(const std::string& name) {
  if (name == "none") return Augment::kNone;
  if (name == "document") return Augment::kDocument;
  if (name == "strong") return Augment::kStrong;
  fail(ErrorKind::kUsage, "there is no augmentation '", name, "'; use document, strong or none");
}

void crop_and_flip(const Image& image, int left, int top, bool flip, std::span<std::uint8_t> out) {
  SEPIA_CHECK(out.size() == image.rgb.size(), "[crop_and_flip] output of ", out.size(), " bytes for a picture of ", image.rgb.size());
  // Columns [first, last) of a row hold pixels, those beside them are black.
  int first = std::clamp(-left, 0, image.width), last = std::clamp(image.width - left, 0, image.width);
  const int count = last - first, source = first + left;
  if (flip) first = image.width - last, last = first + count;
  std::vector<std::uint8_t> line(flip && count > 0 ? static_cast<std::size_t>(count) * 3 + 1 : 0);
  for (int y = 0; y < image.height; ++y) {
    std::uint8_t* row = out.data() + static_cast<std::size_t>(y) * static_cast<std::size_t>(image.width) * 3;
    std::uint8_t* const end = row + 3 * image.width;
    const int from_y = y + top;
    if (from_y < 0 || from_y >= image.height || count <= 0) {
      std::fill(row, end, std::uint8_t{0});
      continue;
    }
    std::fill(row, row + 3 * first, std::uint8_t{0});
    const std::uint8_t* from = image.pixel(source, from_y);
    if (flip) {
      copy_mirrored(from, count, line.data(), row + 3 * first);
    } else {
      std::memcpy(row + 3 * first, from, static_cast<std::size_t>(count) * 3);
    }
    std::fill(row + 3 * last, end, std::uint8_t{0});
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
