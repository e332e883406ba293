#include "data/faces_dataset.h"

#include <gtest/gtest.h>

#include <fstream>
#include <functional>
#include <thread>

#include "data/image_read.h"
#include "data/image_write.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "tests/data/test_pictures.h"
#include "tests/support/real_faces.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;

void put(const fs::path& path, std::uint32_t variant = 0, int side = 16) {
  test::put_file(path, encode_png(test::make_picture(side, side, variant)));
}

Error refusal(const std::function<void()>& make) {
  try {
    make();
  } catch (const Error& error) {
    return error;
  }
  ADD_FAILURE() << "no error";
  return {ErrorKind::kInternal, ""};
}

bool mentions(const Error& error, const std::string& text) { return std::string(error.what()).find(text) != std::string::npos; }

TEST(FacesDataset, ListsInByteOrderWithLabels) {
  const test::TemporaryFolder root;
  for (const char* name : {"train/real/b.png", "train/real/a10.png", "train/real/a9.png", "train/fake/Z.PNG", "train/fake/\xc3\xa9.png",
                           "train/fake/m.JPEG"}) {
    put(root / name);
  }
  const FacesDataset dataset(root.path(), "train", {.image_size = 16});
  const std::vector<std::string> expected = {"train/fake/Z.PNG",     "train/fake/m.JPEG",  "train/fake/\xc3\xa9.png",
                                             "train/real/a10.png", "train/real/a9.png", "train/real/b.png"};
  ASSERT_EQ(dataset.size(), expected.size());
  for (std::size_t i = 0; i < expected.size(); ++i) {
    EXPECT_EQ(dataset.path(i), expected[i]);
    EXPECT_EQ(dataset.label(i), i < 3 ? kFake : kReal);
  }
  EXPECT_EQ(dataset.count(kReal), 3u);
  EXPECT_EQ(dataset.count(kFake), 3u);
}

TEST(FacesDataset, ReadsLazilyAndResizes) {
  const test::TemporaryFolder root;
  put(root / "train/real/a.png", 1, 40);
  put(root / "train/fake/b.png", 2, 16);
  std::ofstream(root / "train/fake/broken.png") << "not a picture";
  const FacesDataset dataset(root.path(), "train", {.image_size = 16});
  ASSERT_EQ(dataset.size(), 3u);
  EXPECT_EQ(dataset.at(0).image, test::make_picture(16, 16, 2));
  EXPECT_EQ(dataset.at(0).label, kFake);
  EXPECT_EQ(dataset.at(2).image, resize_and_crop(test::make_picture(40, 40, 1), 16));
  const Error error = refusal([&] { dataset.at(1); });
  EXPECT_EQ(error.kind(), ErrorKind::kData);
  EXPECT_TRUE(mentions(error, "train/fake/broken.png")) << error.what();
  EXPECT_THROW(dataset.at(3), std::out_of_range);
}

TEST(FacesDataset, OtherFilesAreSetAside) {
  const test::TemporaryFolder root;
  put(root / "train/real/a.png");
  put(root / "train/fake/b.png");
  put(root / "train/fake/.hidden.png");
  put(root / "train/fake/sub/c.png");
  fs::create_directory(root / "train/real/folder.png");
  std::ofstream(root / "train/real/notes.txt") << "x";
  fs::create_symlink("..", root / "train/real/loop");  // a folder that contains itself
  fs::create_symlink("self.png", root / "train/real/self.png");
  const FacesDataset dataset(root.path(), "train", {.image_size = 16});
  EXPECT_EQ(dataset.ignored(), (std::vector<std::string>{"train/fake/.hidden.png", "train/fake/sub", "train/real/folder.png",
                                                         "train/real/loop", "train/real/notes.txt"}));
  ASSERT_EQ(dataset.size(), 3u);
  EXPECT_EQ(refusal([&] { dataset.at(2); }).kind(), ErrorKind::kPath) << "a link to itself is listed, and named when read";
}

TEST(FacesDataset, WrongCaseFoldersNameTheRemedy) {
  const test::TemporaryFolder root;
  put(root / "train/Real/a.png");
  put(root / "train/FAKE/b.png");
  const Error error = refusal([&] { FacesDataset(root.path(), "train"); });
  EXPECT_EQ(error.kind(), ErrorKind::kData);
  EXPECT_TRUE(mentions(error, "has 'FAKE','Real'; expected real/ and fake/. Try --class-map real=Real,fake=FAKE")) << error.what();
  const FacesDataset dataset(root.path(), "train", {.image_size = 16, .real_folder = "Real", .fake_folder = "FAKE"});
  EXPECT_EQ(dataset.count(kReal), 1u);
  EXPECT_EQ(dataset.label(0), kFake);
}

