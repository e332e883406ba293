// F6: every kind of picture comes out as the same upright RGB.
#include "data/image_read.h"

#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>

#include "data/image_write.h"
#include "engine/base/error.h"
#include "tests/data/test_encoders.h"
#include "tests/data/test_pictures.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

using test::ByteVector;

constexpr int kPngGrey = 0, kPngRgb = 2, kPngPalette = 3, kPngGreyAlpha = 4, kPngRgba = 6;

Image grey_of(const Image& image) {
  Image grey = image;
  for (std::size_t i = 0; i < grey.rgb.size(); ++i) grey.rgb[i] = image.rgb[i - i % 3];
  return grey;
}

int largest_difference(const Image& a, const Image& b) {
  EXPECT_EQ(a.width, b.width);
  EXPECT_EQ(a.height, b.height);
  int largest = 0;
  for (std::size_t i = 0; i < std::min(a.rgb.size(), b.rgb.size()); ++i) largest = std::max(largest, std::abs(a.rgb[i] - b.rgb[i]));
  return largest;
}

TEST(ImageRead, PngGivesBackWhatWasWritten) {
  for (const int width : {1, 2, 7, 64}) {
    const Image image = test::make_picture(width, 33);
    EXPECT_EQ(decode_image(encode_png(image), "x"), image);
  }
}

TEST(ImageRead, JpegIsCloseToWhatWasWritten) {
  const Image image = test::make_picture(67, 41);
  for (const bool progressive : {false, true}) {
    const Image decoded = decode_image(encode_jpeg(image, {.quality = 100, .progressive = progressive, .chroma_subsampling = false}), "x");
    EXPECT_LE(largest_difference(decoded, image), 4);
  }
}

TEST(ImageRead, PngKinds) {
  const int w = 13, h = 9;
  const Image image = test::make_picture(w, h);
  std::vector<std::uint8_t> grey, grey_alpha, rgba, grey16, rgb16;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) {
    const std::uint8_t *p = &image.rgb[i], alpha = static_cast<std::uint8_t>(i * 7);
    grey.push_back(p[0]);
    grey_alpha.insert(grey_alpha.end(), {p[0], alpha});
    rgba.insert(rgba.end(), {p[0], p[1], p[2], alpha});
    grey16.insert(grey16.end(), {p[0], p[0]});  // v * 257 is exactly v of 8 bits
    rgb16.insert(rgb16.end(), {p[0], p[0], p[1], p[1], p[2], p[2]});
  }
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 8, kPngGrey}, grey), "x"), grey_of(image));
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 8, kPngGreyAlpha}, grey_alpha), "x"), grey_of(image));
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 8, kPngRgba}, rgba), "x"), image) << "alpha is dropped, not blended";
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 16, kPngGrey}, grey16), "x"), grey_of(image));
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 16, kPngRgb}, rgb16), "x"), image);
  EXPECT_EQ(decode_image(test::encode_any_png({w, h, 8, kPngRgb, true}, image.rgb), "x"), image) << "interlaced";
}

TEST(ImageRead, PngPaletteAndBits) {
  // Two pixels a byte: 0 1 / 2 3, then the same as 1-bit grey: white black / black white.
  const std::vector<std::uint8_t> palette = {10, 20, 30, 40, 50, 60, 70, 80, 90, 255, 0, 128};
  const Image colours = decode_image(test::encode_any_png({2, 2, 4, kPngPalette, false, palette}, {0x01, 0x23}), "x");
  EXPECT_EQ(colours.rgb, palette);
  const Image bits = decode_image(test::encode_any_png({2, 2, 1, kPngGrey}, {0x80, 0x40}), "x");
  EXPECT_EQ(bits.rgb, (std::vector<std::uint8_t>{255, 255, 255, 0, 0, 0, 0, 0, 0, 255, 255, 255}));
}

TEST(ImageRead, GreyJpeg) {
  const Image image = grey_of(test::make_picture(24, 16));
  std::vector<std::uint8_t> rows;
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) rows.push_back(image.rgb[i]);
  EXPECT_LE(largest_difference(decode_image(test::encode_any_jpeg({24, 16, 1}, rows), "x"), image), 3);
}

TEST(ImageRead, CmykAndYcckJpegWithAndWithoutAdobeMarker) {
  // One flat colour: C 25%, M 50%, Y 75%, K 20% of ink, so R = 0.75 * 0.8, G = 0.5 * 0.8, B = 0.25 * 0.8 of white.
  const int ink[4] = {64, 128, 191, 51};
  const double expected[3] = {255 * 0.75 * 0.8, 255 * 0.5 * 0.8, 255 * 0.25 * 0.8};
  for (const bool ycck : {false, true}) {
    for (const bool adobe : {true, false}) {
      if (ycck && !adobe) continue;  // without the marker nothing says that a file is YCCK
      std::vector<std::uint8_t> rows;
      for (int i = 0; i < 16 * 16; ++i) {
        for (const int value : ink) rows.push_back(static_cast<std::uint8_t>(adobe ? 255 - value : value));
      }
      const Image image = decode_image(test::encode_any_jpeg({16, 16, 4, ycck, adobe}, rows), "x");
      for (int c = 0; c < 3; ++c) EXPECT_NEAR(image.pixel(5, 5)[c], expected[c], 3.0) << "ycck " << ycck << " adobe " << adobe << " " << c;
    }
  }
}

