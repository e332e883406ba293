#include "data/resize.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>

#include "engine/base/error.h"
#include "tests/data/test_pictures.h"

namespace sepia {
namespace {

/// The formula of golden/make_resize_golden.py.
Image formula_picture(int width, int height) {
  Image image(width, height);
  for (int y = 0; y < height; ++y) {
    for (int x = 0; x < width; ++x) {
      for (int c = 0; c < 3; ++c) image.pixel(x, y)[c] = static_cast<std::uint8_t>((x * x * 31 + y * 77 + c * 50 + x * y * 13) % 256);
    }
  }
  return image;
}

TEST(Resize, WithinOneStepOfTorchAntialiasedBilinear) {
  std::ifstream golden(SEPIA_SOURCE_DIR "/tests/data/golden/resize_golden.txt");
  ASSERT_TRUE(golden);
  int width, height, size, cases = 0;
  while (golden >> width >> height >> size) {
    const Image resized = resize_and_crop(formula_picture(width, height), size);
    ASSERT_EQ(resized.width, size);
    ASSERT_EQ(resized.height, size);
    for (std::size_t i = 0; i < resized.rgb.size(); ++i) {
      double expected;
      ASSERT_TRUE(golden >> expected);
      EXPECT_LE(std::abs(resized.rgb[i] - expected), 1.0) << width << "x" << height << " to " << size << ", value " << i;
    }
    ++cases;
  }
  EXPECT_EQ(cases, 9);
}

// 4 to 2 by hand: half-width 2, so the left output, at 1.0 in source units, weighs pixels at 0.5, 1.5, 2.5 by 0.75, 0.75, 0.25.
TEST(Resize, HalfByHand) {
  Image image(4, 4);
  for (int y = 0; y < 4; ++y) {
    for (int x = 0; x < 4; ++x) image.pixel(x, y)[0] = static_cast<std::uint8_t>(x * 70);
  }
  const Image half = resize_and_crop(image, 2);
  EXPECT_EQ(half.pixel(0, 0)[0], 50);   // (0 * 0.75 + 70 * 0.75 + 140 * 0.25) / 1.75
  EXPECT_EQ(half.pixel(1, 1)[0], 160);  // (70 * 0.25 + 140 * 0.75 + 210 * 0.75) / 1.75
}

TEST(Resize, SameSizeIsUnchangedAndFlatStaysFlat) {
  const Image image = test::make_picture(32, 32);
  EXPECT_EQ(resize_and_crop(image, 32), image);
  Image flat(50, 33);
  std::fill(flat.rgb.begin(), flat.rgb.end(), std::uint8_t{201});
  for (const std::uint8_t v : resize_and_crop(flat, 17).rgb) EXPECT_EQ(v, 201);
  for (const std::uint8_t v : resize_and_crop(flat, 99).rgb) EXPECT_EQ(v, 201);
}

TEST(Resize, LongThinPicturesCostNoMoreThanTheWindow) {
  const Image strip = resize_and_crop(Image(65500, 1), 256);  // as a whole it would be 16 million pixels wide
  EXPECT_EQ(strip.rgb.size(), std::size_t{256} * 256 * 3);
  EXPECT_EQ(resize_and_crop(Image(1, 65500), 256).height, 256);
}

TEST(Resize, AnySize) {
  const Image image = resize(test::make_picture(20, 10), 7, 31);
  EXPECT_EQ(image.width, 7);
  EXPECT_EQ(image.height, 31);
  EXPECT_THROW(resize(image, 0, 5), Error);
  EXPECT_THROW(resize_and_crop(Image(), 5), Error);
}

}  // namespace
}  // namespace sepia
