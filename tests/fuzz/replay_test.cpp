// Every file of the corpora, whole and cut at each byte, through its fuzz target: what a fuzzer once needed stays found.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <vector>

#include "tests/fuzz/targets.h"

namespace sepia::fuzz {
namespace {

namespace fs = std::filesystem;

std::vector<char> bytes_of(const fs::path& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

class Corpus : public ::testing::TestWithParam<Target> {};

TEST_P(Corpus, IsReadOrRefused) {
  const fs::path folder = fs::path(SEPIA_SOURCE_DIR) / "tests/fuzz/corpus" / GetParam().name;
  int files = 0;
  for (const auto& entry : fs::directory_iterator(folder)) {
    const std::vector<char> bytes = bytes_of(entry.path());
    const auto whole = std::as_bytes(std::span(bytes));
    GetParam().run(whole);
    // A copy of its own for every length: AddressSanitizer then sees a read past its end.
    const std::size_t step = 1 + bytes.size() / 500;
    for (std::size_t length = 0; length < bytes.size(); length += step) {
      const std::vector<std::byte> part(whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length));
      GetParam().run(part);
    }
    ++files;
  }
  EXPECT_GT(files, 0) << folder;
}

INSTANTIATE_TEST_SUITE_P(Fuzz, Corpus, ::testing::ValuesIn(kTargets),
                         [](const ::testing::TestParamInfo<Target>& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sepia::fuzz
