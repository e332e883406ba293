// --augment strong: each change against a case worked out by hand, and what is drawn.
#include "data/augment_strong.h"

#include <gtest/gtest.h>

#include <cmath>
#include <map>
#include <vector>

#include "engine/base/error.h"
#include "tests/data/test_pictures.h"

namespace sepia {
namespace {

/// A picture whose red channel is given and whose others are 0.
Image red(int width, int height, const std::vector<int>& values) {
  Image image(width, height);
  for (std::size_t i = 0; i < values.size(); ++i) image.rgb[3 * i] = static_cast<std::uint8_t>(values[i]);
  return image;
}

TEST(StrongChanges, TurnsByHand) {
  const Image image = red(3, 3, {1, 2, 3, 4, 5, 6, 7, 8, 9});
  EXPECT_EQ(turned(image, 0), image);
  EXPECT_EQ(turned(image, 1), red(3, 3, {7, 4, 1, 8, 5, 2, 9, 6, 3}));
  EXPECT_EQ(turned(image, 2), red(3, 3, {9, 8, 7, 6, 5, 4, 3, 2, 1}));
  EXPECT_EQ(turned(image, 3), red(3, 3, {3, 6, 9, 2, 5, 8, 1, 4, 7}));
  EXPECT_EQ(turned(image, -1), turned(image, 3));
  EXPECT_EQ(turned(red(2, 1, {1, 2}), 2), red(2, 1, {2, 1}));
  EXPECT_THROW(turned(red(2, 1, {1, 2}), 1), Error);
}

TEST(StrongChanges, LightByHand) {
  const Image image = red(5, 1, {0, 100, 128, 130, 255});
  EXPECT_EQ(relit(image, 256, 0), image);
  // (v - 128) / 2 + 128 + 10 for the reds; the zeros of green and blue become 74.
  const Image out = relit(image, 128, 10);
  const int reds[] = {74, 124, 138, 139, 202};  // 255: 63.5 goes up
  for (int x = 0; x < 5; ++x) {
    EXPECT_EQ(out.pixel(x, 0)[0], reds[x]);
    EXPECT_EQ(out.pixel(x, 0)[1], 74);
  }
  EXPECT_EQ(relit(image, 512, 0).pixel(4, 0)[0], 255);  // 382 is clamped
  EXPECT_EQ(relit(image, 512, 0).pixel(0, 0)[0], 0);    // -128 is clamped
}

TEST(StrongChanges, BlurByHand) {
  // In the middle 4/16 of 160 stay; beside it 2/16, of which the reflected border makes 4/16; in the corners 1/16, so 4/16 too.
  const Image image = red(3, 3, {0, 0, 0, 0, 160, 0, 0, 0, 0});
  EXPECT_EQ(blurred(image, 256), red(3, 3, {40, 40, 40, 40, 40, 40, 40, 40, 40}));
  EXPECT_EQ(blurred(image, 128), red(3, 3, {20, 20, 20, 20, 100, 20, 20, 20, 20}));
  EXPECT_EQ(blurred(image, 0), image);
  const Image wide = red(5, 1, {0, 0, 160, 0, 0});  // one row: 1 2 1 / 4 along it
  EXPECT_EQ(blurred(wide, 256), red(5, 1, {0, 40, 80, 40, 0}));
  const Image one = red(1, 1, {77});
  EXPECT_EQ(blurred(one, 256), one);
}

double distance(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

TEST(StrongChanges, RecompressionKeepsFlatPicturesAndLosesMoreAtLowerQuality) {
  const Image flat = relit(Image(32, 32), 256, 90);
  EXPECT_LE(distance(recompressed(flat, 75, true), flat), 1);
  const Image picture = test::make_picture(64, 64);
  const Image fine = recompressed(picture, 95, false), coarse = recompressed(picture, 40, false), halved = recompressed(picture, 95, true);
  EXPECT_NE(fine, picture);
  EXPECT_LT(distance(fine, picture), distance(coarse, picture));
  EXPECT_NE(fine, halved);
  EXPECT_EQ(recompressed(picture, 40, false), coarse);
}

TEST(StrongChanges, AreMadeInTheirOrder) {
  const Image image = test::make_picture(16, 16);
  StrongChanges changes;
  EXPECT_EQ(apply_strong_changes(changes, image), image);
  changes = {.left = 2, .top = -1, .flip = true, .turns = 3, .contrast = 300, .brightness = -7, .blur = 99, .jpeg_quality = 80, .jpeg_subsampling = false};
  Image expected(16, 16);
  crop_and_flip(image, 2, -1, true, expected.rgb);
  expected = recompressed(blurred(relit(turned(expected, 3), 300, -7), 99), 80, false);
  EXPECT_EQ(apply_strong_changes(changes, image), expected);
}

TEST(StrongChanges, DependOnTheKeyAlone) {
  EXPECT_EQ(draw_strong_changes({1, 2, 3}), draw_strong_changes({1, 2, 3}));
  int changed = 0;
  for (std::uint32_t i = 0; i < 30; ++i) {
    changed += draw_strong_changes({1, 2, i}) != draw_strong_changes({1, 3, i});
    changed += draw_strong_changes({1, 2, i}) != draw_strong_changes({2, 2, i});
  }
  EXPECT_GT(changed, 55);
}

// 20,000 samples: frequencies within five standard deviations of what the header promises, every value inside its range, both ends met.
TEST(StrongChanges, AreDrawnAsOftenAsPromised) {
  constexpr int kDraws = 20000;
  std::map<int, int> corners, turns, contrasts, brightnesses, blurs, qualities;
  int flips = 0, lit = 0, blurs_made = 0, jpegs = 0, halved = 0;
  for (std::uint32_t i = 0; i < kDraws; ++i) {
    const StrongChanges c = draw_strong_changes({7, i % 100, i / 100});
    ++corners[9 * c.left + c.top];
    ++turns[c.turns + (c.flip ? 4 : 0)];
    flips += c.flip;
    if (c.contrast != 256 || c.brightness != 0) ++lit, ++contrasts[c.contrast], ++brightnesses[c.brightness];
    if (c.blur != 0) ++blurs_made, ++blurs[c.blur];
    if (c.jpeg_quality != 0) ++jpegs, ++qualities[c.jpeg_quality], halved += c.jpeg_subsampling;
  }
  const auto expect_share = [](double count, double of, double share, const char* what) {
    EXPECT_NEAR(count, of * share, 5 * std::sqrt(of * share * (1 - share))) << what;
  };
  EXPECT_EQ(corners.size(), 81U);
  for (const auto& [corner, count] : corners) expect_share(count, kDraws, 1.0 / 81, "corner");
  EXPECT_EQ(turns.size(), 8U);
  for (const auto& [which, count] : turns) expect_share(count, kDraws, 1.0 / 8, "turn");
  expect_share(flips, kDraws, 0.5, "flips");
  expect_share(lit, kDraws, 0.5, "light");
  expect_share(blurs_made, kDraws, 0.2, "blur");
  expect_share(jpegs, kDraws, 0.3, "JPEG");
  expect_share(halved, jpegs, 0.5, "subsampling");
  const auto expect_range = [](const std::map<int, int>& values, int low, int high) {
    EXPECT_EQ(values.begin()->first, low);
    EXPECT_EQ(values.rbegin()->first, high);
  };
  expect_range(contrasts, 192, 320);
  expect_range(brightnesses, -24, 24);
  expect_range(blurs, 32, 256);
  expect_range(qualities, 60, 95);
}

}  // namespace
}  // namespace sepia
