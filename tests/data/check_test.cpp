#include "data/check.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

#include "data/image_write.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "tests/data/test_pictures.h"
#include "tests/support/real_faces.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

/// A picture of coarse random blocks: every variant looks different.
Image block_picture(std::uint32_t variant, int side = 64) {
  RandomStream random(77, RandomPurpose::kTest, variant);
  Image small(8, 8);
  for (auto& v : small.rgb) v = static_cast<std::uint8_t>(random.below(256));
  return resize(small, side, side);
}

/// A data set of `per_class` different pictures per class and split, named CLIP_FRAME.jpg.
void make_data_set(const fs::path& root, int per_class = 12) {
  std::uint32_t variant = 0;
  for (const std::string split : {"train", "val", "test"}) {
    for (const std::string kind : {"real", "fake"}) {
      fs::create_directories(root / split / kind);
      for (int i = 0; i < per_class; ++i, ++variant) {
        test::put_file(root / split / kind / ("clip" + std::to_string(variant) + "_0.jpg"), encode_jpeg(block_picture(variant)));
      }
    }
  }
}

TEST(Check, CleanDataSetHasNoFindings) {
  const test::TemporaryFolder root;
  make_data_set(root.path());
  const CheckReport report = check_dataset(root.path(), {.group_by = "clip[0-9]+"});
  EXPECT_THAT(report.findings, IsEmpty());
  ASSERT_EQ(report.splits.size(), 3u);
  EXPECT_EQ(report.splits[0].proportion, "12 fake : 12 real = 1:1 (50.00% fake)");
  EXPECT_EQ(report.groups.groups, 72u);
  EXPECT_NE(report.splits[0].fingerprint, report.splits[1].fingerprint);
}

// F12: planted duplicates across splits, exact, re-encoded and of the same video, are all found, and nothing else is.
TEST(Check, FindsPlantedDuplicates) {
  const test::TemporaryFolder root;
  make_data_set(root.path());
  fs::copy_file(root / "train/real/clip3_0.jpg", root / "test/real/other_0.jpg");
  fs::copy_file(root / "train/fake/clip13_0.jpg", root / "train/real/again_0.jpg");
  test::put_file(root / "val/fake/saved_0.jpg", encode_jpeg(block_picture(14), {.quality = 60}));  // clip14 is in train/fake
  test::put_file(root / "test/fake/scaled_0.png", encode_png(resize(block_picture(15), 32, 32)));  // so is clip15
  test::put_file(root / "val/real/clip1_9.jpg", encode_jpeg(block_picture(1000)));                 // another frame of clip1 in train
  const CheckReport report = check_dataset(root.path(), {.group_by = "(clip[0-9]+)_"});

  ASSERT_EQ(report.exact.size(), 2u);
  EXPECT_EQ(report.exact[0].paths, (std::vector<std::string>{"test/real/other_0.jpg", "train/real/clip3_0.jpg"}));
  EXPECT_TRUE(report.exact[0].across_splits);
  EXPECT_FALSE(report.exact[0].across_classes);
  EXPECT_EQ(report.exact[1].paths, (std::vector<std::string>{"train/fake/clip13_0.jpg", "train/real/again_0.jpg"}));
  EXPECT_FALSE(report.exact[1].across_splits);
  EXPECT_TRUE(report.exact[1].across_classes);

  ASSERT_EQ(report.near.size(), 2u);
  for (const auto& pair : report.near) {
    EXPECT_LE(pair.distance, 20);
    if (pair.first.ends_with("clip14_0.jpg")) {
      EXPECT_EQ(pair.second, "val/fake/saved_0.jpg");
    } else {
      EXPECT_EQ(pair.first, "train/fake/clip15_0.jpg");
      EXPECT_EQ(pair.second, "test/fake/scaled_0.png");
    }
  }

  ASSERT_EQ(report.groups.shared.size(), 1u);
  EXPECT_EQ(report.groups.shared[0].name, "clip1");
  EXPECT_EQ(report.groups.unmatched, 4u);
  EXPECT_THAT(report.findings, Contains(HasSubstr("in more than one split, byte for byte: 1 picture")));
  EXPECT_THAT(report.findings, Contains(HasSubstr("in both classes, byte for byte: 1 picture")));
  EXPECT_THAT(report.findings, Contains(HasSubstr("looking the same in two splits: 2 pairs")));
  EXPECT_THAT(report.findings, Contains(HasSubstr("groups are in more than one split, the first: clip1")));
}

