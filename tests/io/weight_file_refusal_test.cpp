// RELIABILITY F9 and F10: hostile weight files are refused with the reason, in one line, whatever is wrong with them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/io/weight_file.h"
#include "tests/io/support/hostile_files.h"
#include "tests/support/temporary_folder.h"

namespace sepia {
namespace {

namespace fs = std::filesystem;

std::string golden_bytes(const std::string& name) {
  std::ifstream file(fs::path(SEPIA_SOURCE_DIR) / "tests/golden/weight_files" / name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// What the reader says of these bytes in a file; "accepted" when it takes them. Any other exception ends the test.
std::string answer(const fs::path& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
  try {
    const WeightFile file = read_weight_file(path);
    std::size_t total = 0;
    for (const FileTensor& tensor : file.tensors) total += tensor.data.size();
    EXPECT_LE(total, 2 * bytes.size());
    return "accepted";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
    const std::string message = error.what();
    EXPECT_EQ(message.find('\n'), std::string::npos) << message;
    EXPECT_LT(message.size(), 700U) << message;
    return message;
  }
}

class WeightFileRefusal : public ::testing::TestWithParam<test::HostileFile> {};

TEST_P(WeightFileRefusal, SaysWhyInOneLine) {
  const test::TemporaryFolder folder;
  const std::string message = answer(folder / "x.pth", GetParam().bytes);
  EXPECT_THAT(message, ::testing::HasSubstr(GetParam().reason));
  EXPECT_THAT(message, ::testing::StartsWith((folder / "x.pth").string() + ": "));
}

INSTANTIATE_TEST_SUITE_P(Torch, WeightFileRefusal, ::testing::ValuesIn(test::hostile_torch_files()),
                         [](const ::testing::TestParamInfo<test::HostileFile>& info) { return info.param.name; });
INSTANTIATE_TEST_SUITE_P(Hdf5, WeightFileRefusal, ::testing::ValuesIn(test::hostile_hdf5_files(golden_bytes("keras3.weights.h5"))),
                         [](const ::testing::TestParamInfo<test::HostileFile>& info) { return info.param.name; });

TEST(WeightFileTruncation, EveryHundredthIsRefused) {
  const test::TemporaryFolder folder;
  int refused = 0, tried = 0;
  for (const char* name : {"zip.pth", "legacy.pth", "checkpoint.pth", "keras3.weights.h5", "tf_keras.h5"}) {
    const std::string whole = golden_bytes(name);
    for (std::size_t hundredth = 0; hundredth < 100; ++hundredth) {
      const std::string said = answer(folder / name, whole.substr(0, whole.size() * hundredth / 100));
      EXPECT_NE(said, "accepted") << name << " cut to " << hundredth << "%";
      refused += said != "accepted";
      ++tried;
    }
  }
  std::cout << refused << " of " << tried << " truncated files refused\n";
}

/// Flips and overwrites bytes; what is accepted must be sound, which `answer` checks.
void mutate(const char* name, int mutations) {
  const test::TemporaryFolder folder;
  const std::string whole = golden_bytes(name);
  int refused = 0;
  for (int i = 0; i < mutations; ++i) {
    RandomStream random(17, RandomPurpose::kTest, static_cast<std::uint32_t>(i));
    std::string bytes = whole;
    for (std::uint32_t edits = 1 + random.below(6); edits > 0; --edits) {
      const std::size_t at = random.below(static_cast<std::uint32_t>(bytes.size()));
      bytes[at] = random.below(2) != 0 ? static_cast<char>(random.below(256)) : static_cast<char>(bytes[at] ^ (1 << random.below(8)));
    }
    refused += answer(folder / "x.bin", bytes) != "accepted";
  }
  std::cout << name << ": " << refused << " of " << mutations << " mutations refused, the others sound\n";
}

TEST(WeightFileMutation, Zip) { mutate("zip.pth", 2000); }
TEST(WeightFileMutation, Legacy) { mutate("legacy.pth", 2000); }
TEST(WeightFileMutation, Keras3) { mutate("keras3.weights.h5", 150); }
TEST(WeightFileMutation, TfKeras) { mutate("tf_keras.h5", 150); }

TEST(WeightFilePath, WhatIsNoFileIsAPathError) {
  const test::TemporaryFolder folder;
  for (const fs::path& path : {folder / "missing.pth", folder.path()}) {
    try {
      read_weight_file(path);
      FAIL() << path;
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kPath);
    }
  }
}

}  // namespace
}  // namespace sepia