TEST(FacesDataset, MissingFoldersAndClasses) {
  const test::TemporaryFolder root;
  put(root / "train/real/a.png");
  fs::create_directories(root / "val/real");
  put(root / "val/fake/a.png");
  put(root / "test/pictures/a.png");
  put(root / "odd/real/a.png");
  put(root / "odd/Fake/a.png");
  EXPECT_EQ(refusal([&] { FacesDataset(root / "nowhere", "train"); }).kind(), ErrorKind::kPath);
  EXPECT_EQ(refusal([&] { FacesDataset(root.path(), "dev"); }).kind(), ErrorKind::kPath);
  const Error no_fake = refusal([&] { FacesDataset(root.path(), "train"); });
  EXPECT_EQ(no_fake.kind(), ErrorKind::kData);
  EXPECT_TRUE(mentions(no_fake, "has 'real'; expected")) << no_fake.what();
  const Error empty_class = refusal([&] { FacesDataset(root.path(), "val"); });
  EXPECT_EQ(empty_class.kind(), ErrorKind::kData);
  EXPECT_TRUE(mentions(empty_class, "val/real has no pictures")) << empty_class.what();
  EXPECT_EQ(refusal([&] { FacesDataset(root.path(), "test"); }).kind(), ErrorKind::kData);

  const FacesDatasetOptions lenient{.image_size = 16, .classes = FacesDatasetOptions::Classes::kAny};
  EXPECT_EQ(FacesDataset(root.path(), "train", lenient).size(), 1u);
  EXPECT_EQ(FacesDataset(root.path(), "val", lenient).count(kReal), 0u);
  EXPECT_THROW(FacesDataset(root.path(), "test", lenient), Error);
  EXPECT_THROW(FacesDataset(root.path(), "odd", lenient), Error) << "'Fake' is a spelling mistake, not an absent class";

  const FacesDatasetOptions real_alone{.image_size = 16, .classes = FacesDatasetOptions::Classes::kOnlyReal};
  EXPECT_EQ(FacesDataset(root.path(), "train", real_alone).size(), 1u);
  EXPECT_THROW(FacesDataset(root.path(), "val", real_alone), Error) << "val/real is empty";

  EXPECT_TRUE(has_split(root.path(), "train"));
  EXPECT_FALSE(has_split(root.path(), "dev"));
  EXPECT_THROW(has_split(root / "nowhere", "train"), Error);
}

TEST(FacesDataset, CacheGivesTheSamePicturesWithinItsBudget) {
  const test::TemporaryFolder root;
  for (std::uint32_t i = 0; i < 8; ++i) put(root / ("train/" + std::string(i % 2 ? "real/" : "fake/") + std::to_string(i) + ".png"), i);
  const std::uint64_t one = 16 * 16 * 3;
  const FacesDataset plain(root.path(), "train", {.image_size = 16});
  const FacesDataset cached(root.path(), "train", {.image_size = 16, .cache_bytes = 5 * one});
  const auto read_all = [&] {
    for (std::size_t i = 0; i < cached.size(); ++i) EXPECT_EQ(cached.at(i).image, plain.at(i).image);
  };
  std::vector<std::thread> threads;
  for (int t = 0; t < 3; ++t) threads.emplace_back(read_all);
  for (auto& thread : threads) thread.join();
  // Five pictures are held; the other three are read from the disk each time.
  for (std::size_t i = 0; i < plain.size(); ++i) fs::remove(plain.full_path(i));
  int held = 0;
  for (std::size_t i = 0; i < cached.size(); ++i) {
    try {
      held += cached.show(i, {}, [&](const Image& shown) { EXPECT_EQ(shown, cached.at(i).image); }) == plain.label(i);
    } catch (const Error&) {
    }
  }
  EXPECT_EQ(held, 5);
}

TEST(FacesDataset, RealFaces) {
  SEPIA_NEED_REAL_FACES();
  const FacesDataset dataset(test::real_faces_dir() / "synthetic", "val");
  EXPECT_EQ(dataset.count(kReal), 25u);
  EXPECT_EQ(dataset.count(kFake), 25u);
  EXPECT_TRUE(dataset.ignored().empty());
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    const Image image = dataset.at(i).image;
    EXPECT_EQ(image.width, 256);
    EXPECT_EQ(image.height, 256);
  }
}

}  // namespace
}  // namespace sepia
