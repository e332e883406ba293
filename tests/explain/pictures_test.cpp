// Colours in equal steps, scales, and names of files.
#include <gtest/gtest.h>

#include <cmath>

#include "tests/support/tape.h"
#include "tools/explain/map_picture.h"
#include "tools/explain/single_maps.h"

namespace sepia::tools {
namespace {

double distance(report::Rgb a, report::Rgb b) {
  const OkLab x = to_oklab(a), y = to_oklab(b);
  return std::hypot(x.l - y.l, x.a - y.a, x.b - y.b);
}

TEST(Colors, OkLabOfKnownColours) {
  // Ottosson's page: white is L = 1; sRGB red is (0.628, 0.225, 0.126).
  const OkLab white = to_oklab({255, 255, 255}), red = to_oklab({255, 0, 0});
  EXPECT_NEAR(white.l, 1, 1e-3);
  EXPECT_NEAR(std::hypot(white.a, white.b), 0, 1e-3);
  EXPECT_NEAR(red.l, 0.628, 1e-3);
  EXPECT_NEAR(red.a, 0.225, 1e-3);
  EXPECT_NEAR(red.b, 0.126, 1e-3);
  const report::Rgb back = from_oklab(to_oklab({12, 200, 99}));
  EXPECT_EQ((std::array{back.r, back.g, back.b}), (std::array<std::uint8_t, 3>{12, 200, 99}));
}

// Steps of 15 entries, so that the rounding to 8 bits is small beside them.
TEST(Colors, StepsAreEqualForTheEye) {
  for (const ColorMap map : {ColorMap::kSequential, ColorMap::kDiverging}) {
    double least = 1, most = 0;
    for (std::size_t i = 0; i + 15 <= 255; i += 15) {
      if (map == ColorMap::kDiverging && i < 128 && i + 15 >= 128) continue;  // across the middle
      const double step = distance(colors_of(map)[i], colors_of(map)[i + 15]);
      least = std::min(least, step);
      most = std::max(most, step);
    }
    EXPECT_LT(most / least, 1.25);
  }
  for (std::size_t i = 0; i + 5 <= 255; i += 5) {
    EXPECT_GT(to_oklab(colors_of(ColorMap::kSequential)[i + 5]).l, to_oklab(colors_of(ColorMap::kSequential)[i]).l) << i;
  }
}

TEST(Scales, ImageSharedAndFixed) {
  explain::Map a(1, 2), b(1, 2);
  a.values = {0, 2};
  b.values = {-6, 1};
  const explain::MethodFacts &cam = explain::facts_of(explain::Method::kGradCam), &ig = explain::facts_of(explain::Method::kIntegratedGradients);
  EXPECT_EQ(color_scales({&a, &b}, ScaleRule::parse("image"), cam)[0].high, 2);
  EXPECT_EQ(color_scales({&a, &b}, ScaleRule::parse("shared"), cam)[0].high, 6);
  const ColorScale fixed = color_scales({&a, &b}, ScaleRule::parse("0.5"), cam)[1];
  EXPECT_EQ(fixed.high, 0.5);
  EXPECT_TRUE(fixed.saturates);
  EXPECT_EQ(color_scales({&a}, ScaleRule::parse("image"), ig)[0].low, -color_scales({&a}, ScaleRule::parse("image"), ig)[0].high);
  for (const char* wrong : {"", "0", "-1", "nan", "inf", "0x10", "each"}) test::error_of([&] { ScaleRule::parse(wrong); });
}

TEST(Overlays, AnEmptyMapLeavesThePictureGrey) {
  Image picture(2, 1);
  picture.rgb = {255, 0, 0, 9, 9, 9};
  explain::Map map(1, 2);
  const Image grey = overlaid(picture, map, ColorScale::up_to(1, false));
  EXPECT_EQ(grey.rgb, (std::vector<std::uint8_t>{54, 54, 54, 9, 9, 9}));
  map.values = {0, 1};
  const Image colored = overlaid(picture, map, ColorScale::up_to(1, false), 1);
  const report::Rgb last = color_at(ColorMap::kSequential, 1);
  EXPECT_EQ((std::array{colored.rgb[3], colored.rgb[4], colored.rgb[5]}), (std::array{last.r, last.g, last.b}));
}

TEST(MapNames, TakeTheParentWhereStemsMeet) {
  EXPECT_EQ(map_names({"a/x.png", "b/x.jpg", "b/y.png", "b/x.png", "./z.png"}), (std::vector<std::string>{"a_x", "b_x", "y", "b_x_2", "z"}));
}

}  // namespace
}  // namespace sepia::tools
