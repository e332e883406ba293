// The library as another project meets it: installed, found by CMake, built against, run.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "tests/support/run_command.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

CommandResult must_run(const std::vector<std::string>& words) {
  CommandResult result = run_program(words);
  EXPECT_EQ(result.exit_code, 0) << words.front() << " " << words.back() << "\n" << result.out << result.err;
  return result;
}

TEST(Install, AnotherProjectBuildsItsOwnNetworkAndTrainsIt) {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  GTEST_SKIP() << "the library was built with a sanitizer, which another project would have to link too";
#endif
  const TemporaryFolder folder;
  const std::string prefix = folder.path() / "prefix", build = folder.path() / "build";
  must_run({"cmake", "--install", SEPIA_BINARY_DIR, "--prefix", prefix});
  // A copy of the example, so that nothing of this tree is near it.
  fs::copy(fs::path(SEPIA_SOURCE_DIR) / "examples/own_network", folder.path() / "source", fs::copy_options::recursive);
  must_run({"cmake", "-S", folder.path() / "source", "-B", build, "-G", "Ninja", "-DCMAKE_BUILD_TYPE=Release", "-DCMAKE_CXX_FLAGS=-Wall -Wextra -Werror",
            "-DCMAKE_PREFIX_PATH=" + prefix});
  must_run({"cmake", "--build", build});
  const CommandResult run = must_run({build + "/own_network"});
  EXPECT_THAT(run.out, HasSubstr("loss on unseen pictures 0."));

  const CommandResult version = must_run({prefix + "/bin/sepia", "--version"});
  EXPECT_THAT(version.out, HasSubstr("sepia "));
}

TEST(Install, InstalledHeadersNeedNothingElse) {
  const TemporaryFolder folder;
  const fs::path prefix = folder.path() / "prefix";
  must_run({"cmake", "--install", SEPIA_BINARY_DIR, "--prefix", prefix});
  const fs::path root = prefix / "include/sepia";
  std::ofstream source(folder.path() / "all.cpp");
  int headers = 0;
  for (const auto& entry : fs::recursive_directory_iterator(root)) {
    if (entry.path().extension() != ".h") continue;
    source << "#include \"" << fs::relative(entry.path(), root).generic_string() << "\"\n";
    ++headers;
  }
  source.close();
  EXPECT_GT(headers, 30);
  must_run({"g++", "-std=c++20", "-fsyntax-only", "-Wall", "-Wextra", "-Werror", "-I" + root.string(), folder.path() / "all.cpp"});
}

}  // namespace
}  // namespace sepia::test
