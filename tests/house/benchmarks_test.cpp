// Every kernel has a benchmark, and every benchmark compares with the reference before it times.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <regex>
#include <string>
#include <vector>

#include "tests/support/files.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

TEST(Benchmarks, EveryKernelIsComparedWithTheReferenceAndTimed) {
  const fs::path root = SEPIA_SOURCE_DIR;
  std::string benchmarks;
  for (const auto& entry : fs::directory_iterator(root / "bench")) {
    if (entry.path().string().ends_with("_bench.cpp")) benchmarks += bytes_of(entry.path());
  }
  static const std::regex kEntry(R"(X\(([a-z0-9_]+), [A-Za-z0-9]+\))");
  const std::string lists = bytes_of(root / "kernels/op_list.h");
  const auto fused = static_cast<std::ptrdiff_t>(lists.find("SEPIA_FUSED_KERNELS"));  // the reference has none of those
  int kernels = 0;
  for (std::sregex_iterator entry(lists.begin(), lists.end(), kEntry), end; entry != end; ++entry) {
    const std::string name = (*entry)[1];
    ++kernels;
    for (const char* backend : {"cpu", "reference"}) {
      if (backend == std::string("reference") && entry->position() > fused) continue;
      const std::regex call(std::string(backend) + "::" + name + "(<[a-z]+>)?\\(");
      EXPECT_TRUE(std::regex_search(benchmarks, call)) << "no program of bench/ calls " << backend << "::" << name;
    }
  }
  EXPECT_GT(kernels, 30);
}

}  // namespace
}  // namespace sepia::test
