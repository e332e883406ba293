// What nvcc made of the kernels, without a GPU: nothing spilled, registers and shared memory as in the table beside this file, wide
// loads and stores where the kernels are written for them, tensor cores where they multiply matrices.
//
// Runs on the built libsepia_cuda.so. Where nvcc was absent there is none, and every test here says that it was skipped.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <set>
#include <sstream>

#include "tools/gpu/facts_table.h"

namespace sepia::test {
namespace {

using gpu::FactsTable;
using gpu::KernelFacts;

constexpr const char* kLibrary = SEPIA_CUDA_LIBRARY;  // empty: not built
constexpr const char* kNvccVersion = SEPIA_NVCC_VERSION;
constexpr const char* kArchitectures = SEPIA_CUDA_ARCHITECTURES;
constexpr const char* kDefaultArchitectures = "80-real,90";
constexpr int kMoreRegisters = 4;  ///< a kernel may take so many more than the table says before it has to be looked at

const std::vector<KernelFacts>& kernels() {
  static const std::vector<KernelFacts> facts = gpu::read_kernel_facts(kLibrary);
  return facts;
}

const gpu::ReadTable& table() {
  static const gpu::ReadTable read = [] {
    std::ifstream in(std::string(SEPIA_SOURCE_DIR) + "/tests/cuda_compile/registers.csv");
    std::stringstream text;
    text << in.rdbuf();
    return gpu::read_facts_table(text.str());
  }();
  return read;
}

/// "13.0.88" -> "13.0": what registers depend on.
std::string release(const std::string& version) { return version.substr(0, version.rfind('.')); }

std::string describe(const KernelFacts& k) { return k.file + " " + k.name + " sm_" + std::to_string(k.architecture); }

class CudaCompile : public ::testing::Test {
 protected:
  void SetUp() override {
    if (!*kLibrary) GTEST_SKIP() << "libsepia_cuda.so was not built: nvcc is not here";
  }
};

TEST_F(CudaCompile, NothingSpillsAndNothingLivesOnTheStack) {
  for (const KernelFacts& k : kernels()) {
    EXPECT_EQ(k.stack_bytes, 0) << describe(k);
    EXPECT_EQ(k.local, 0) << describe(k) << ": loads or stores of local memory";
  }
}

TEST_F(CudaCompile, RegistersAndInstructionsAreThoseOfTheTable) {
  if (release(table().nvcc_version) != release(kNvccVersion)) {
    GTEST_SKIP() << "the table is of nvcc " << table().nvcc_version << ", this is " << kNvccVersion;
  }
  const FactsTable built = gpu::table_of(kernels());
  std::string lacking, stale;
  for (const auto& [kernel, line] : built) {
    const auto found = table().lines.find(kernel);
    if (found == table().lines.end()) {
      lacking += gpu::text_of(kernel, line) + "\n";
      continue;
    }
    const gpu::FactsLine& known = found->second;
    EXPECT_LE(line.shared_bytes, known.shared_bytes) << kernel;
    EXPECT_EQ(line.kinds, known.kinds) << kernel << ": other kinds of instructions than the table has";
    for (const auto& [architecture, registers] : line.registers) {
      if (!known.registers.contains(architecture)) continue;  // built for more than the table knows
      EXPECT_LE(registers, known.registers.at(architecture) + kMoreRegisters) << kernel << " sm_" << architecture;
    }
  }
  for (const auto& [kernel, line] : table().lines) {
    if (!built.contains(kernel)) stale += gpu::text_of(kernel, line) + "\n";
  }
  EXPECT_EQ(lacking, "") << "add these lines to tests/cuda_compile/registers.csv, or: cmake --build build --target kernel_facts_table";
  EXPECT_EQ(stale, "") << "take these lines out of tests/cuda_compile/registers.csv: there are no such kernels";
}

/// The kinds of instruction that the kernels of a file have among them, in T = bf16 and in fp32 alike.
std::set<std::string> kinds_in(const std::string& file, bool bf16) {
  std::set<std::string> kinds;
  for (const KernelFacts& k : kernels()) {
    if (k.file != file || (k.name.find("bf16") != std::string::npos) != bf16) continue;
    std::stringstream words(k.kinds());
    for (std::string word; words >> word;) kinds.insert(word);
  }
  return kinds;
}

TEST_F(CudaCompile, StreamingKernelsMoveSixteenBytesAtATime) {
  struct Streams {
    const char* file;
    bool stores;
  };
  // The average pool writes a number per channel and picture; the pools of few channels write half of what they read.
  static constexpr Streams kFiles[] = {{"elementwise.cu", true},    {"batch_norm.cu", true},     {"depthwise_conv.cu", true},
                                       {"depthwise_conv_backward.cu", true}, {"optimizer.cu", true}, {"pooling.cu", true},
                                       {"pooling_average.cu", false}, {"pooling_narrow.cu", false}};
  for (const Streams& streams : kFiles) {
    for (const bool bf16 : {false, true}) {
      SCOPED_TRACE(std::string(streams.file) + (bf16 ? " bf16" : " fp32"));
      const std::set<std::string> kinds = kinds_in(streams.file, bf16);
      EXPECT_TRUE(kinds.contains("ld128") || kinds.contains("async128"));
      EXPECT_TRUE(kinds.contains("st128") || !streams.stores);
    }
  }
}

TEST_F(CudaCompile, MatrixProductsInBf16UseTensorCores) {
  int products = 0;
  for (const KernelFacts& k : kernels()) {
    if (k.name.find("gemm_kernel") == std::string::npos || k.name.find("bf16") == std::string::npos) continue;
    ++products;
    EXPECT_GT(k.tensor_core, 0) << describe(k);
  }
  EXPECT_GT(products, 0);
}

TEST_F(CudaCompile, TheLibraryIsForAmpereAndHopper) {
  std::set<int> architectures;
  for (const KernelFacts& k : kernels()) architectures.insert(k.architecture);
  if (std::string(kArchitectures) != kDefaultArchitectures) GTEST_SKIP() << "configured for " << kArchitectures;
  EXPECT_EQ(architectures, (std::set<int>{80, 90}));
}

}  // namespace
}  // namespace sepia::test
