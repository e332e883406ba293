// RELIABILITY F9 and F10 through the command: every hostile weight file ends `sepia convert` with exit code 3 and one line, in little memory.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "tests/io/support/hostile_files.h"
#include "tests/support/run_command.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;

#ifdef __SANITIZE_ADDRESS__
constexpr bool kMemoryCounts = false;  // shadow memory and quarantine are the sanitizer's
#else
constexpr bool kMemoryCounts = true;
#endif

std::string golden(const std::string& name) {
  std::ifstream file(fs::path(SEPIA_SOURCE_DIR) / "tests/golden/weight_files" / name, std::ios::binary);
  EXPECT_TRUE(file.good()) << name;
  return {std::istreambuf_iterator<char>(file), {}};
}

/// Every 1% of these files, from nothing to 99%.
std::vector<HostileFile> truncated_files() {
  std::vector<HostileFile> files;
  for (const char* name : {"zip.pth", "legacy.pth", "checkpoint.pth", "keras3.weights.h5", "tf_keras.h5", "expected.safetensors"}) {
    const std::string whole = golden(name);
    for (std::size_t hundredth = 0; hundredth < 100; ++hundredth) {
      files.push_back({std::string(name) + " cut to " + std::to_string(hundredth) + "%", whole.substr(0, whole.size() * hundredth / 100), ""});
    }
  }
  return files;
}

class ConvertHostile : public ::testing::Test {
 protected:
  void expect_all_refused(const std::string& what, const std::vector<HostileFile>& files) const {
    std::size_t refused = 0;
    const std::string in = folder_ / "x.bin", out = folder_ / "w.safetensors";
    for (const HostileFile& file : files) {
      std::ofstream(in, std::ios::binary) << file.bytes;
      const CommandResult done = run_sepia({"convert", in, out, "--arch", "edgenet"});
      const bool one_line = done.err.starts_with("error: ") && std::count(done.err.begin(), done.err.end(), '\n') == 1;
      const bool right = done.exit_code == 3 && one_line && done.out.empty() && !fs::exists(out);
      EXPECT_TRUE(right) << file.name << ": exit code " << done.exit_code << ", " << done.err;
      refused += right;
    }
    rusage usage{};
    getrusage(RUSAGE_CHILDREN, &usage);  // of the largest process, sepia-read-hdf5 among them
    if (kMemoryCounts) {
      EXPECT_LT(usage.ru_maxrss, 200 * 1024) << "kilobytes";
    }
    std::printf("%s: %zu of %zu refused in one line with exit code 3; the largest process took %ld MB\n", what.c_str(), refused, files.size(),
                usage.ru_maxrss / 1024);
  }

  TemporaryFolder folder_;
};

TEST_F(ConvertHostile, PyTorchFiles) {
  const std::vector<HostileFile> files = hostile_torch_files();
  EXPECT_GE(files.size(), 40u);
  expect_all_refused("PyTorch files", files);
}

TEST_F(ConvertHostile, SafetensorsFiles) { expect_all_refused("safetensors files", hostile_safetensors_files()); }

TEST_F(ConvertHostile, Hdf5Files) { expect_all_refused("HDF5 files", hostile_hdf5_files(golden("keras3.weights.h5"))); }

TEST_F(ConvertHostile, TruncatedFiles) { expect_all_refused("truncated files", truncated_files()); }

}  // namespace
}  // namespace sepia::test
