// Faces and fakes that are made of them anew in every epoch.
#include "data/self_blended_dataset.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <set>
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/base/error.h"
#include "tests/data/test_pictures.h"

namespace sepia {
namespace {

/// Three real pictures, held in memory.
class Faces final : public Dataset {
 public:
  std::size_t size() const override { return 3; }
  Sample at(std::size_t i) const override {
    Image image = test::make_picture(64, 64);
    std::rotate(image.rgb.begin(), image.rgb.begin() + static_cast<std::ptrdiff_t>(i * 192), image.rgb.end());
    return {image, kReal};
  }
  int label(std::size_t) const override { return kReal; }
  std::string path(std::size_t i) const override { return "train/real/" + std::to_string(i) + ".png"; }
  int image_size() const override { return 64; }
};

double mean_difference(const Image& a, const Image& b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.rgb.size(); ++i) sum += std::abs(a.rgb[i] - b.rgb[i]);
  return sum / static_cast<double>(a.rgb.size());
}

TEST(SelfBlendedDataset, HoldsEachFaceAndAFakeOfIt) {
  const SelfBlendedDataset pictures(std::make_unique<Faces>());
  ASSERT_EQ(pictures.size(), 6U);
  for (std::size_t i = 0; i < 6; ++i) {
    EXPECT_EQ(pictures.label(i), i < 3 ? kReal : kFake);
    EXPECT_EQ(pictures.at(i).label, pictures.label(i));
  }
  EXPECT_EQ(pictures.path(1), "train/real/1.png");
  EXPECT_EQ(pictures.path(4), "train/real/1.png blended with itself");
  EXPECT_THROW(pictures.at(6), Error);
  EXPECT_THROW(pictures.label(6), Error);
}

TEST(SelfBlendedDataset, MakesAnotherFakeInEveryEpochAndTheSameOneForTheSameKey) {
  const SelfBlendedDataset pictures(std::make_unique<Faces>());
  const auto fake = [&](std::uint64_t seed, std::uint32_t epoch) { return pictures.draw(4, {seed, epoch, 4}).image; };
  EXPECT_EQ(fake(7, 1), fake(7, 1));
  const Image real = pictures.draw(1, {7, 1, 1}).image;
  std::set<std::string> different;
  const auto bytes = [](const Image& image) { return std::string(image.rgb.begin(), image.rgb.end()); };
  for (std::uint32_t epoch = 1; epoch <= 8; ++epoch) {
    different.insert(bytes(fake(7, epoch)));
    EXPECT_GT(mean_difference(fake(7, epoch), real), 0.5) << "no forgery, epoch " << epoch;
  }
  different.insert(bytes(fake(8, 1)));
  EXPECT_EQ(different.size(), 9U);
  EXPECT_EQ(pictures.draw(1, {7, 1, 1}).image, pictures.draw(1, {7, 2, 1}).image) << "a real face stays";
  EXPECT_LT(mean_difference(real, Faces().at(1).image), 6) << "but for its JPEG";
}

TEST(SelfBlendedDataset, ALoaderGivesTheSamePixelsForAnyNumberOfThreads) {
  const SelfBlendedDataset pictures(std::make_unique<Faces>());
  const auto pass = [&](int workers, std::uint32_t epoch) {
    Loader loader(pictures, {.batch_size = 4, .shuffle = true, .seed = 3, .epoch = epoch, .augment = Augment::kDocument, .workers = workers});
    std::vector<std::uint8_t> pixels;
    for (Batch batch; loader.next(batch);) pixels.insert(pixels.end(), batch.pixels.begin(), batch.pixels.end());
    return pixels;
  };
  const std::vector<std::uint8_t> alone = pass(0, 1);
  EXPECT_EQ(alone.size(), 6U * 64 * 64 * 3);
  EXPECT_EQ(pass(3, 1), alone);
  EXPECT_NE(pass(0, 2), alone);
}

}  // namespace
}  // namespace sepia
