#include "data/transforms.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "tests/data/test_pictures.h"

namespace sepia {
namespace {

std::vector<std::uint8_t> cropped(const Image& image, int left, int top, bool flip) {
  std::vector<std::uint8_t> out(image.rgb.size(), 99);
  crop_and_flip(image, left, top, flip, out);
  return out;
}

TEST(Transforms, CropAndFlipAgainstTheDefinition) {
  Image image = test::make_picture(6, 5);
  for (auto& v : image.rgb) v = static_cast<std::uint8_t>(v | 1);  // no zeros inside, so that padding shows
  for (int left = -7; left <= 7; ++left) {
    for (int top = -6; top <= 6; ++top) {
      for (const bool flip : {false, true}) {
        const auto out = cropped(image, left, top, flip);
        for (int y = 0; y < 5; ++y) {
          for (int x = 0; x < 6; ++x) {
            const int from_x = (flip ? 5 - x : x) + left, from_y = y + top;
            const bool inside = from_x >= 0 && from_x < 6 && from_y >= 0 && from_y < 5;
            for (int c = 0; c < 3; ++c) {
              ASSERT_EQ(out[static_cast<std::size_t>((y * 6 + x) * 3 + c)], inside ? image.pixel(from_x, from_y)[c] : 0)
                  << left << " " << top << " " << flip;
            }
          }
        }
      }
    }
  }
}

TEST(Transforms, NoneCopies) {
  const Image image = test::make_picture(8, 8);
  std::vector<std::uint8_t> out(image.rgb.size());
  apply_augment(Augment::kNone, {1, 2, 3}, image, out);
  EXPECT_EQ(out, image.rgb);
}

TEST(Transforms, DocumentDependsOnItsKeyAlone) {
  const Image image = test::make_picture(16, 16);
  const auto augmented = [&](AugmentKey key) {
    std::vector<std::uint8_t> out(image.rgb.size());
    apply_augment(Augment::kDocument, key, image, out);
    return out;
  };
  EXPECT_EQ(augmented({1, 2, 3}), augmented({1, 2, 3}));
  int changed = 0;
  for (std::uint32_t i = 0; i < 30; ++i) {
    changed += augmented({1, 2, i}) != augmented({1, 3, i});
    changed += augmented({1, 2, i}) != augmented({2, 2, i});
  }
  EXPECT_GT(changed, 50);
}

// All 9 x 9 corners and both directions occur, about equally often: 162 outcomes, each expected 100 times of 16,200.
TEST(Transforms, DocumentDrawsEveryCornerAndDirection) {
  const Image image = test::make_picture(12, 12);
  const auto key = [](const std::vector<std::uint8_t>& bytes) { return std::string(bytes.begin(), bytes.end()); };
  std::map<std::string, int> outcomes;
  std::vector<std::uint8_t> out(image.rgb.size());
  for (std::uint32_t i = 0; i < 16200; ++i) {
    apply_augment(Augment::kDocument, {9, 0, i}, image, out);
    ++outcomes[key(out)];
  }
  EXPECT_EQ(outcomes.size(), 162u);
  for (const auto& [pixels, count] : outcomes) {
    EXPECT_GT(count, 50);
    EXPECT_LT(count, 150);
  }
  for (int left = -4; left <= 4; ++left) EXPECT_TRUE(outcomes.contains(key(cropped(image, left, -left, left > 0))));
}

}  // namespace
}  // namespace sepia