TEST(ImageRead, WebpBmpTgaPnm) {
  const Image image = test::make_picture(19, 11);
  EXPECT_EQ(decode_image(test::encode_lossless_webp(image), "x"), image);
  EXPECT_EQ(decode_image(test::encode_bmp24(image, false), "x"), image);
  EXPECT_EQ(decode_image(test::encode_bmp24(image, true), "x"), image);
  EXPECT_EQ(decode_image(test::encode_tga(image, 24, true), "x"), image);
  EXPECT_EQ(decode_image(test::encode_tga(image, 24, false), "x"), image);
  EXPECT_EQ(decode_image(test::encode_tga(image, 8), "x"), grey_of(image));
  EXPECT_EQ(decode_image(test::encode_ppm(image), "x"), image);
  EXPECT_EQ(decode_image(test::encode_pgm(image), "x"), grey_of(image));
}

TEST(ImageRead, FormatIsWhatTheBytesSay) {
  const Image image = test::make_picture(8, 8);
  EXPECT_EQ(detect_image_format(encode_png(image)), ImageFormat::kPng);
  EXPECT_EQ(detect_image_format(encode_jpeg(image)), ImageFormat::kJpeg);
  EXPECT_EQ(detect_image_format(test::encode_lossless_webp(image)), ImageFormat::kWebp);
  EXPECT_EQ(detect_image_format(test::encode_bmp24(image)), ImageFormat::kBmp);
  EXPECT_EQ(detect_image_format(test::encode_tga(image)), ImageFormat::kTga);
  EXPECT_EQ(detect_image_format(test::encode_ppm(image)), ImageFormat::kPnm);
  EXPECT_EQ(detect_image_format(std::as_bytes(std::span("A letter to whom it may concern"))), ImageFormat::kUnknown);
  EXPECT_EQ(detect_image_format({}), ImageFormat::kUnknown);
}

/// Where the pixel at the top left of the upright picture lies in the stored one, and whether sides are swapped (Exif 2.3).
TEST(ImageRead, ExifOrientation) {
  const int w = 5, h = 3;
  const Image stored = test::make_picture(w, h);
  struct Case {
    int orientation, x, y;
    bool swapped;
  };
  const Case cases[] = {{1, 0, 0, false}, {2, w - 1, 0, false}, {3, w - 1, h - 1, false}, {4, 0, h - 1, false},
                        {5, 0, 0, true},  {6, 0, h - 1, true},  {7, w - 1, h - 1, true},  {8, w - 1, 0, true}};
  for (const Case& c : cases) {
    for (const bool big_endian : {false, true}) {
      const auto png = test::encode_any_png({w, h, 8, kPngRgb, false, {}, test::exif_block(c.orientation, big_endian)}, stored.rgb);
      const Image upright = decode_image(png, "x");
      ASSERT_EQ(upright.width, c.swapped ? h : w) << c.orientation;
      ASSERT_EQ(upright.height, c.swapped ? w : h);
      const auto pixel = [](const Image& image, int x, int y) { return std::vector<int>(image.pixel(x, y), image.pixel(x, y) + 3); };
      EXPECT_EQ(pixel(upright, 0, 0), pixel(stored, c.x, c.y)) << c.orientation;
      // One step to the right in the upright picture is a step along the stored column when sides are swapped.
      const int dx = c.swapped ? 0 : (c.x == 0 ? 1 : -1), dy = c.swapped ? (c.y == 0 ? 1 : -1) : 0;
      EXPECT_EQ(pixel(upright, 1, 0), pixel(stored, c.x + dx, c.y + dy)) << c.orientation;
    }
  }
}

TEST(ImageRead, ExifOrientationOfJpegAndNonsenseInIt) {
  const Image image = test::make_picture(16, 8);
  const ByteVector jpeg = encode_jpeg(image);
  const Image turned = decode_image(test::with_exif(jpeg, test::exif_block(6, true)), "x");
  EXPECT_EQ(turned.width, 8);
  EXPECT_EQ(turned.height, 16);
  EXPECT_EQ(decode_image(test::with_exif(jpeg, test::exif_block(9, true)), "x"), decode_image(jpeg, "x"));
  EXPECT_EQ(decode_image(test::with_exif(jpeg, {'M', 'M', 0, 42, 0xff, 0xff, 0xff, 0xff}), "x"), decode_image(jpeg, "x"));
}

TEST(ImageRead, FactsOfAFile) {
  const Image image = test::make_picture(40, 24);
  for (const int quality : {5, 30, 50, 75, 90, 95, 100}) {
    const auto facts = decode_image_and_facts(encode_jpeg(image, {.quality = quality}), "x").facts;
    EXPECT_EQ(facts.jpeg_quality, quality);
    EXPECT_EQ(facts.format, ImageFormat::kJpeg);
    EXPECT_EQ(facts.width, 40);
    EXPECT_EQ(facts.height, 24);
  }
  EXPECT_EQ(decode_image_and_facts(encode_png(image), "x").facts.jpeg_quality, 0);
}

TEST(ImageWrite, SameBytesTwiceAndRefusals) {
  const Image image = test::make_picture(20, 20);
  EXPECT_EQ(encode_png(image), encode_png(image));
  EXPECT_EQ(encode_jpeg(image), encode_jpeg(image));
  EXPECT_THROW(encode_jpeg(image, {.quality = 0}), Error);
  EXPECT_THROW(encode_jpeg(image, {.quality = 101}), Error);
  EXPECT_THROW(encode_png(Image()), Error);
}

TEST(ImageWrite, Files) {
  const test::TemporaryFolder folder;
  const Image image = test::make_picture(20, 10);
  write_png(folder / "a.jpg", image);
  write_jpeg(folder / "b.png", image, {.quality = 80});
  EXPECT_EQ(read_image(folder / "a.jpg"), image) << "a PNG, whatever its name says";
  EXPECT_EQ(read_image(folder / "b.png"), decode_image(encode_jpeg(image, {.quality = 80}), "x"));
  EXPECT_THROW(write_png(folder / "missing/c.png", image), Error);
}

}  // namespace
}  // namespace sepia