TEST(Check, UnreadableFilesAreNamedAndCounted) {
  const test::TemporaryFolder root;
  make_data_set(root.path(), 3);
  std::ofstream(root / "train/real/empty.jpg").close();
  std::ofstream(root / "train/real/text.png") << "words";
  std::ofstream(root / "val/fake/notes.txt") << "words";
  const auto whole = read_file(root / "test/fake/clip15_0.jpg", 1 << 20);
  write_file_atomic(root / "test/fake/clip15_0.jpg", std::span(whole).first(whole.size() / 2));
  const CheckReport report = check_dataset(root.path());
  ASSERT_EQ(report.splits[0].unreadable.size(), 2u);
  EXPECT_THAT(report.splits[0].unreadable[0].error, HasSubstr("train/real/empty.jpg: the file is empty"));
  ASSERT_EQ(report.splits[2].unreadable.size(), 1u);
  EXPECT_THAT(report.splits[2].unreadable[0].error, HasSubstr("test/fake/clip15_0.jpg: JPEG truncated"));
  EXPECT_EQ(report.splits[1].ignored, std::vector<std::string>{"val/fake/notes.txt"});
  EXPECT_THAT(report.findings, Contains(HasSubstr("train: 2 of 8 files cannot be read")));
}

TEST(Check, SaysWhenTheFilesGiveTheAnswerAway) {
  const test::TemporaryFolder root;
  make_data_set(root.path());
  for (std::uint32_t i = 0; i < 40; ++i) {
    const std::string name = "new" + std::to_string(i);
    test::put_file(root / ("train/real/" + name + ".jpg"), encode_jpeg(block_picture(2000 + i), {.quality = 95}));
    test::put_file(root / ("train/fake/" + name + ".jpg"), encode_jpeg(block_picture(3000 + i), {.quality = 75}));
  }
  const CheckReport report = check_dataset(root.path());
  EXPECT_THAT(report.findings, Contains(HasSubstr("jpeg_quality alone tells fake from real")));
  EXPECT_THAT(report.findings, Not(Contains(HasSubstr("width alone"))));
}

TEST(ClassDifferences, AreaUnderCurveByHand) {
  // Fakes are 10, 20, 20 wide, reals 10, 10, 5: of nine pairs fake is wider in 7 and equal in 2.
  std::vector<FileRecord> files(6);
  const int widths[] = {10, 20, 20, 10, 10, 5};
  std::vector<const FileRecord*> pointers;
  for (std::size_t i = 0; i < files.size(); ++i) {
    files[i].label = i < 3 ? kFake : kReal;
    files[i].facts = {ImageFormat::kPng, widths[i], 10, 0};
    files[i].bytes = 100;
    pointers.push_back(&files[i]);
  }
  const auto differences = find_class_differences(pointers);
  ASSERT_EQ(differences.size(), 4u) << "no JPEG quality among PNGs";
  EXPECT_EQ(differences[1].fact, "width");
  EXPECT_DOUBLE_EQ(differences[1].auc, (7 + 0.5 * 2) / 9);
  EXPECT_DOUBLE_EQ(differences[1].chance_error, std::sqrt(7.0 / 108));
  EXPECT_FALSE(differences[1].gives_away) << "six files prove nothing";
  EXPECT_EQ(differences[1].real, "10 67%, 5 33%");
  EXPECT_DOUBLE_EQ(differences[0].auc, 0.5) << "all PNG";
  pointers.resize(3);
  EXPECT_TRUE(find_class_differences(pointers).empty()) << "one class";
}

TEST(Check, ProportionSentences) {
  EXPECT_EQ(proportion_sentence(700, 1400), "700 fake : 1400 real = 1:2 (33.33% fake)");
  EXPECT_EQ(proportion_sentence(552, 551), "552 fake : 551 real = 1.002:1 (50.05% fake)");
  EXPECT_EQ(proportion_sentence(100, 301), "100 fake : 301 real = 1:3.010 (24.94% fake)");
  EXPECT_EQ(proportion_sentence(0, 5), "0 fake : 5 real");
  EXPECT_EQ(proportion_sentence(0, 0), "0 fake : 0 real");
}

