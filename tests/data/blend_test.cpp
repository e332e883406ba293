// Self-blended faces: the changes one by one against cases worked out by hand, and the data set that is made of them.
#include "data/blend.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <set>
#include <string>

#include "data/augment_strong.h"
#include "data/check.h"
#include "data/image_read.h"
#include "data/image_write.h"
#include "data/resize.h"
#include "data/self_blend.h"
#include "data/toy.h"
#include "engine/base/error.h"
#include "engine/base/sha256.h"
#include "tests/data/test_pictures.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;

/// Changes nothing: the mask alone is there.
SelfBlendChanges nothing() { return {}; }

Image flat(int side, std::uint8_t r, std::uint8_t g, std::uint8_t b) {
  Image image(side, side);
  for (std::size_t i = 0; i < image.rgb.size(); i += 3) image.rgb[i] = r, image.rgb[i + 1] = g, image.rgb[i + 2] = b;
  return image;
}

TEST(SelfBlend, WithoutChangesThePictureStaysAndTheMaskIsAnEllipse) {
  const Image face = test::make_picture(64, 64);
  const SelfBlend blend = self_blend(face, nothing());
  EXPECT_EQ(blend.picture, face);
  EXPECT_EQ(blend.mask.pixel(32, 32)[0], 255);
  EXPECT_EQ(blend.mask.pixel(1, 1)[0], 0);
  // Radii 300/1024 and 380/1024 of 64 pixels are 18.75 and 23.75: well inside full, well outside nothing, monotonous between.
  EXPECT_EQ(blend.mask.pixel(32 + 15, 32)[0], 255);
  EXPECT_EQ(blend.mask.pixel(32 + 23, 32)[0], 0);
  EXPECT_EQ(blend.mask.pixel(32, 32 + 20)[0], 255);
  EXPECT_EQ(blend.mask.pixel(32, 32 + 28)[0], 0);
  for (int x = 32; x < 63; ++x) EXPECT_GE(blend.mask.pixel(x, 32)[0], blend.mask.pixel(x + 1, 32)[0]);
}

TEST(SelfBlend, ColourByHand) {
  SelfBlendChanges changes = nothing();
  changes.tint[0] = 10, changes.tint[1] = 0, changes.tint[2] = -4;
  changes.brightness = 5;
  const Image face = flat(16, 100, 60, 200);
  const SelfBlend inside = self_blend(face, changes);
  EXPECT_EQ((std::vector<int>{inside.picture.pixel(8, 8)[0], inside.picture.pixel(8, 8)[1], inside.picture.pixel(8, 8)[2]}), (std::vector<int>{115, 65, 201}));
  EXPECT_EQ(inside.picture.pixel(0, 0)[0], 100);
  changes.colour_inside = false;
  const SelfBlend outside = self_blend(face, changes);
  EXPECT_EQ(outside.picture.pixel(8, 8)[0], 100);
  EXPECT_EQ(outside.picture.pixel(0, 0)[0], 115);
  changes.opacity = 128;  // half of each: (115 + 100 + 1) / 2
  EXPECT_EQ(self_blend(face, changes).picture.pixel(8, 8)[0], 108);
  EXPECT_EQ(self_blend(face, changes).mask.pixel(8, 8)[0], 127);
}

TEST(SelfBlend, SaturationByHand) {
  SelfBlendChanges changes = nothing();
  changes.saturation = 128;  // grey (77 * 200 + 150 * 100 + 29 * 50 + 128) / 256 = 124; half the way to it
  const std::uint8_t* p = nullptr;
  const SelfBlend blend = self_blend(flat(16, 200, 100, 50), changes);
  p = blend.picture.pixel(8, 8);
  EXPECT_EQ((std::vector<int>{p[0], p[1], p[2]}), (std::vector<int>{162, 112, 87}));
}

TEST(SelfBlend, SharpnessByHand) {
  Image face = flat(17, 100, 100, 100);
  face.pixel(8, 8)[0] = 228;
  SelfBlendChanges changes = nothing();
  changes.sharpness = -256;  // the picture blurred twice, with the filter (1 2 1) x (1 2 1) / 16
  EXPECT_EQ(self_blend(face, changes).picture, blurred(blurred(face, 256), 256));
  // (1 4 6 4 1) / 16 both ways: 36/256 of 128 above the ground, so 118 in the middle. Twice as far away as half of that: 228 + 110 / 2.
  EXPECT_EQ(self_blend(face, changes).picture.pixel(8, 8)[0], 118);
  changes.sharpness = 64;
  EXPECT_EQ(self_blend(face, changes).picture.pixel(8, 8)[0], 255);  // 228 + 110 / 4 = 255.5
  changes.sharpness_inside = false;
  EXPECT_EQ(self_blend(face, changes).picture.pixel(8, 8)[0], 228);
}

