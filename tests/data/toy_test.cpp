#include "data/toy.h"

#include <gtest/gtest.h>

#include <map>
#include <set>

#include "data/check.h"
#include "data/dataset.h"
#include "data/image_read.h"
#include "data/toy_paint.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;

std::string pixels_hash(const Image& image) { return sha256_hex(std::as_bytes(std::span(image.rgb))); }

// The pixels themselves, so that another compiler, machine or optimisation level that draws otherwise is found out.
TEST(Toy, SamePixelsEverywhere) {
  EXPECT_EQ(pixels_hash(toy_picture(1, "train", kReal, 0)), "8e2eeb0645733af28bb86515e6839a78b5836c21cd3490ae80bb676964a6f769");
  EXPECT_EQ(pixels_hash(toy_picture(1, "train", kFake, 0)), "93df25dd69bff2830ac0af5387fd1ae2263cfccc3b5cc8c979e5e5b069eb776d");
  EXPECT_EQ(pixels_hash(toy_picture(7, "test", kFake, 23)), "5db64464cae8426ef027c667a0346f3205681a12930d6bff60c9707f37cf6332");
}

TEST(Toy, PicturesDifferBySeedSplitClassAndIndex) {
  std::set<std::string> hashes;
  for (const std::uint64_t seed : {1u, 2u}) {
    for (const char* split : {"train", "val", "test"}) {
      for (const int label : {kReal, kFake}) {
        for (const std::uint32_t index : {0u, 1u}) hashes.insert(pixels_hash(toy_picture(seed, split, label, index)));
      }
    }
  }
  EXPECT_EQ(hashes.size(), 24u);
  EXPECT_THROW(toy_picture(1, "dev", kReal, 0), Error);
}

TEST(Toy, DataSetIsCompleteCleanAndTheSameForAnyNumberOfThreads) {
  const test::TemporaryFolder folder;
  write_toy_dataset(folder / "a", {.train_per_class = 5, .val_per_class = 2, .test_per_class = 3, .threads = 1});
  write_toy_dataset(folder / "b", {.train_per_class = 5, .val_per_class = 2, .test_per_class = 3, .threads = 3});
  const CheckReport a = check_dataset(folder / "a"), b = check_dataset(folder / "b");
  EXPECT_TRUE(a.findings.empty()) << check_text(a);
  ASSERT_EQ(a.splits.size(), 3u);
  EXPECT_EQ(a.splits[0].n_real, 5u);
  EXPECT_EQ(a.splits[2].n_fake, 3u);
  for (std::size_t i = 0; i < 3; ++i) EXPECT_EQ(a.splits[i].fingerprint, b.splits[i].fingerprint);
  EXPECT_TRUE(is_toy_dataset(folder / "a"));
  EXPECT_FALSE(is_toy_dataset(folder.path()));
  EXPECT_EQ(read_image(folder / "a/train/fake/0004.png"), toy_picture(1, "train", kFake, 4));
}

TEST(Toy, RefusesAFolderInUseAndCountsOutOfRange) {
  const test::TemporaryFolder folder;
  write_file_atomic(folder / "used", std::string_view("x"));
  const auto kind_of = [](const fs::path& out, const ToyOptions& options) {
    try {
      write_toy_dataset(out, options);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  EXPECT_EQ(kind_of(folder.path(), {}), ErrorKind::kUsage);
  EXPECT_EQ(kind_of(folder / "used", {}), ErrorKind::kUsage);
  EXPECT_EQ(kind_of(folder / "used/inside", {}), ErrorKind::kPath);
  EXPECT_EQ(kind_of(folder / "new", {.train_per_class = 200'000}), ErrorKind::kUsage);
  EXPECT_EQ(kind_of(folder / "new", {.train_per_class = 0, .val_per_class = 0, .test_per_class = 0}), ErrorKind::kUsage);
  EXPECT_FALSE(fs::exists(folder / "new"));
}

// Brightness and contrast of a whole picture must not tell fake from real: the AUC of each alone stays near 1/2. (Fine detail may:
// it is what a detector is to find.)
TEST(Toy, NoGlobalMeasureGivesTheAnswerAway) {
  constexpr std::uint32_t kCount = 40;
  std::map<std::string, std::vector<double>> values[kClassCount];
  for (const int label : {kReal, kFake}) {
    for (std::uint32_t i = 0; i < kCount; ++i) {
      const Image image = toy_picture(5, "train", label, i);
      double sum = 0, square = 0;
      for (std::size_t k = 0; k < image.rgb.size(); ++k) {
        sum += image.rgb[k];
        square += double(image.rgb[k]) * image.rgb[k];
      }
      values[label]["brightness"].push_back(sum);
      values[label]["contrast"].push_back(square - sum * sum / double(image.rgb.size()));
    }
  }
  for (const auto& [name, real] : values[kReal]) {
    double won = 0;
    for (const double f : values[kFake][name]) {
      for (const double r : real) won += f > r ? 1 : 0;
    }
    EXPECT_NEAR(won / (kCount * kCount), 0.5, 0.25) << name;
  }
}

TEST(ToyPaint, IntegerSquareRoot) {
  for (std::int64_t n = 0; n < 5000; ++n) {
    const std::int64_t root = detail::integer_sqrt(n);
    EXPECT_TRUE(root * root <= n && (root + 1) * (root + 1) > n) << n;
  }
  EXPECT_EQ(detail::integer_sqrt((std::int64_t{1} << 40) + 5), 1 << 20);
}

TEST(ToyPaint, EllipseAndStrokeCover) {
  const detail::Ellipse ellipse{0, 0, 320, 160, 16};
  EXPECT_EQ(ellipse.coverage({0, 0}), 256);
  EXPECT_EQ(ellipse.coverage({400, 0}), 0);
  EXPECT_EQ(ellipse.coverage({0, 200}), 0);
  EXPECT_NEAR(ellipse.coverage({320, 0}), 128, 8);
  const detail::Point line[] = {{0, 0}, {160, 0}};
  const detail::Stroke stroke{line, 32, 16};
  EXPECT_EQ(stroke.coverage({80, 0}), 256);
  EXPECT_NEAR(stroke.coverage({80, 32}), 128, 8);
  EXPECT_EQ(stroke.coverage({80, 60}), 0);
  EXPECT_NEAR(stroke.coverage({192, 0}), 128, 8) << "round ends";
}

}  // namespace
}  // namespace sepia