TEST(Check, FingerprintIsOfContentsAndClasses) {
  const auto record = [](std::string path, std::string hash, int label) {
    FileRecord r;
    r.path = std::move(path);
    r.sha256 = std::move(hash);
    r.label = label;
    return r;
  };
  const std::vector<FileRecord> files = {record("a", "11", kFake), record("b", "00", kReal)};
  const std::string expected = sha256_hex(std::as_bytes(std::span(std::string_view("00 real\n11 fake\n"))));
  EXPECT_EQ(fingerprint(files), expected);
  EXPECT_EQ(fingerprint({files[1], files[0]}), expected);
  EXPECT_EQ(fingerprint({record("z", "11", kFake), files[1]}), expected);
  EXPECT_NE(fingerprint({record("a", "11", kReal), files[1]}), expected);
}

TEST(Check, ScanWarmsTheCacheAndListsUsableSamples) {
  const test::TemporaryFolder root;
  make_data_set(root.path(), 2);
  std::ofstream(root / "train/fake/bad.jpg") << "words";
  const FacesDataset dataset(root.path(), "train", {.image_size = 32, .cache_bytes = 1 << 20});
  std::size_t last = 0;
  const auto records = scan_files(dataset, {.workers = 3}, [&](std::size_t done) { last = done; });
  EXPECT_EQ(last, 5u);
  EXPECT_EQ(usable_samples(records), (std::vector<std::size_t>{1, 2, 3, 4}));
  const Image expected = resize_and_crop(dataset.at(4).image, 32);
  fs::remove(dataset.full_path(4));
  EXPECT_EQ(dataset.at(4).image, expected);
  const auto hashes_only = scan_files(FacesDataset(root.path(), "val"), {.decode = false});
  EXPECT_EQ(hashes_only[0].sha256.size(), 64u);
  EXPECT_EQ(hashes_only[0].facts.width, 0);
}

TEST(Check, JsonAndText) {
  const test::TemporaryFolder root;
  make_data_set(root.path(), 3);
  fs::copy_file(root / "train/real/clip1_0.jpg", root / "val/real/<b>\xff.jpg");
  fs::remove_all(root / "test/fake");
  const CheckReport report = check_dataset(root.path(), {.workers = 1});
  const auto json = nlohmann::json::parse(check_json(report));
  EXPECT_EQ(json["splits"]["train"]["n_fake"], 3);
  EXPECT_EQ(json["splits"]["test"]["n_fake"], 0);
  EXPECT_EQ(json["splits"]["train"]["fingerprint"].get<std::string>().size(), 64u);
  EXPECT_EQ(json["exact_duplicates"].size(), 1u);
  EXPECT_TRUE(json["groups"].is_null());
  EXPECT_TRUE(json["groups_reason"].is_string());
  EXPECT_EQ(json["findings"].size(), report.findings.size());
  EXPECT_THAT(report.findings, Contains("test has no fake pictures"));
  EXPECT_THAT(check_text(report), HasSubstr("3 fake : 3 real = 1:1"));
}

TEST(Check, Refusals) {
  const test::TemporaryFolder root;
  const auto kind_of = [&](const fs::path& path, const CheckOptions& options) {
    try {
      check_dataset(path, options);
    } catch (const Error& error) {
      return error.kind();
    }
    return ErrorKind::kInternal;
  };
  EXPECT_EQ(kind_of(root.path(), {}), ErrorKind::kPath);
  EXPECT_EQ(kind_of(root / "missing", {}), ErrorKind::kPath);
  EXPECT_EQ(kind_of(root.path(), {.group_by = "(["}), ErrorKind::kUsage);
  fs::create_directories(root / "train/Real");
  fs::create_directories(root / "train/FAKE");
  EXPECT_EQ(kind_of(root.path(), {}), ErrorKind::kData);
}

TEST(Check, DifferentRealFacesDoNotLookTheSame) {
  SEPIA_NEED_REAL_FACES();
  const CheckReport report = check_dataset(test::real_faces_dir() / "synthetic");
  EXPECT_THAT(report.findings, IsEmpty());
}

}  // namespace
}  // namespace sepia