TEST(SelfBlend, MovesTheInnerCopy) {
  const Image face = test::make_picture(64, 64);
  SelfBlendChanges changes = nothing();
  changes.shift_x = 3 * 256;
  changes.shift_y = -2 * 256;
  const SelfBlend blend = self_blend(face, changes);
  for (int c = 0; c < 3; ++c) {
    EXPECT_EQ(blend.picture.pixel(32, 32)[c], face.pixel(29, 34)[c]);
    EXPECT_EQ(blend.picture.pixel(2, 2)[c], face.pixel(2, 2)[c]);
  }
  changes = nothing();
  changes.scale_x = 2048;  // twice as wide around column 32
  EXPECT_EQ(self_blend(face, changes).picture.pixel(42, 32)[1], face.pixel(37, 32)[1]);
}

TEST(SelfBlend, RefusesWhatIsNoSquare) {
  EXPECT_THROW(self_blend(Image(32, 16), nothing()), Error);
  EXPECT_THROW(self_blend(Image(4, 4), nothing()), Error);
}

TEST(SelfBlend, DrawsForgeriesWithinTheirRangesThatDifferBySeedAndIndex) {
  EXPECT_EQ(draw_self_blend(1, 2, 256), draw_self_blend(1, 2, 256));
  int same = 0, half = 0, colour_inside = 0;
  for (std::uint32_t i = 0; i < 600; ++i) {
    const SelfBlendChanges c = draw_self_blend(3, i, 256);
    same += c == draw_self_blend(3, i + 1, 256) || c == draw_self_blend(4, i, 256);
    EXPECT_GE(std::max({std::abs(c.shift_x) / 256.0, std::abs(c.shift_y) / 256.0, std::abs(c.scale_x - 1024) / 8.0, std::abs(c.scale_y - 1024) / 8.0}), 2);
    EXPECT_LE(std::abs(c.shift_x), 8 * 256);
    EXPECT_TRUE(c.sharpness <= -64 || c.sharpness >= 64);
    half += c.opacity == 128;
    colour_inside += c.colour_inside;
  }
  EXPECT_EQ(same, 0);
  EXPECT_NEAR(half, 100, 46);           // 5 standard deviations
  EXPECT_NEAR(colour_inside, 300, 62);
}

// The pixels themselves, so that another compiler, machine or optimisation level that blends otherwise is found out.
TEST(SelfBlend, SamePixelsEverywhere) {
  const Image face = toy_picture(1, "train", 0, 0);
  const auto hash = [](const Image& image) { return sha256_hex(std::as_bytes(std::span(image.rgb))); };
  const SelfBlend blend = self_blend(face, draw_self_blend(7, 5, 256));
  EXPECT_EQ(hash(blend.picture), "1e74a7ce47ecb16b8c099745a83fc92a058cc53990b56289b07eec07493ee018");
  EXPECT_EQ(hash(blend.mask), "46a8ed54b3ea9aec4890754b158997516833987ef626c999c0976070966244b8");
}

TEST(BlendSplit, ReadsCountsAndFractions) {
  EXPECT_EQ(blend_split_from_text("200,50,50").counts(300), (std::array<std::size_t, 3>{200, 50, 50}));
  EXPECT_EQ(blend_split_from_text("0.7,0.15,0.15").counts(10), (std::array<std::size_t, 3>{7, 1, 1}));
  EXPECT_EQ(blend_split_from_text("1.0,0,0").counts(10), (std::array<std::size_t, 3>{10, 0, 0}));
  for (const char* wrong : {"", "1", "1,2", "1,2,3,4", "1,2,", "a,b,c", "-1,2,3", "0.9,0.2,0.1", "1e3,1,1", "1..0,0,0", "nan,0,0"}) {
    EXPECT_THROW(blend_split_from_text(wrong), Error) << wrong;
  }
  EXPECT_THROW(blend_split_from_text("8,2,1").counts(10), Error);
  EXPECT_THROW(blend_split_from_text("0,5,5").counts(10), Error);
}

class Blend : public ::testing::Test {
 protected:
  void SetUp() override {
    for (std::uint32_t i = 0; i < 12; ++i) {
      const Image face = resize_and_crop(toy_picture(3, "train", 0, i), 96);
      test::put_file(folder_ / "real" / (std::to_string(i) + ".jpg"), encode_jpeg(face, {.quality = 80}));
    }
    test::put_file(folder_ / "real/notes.txt", {});
  }

  static BlendOptions options() {
    BlendOptions options;
    options.split = blend_split_from_text("7,2,2");
    options.keep_masks = true;
    options.image_size = 96;
    return options;
  }

  test::TemporaryFolder folder_;
};

TEST_F(Blend, SplitsBySourceAndIsTheSameForAnyNumberOfThreads) {
  BlendOptions one = options(), three = options();
  one.threads = 1;
  three.threads = 3;
  const std::vector<BlendedPair> pairs = write_blended_dataset(folder_ / "real", folder_ / "a", one);
  write_blended_dataset(folder_ / "real", folder_ / "b", three);
  ASSERT_EQ(pairs.size(), 11U);
  std::set<std::string> sources;
  for (const BlendedPair& pair : pairs) sources.insert(pair.source);
  EXPECT_EQ(sources.size(), 11U) << "no source is in two splits, or twice in one";
  EXPECT_EQ(std::ranges::count(pairs, "train", &BlendedPair::split), 7);
  EXPECT_EQ(std::ranges::count(pairs, "test", &BlendedPair::split), 2);
  const CheckReport a = check_dataset(folder_ / "a"), b = check_dataset(folder_ / "b");
  ASSERT_EQ(a.splits.size(), 3U);
  for (std::size_t s = 0; s < 3; ++s) EXPECT_EQ(a.splits[s].fingerprint, b.splits[s].fingerprint);
  EXPECT_TRUE(fs::exists(folder_ / "a/masks/val" / fs::path(pairs[7].name).replace_extension(".png")));
  std::ifstream list(folder_ / "a/blend.csv");
  std::string line;
  int lines = 0;
  while (std::getline(list, line)) ++lines;
  EXPECT_EQ(lines, 23);
  BlendOptions other = options();
  other.seed = 2;
  EXPECT_NE(write_blended_dataset(folder_ / "real", folder_ / "c", other)[0].source + write_blended_dataset(folder_ / "real", folder_ / "d", other)[1].source,
            pairs[0].source + pairs[1].source);
}

// Whatever tells the classes apart must be in the pixels: format, size and JPEG quality are the same, and nothing gives the answer away.
TEST_F(Blend, FileFactsDoNotGiveTheAnswerAway) {
  write_blended_dataset(folder_ / "real", folder_ / "jpeg", options());
  BlendOptions png = options();
  png.jpeg_quality = 0;
  write_blended_dataset(folder_ / "real", folder_ / "png", png);
  for (const char* name : {"jpeg", "png"}) {
    const CheckReport report = check_dataset(folder_ / name);
    EXPECT_TRUE(report.findings.empty()) << check_text(report);
    for (const ClassDifference& difference : report.differences) {
      EXPECT_FALSE(difference.gives_away) << difference.fact;
      if (difference.fact != "bytes_per_pixel") {
        EXPECT_EQ(difference.auc, 0.5) << difference.fact;
      }
    }
  }
}

TEST_F(Blend, PngHoldsThePixelsThemselves) {
  BlendOptions png = options();
  png.jpeg_quality = 0;
  const BlendedPair pair = write_blended_dataset(folder_ / "real", folder_ / "out", png).front();
  const Image source = read_image(folder_ / "real" / pair.source);
  const SelfBlend blend = self_blend(source, draw_self_blend(png.seed, pair.index, 96));
  EXPECT_EQ(read_image(folder_ / "out/train/real" / pair.name), source);
  EXPECT_EQ(read_image(folder_ / "out/train/fake" / pair.name), blend.picture);
  EXPECT_EQ(read_image(folder_ / "out/masks/train" / pair.name), blend.mask);
}

TEST_F(Blend, Refuses) {
  EXPECT_THROW(write_blended_dataset(folder_ / "nothing", folder_ / "out", options()), Error);
  fs::create_directories(folder_ / "empty");
  EXPECT_THROW(write_blended_dataset(folder_ / "empty", folder_ / "out", options()), Error);
  EXPECT_THROW(write_blended_dataset(folder_ / "real", folder_ / "real", options()), Error);
  test::put_file(folder_ / "real/bad.jpg", std::vector<std::byte>(100));
  BlendOptions all = options();
  all.split = blend_split_from_text("13,0,0");
  try {
    write_blended_dataset(folder_ / "real", folder_ / "out", all);
    FAIL();
  } catch (const Error& error) {
    EXPECT_NE(std::string(error.what()).find("bad.jpg"), std::string::npos) << error.what();
    EXPECT_EQ(error.kind(), ErrorKind::kData);
  }
  EXPECT_TRUE(fs::is_empty(folder_ / "out")) << "the corrected command must be able to use the folder";
}

}  // namespace
}  // namespace sepia
