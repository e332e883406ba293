// The parts of the compile check that need no library: names, the table's text, occupancy.
#include <gtest/gtest.h>

#include <fstream>

#include "engine/base/error.h"
#include "tests/support/temporary_folder.h"
#include "tools/gpu/facts_table.h"

namespace sepia::test {
namespace {

TEST(KernelFacts, NamesLoseNamespacesAndArguments) {
  EXPECT_EQ(gpu::short_kernel_name("void sepia::kernels::cuda::(anonymous namespace)::apply<4, true, sepia::bf16>(sepia::kernels::Lerp<float>, int)"),
            "apply<4, true, bf16>");
  EXPECT_EQ(gpu::short_kernel_name("sepia::kernels::cuda::detail::sum(float*)"), "sum");
  EXPECT_EQ(gpu::short_kernel_name("apply<4, sepia::bf16>"), "apply<4, bf16>");
}

TEST(KernelFacts, TheTableReadsBackWhatItWrote) {
  gpu::KernelFacts kernel{.file = "add.cu", .name = "add_kernel<float, 4>"};
  kernel.architecture = 80;
  kernel.registers = 24;
  kernel.wide_loads = 3;
  kernel.tensor_core = 1;
  gpu::KernelFacts newer = kernel;
  newer.architecture = 90;
  newer.registers = 30;
  newer.shared_bytes = 512;
  const std::string text = gpu::facts_table({kernel, newer}, "13.0.88");
  EXPECT_NE(text.find("\nadd.cu;add_kernel<float, 4>;24;30;512;ld128 mma\n"), std::string::npos) << text;
  const gpu::ReadTable read = gpu::read_facts_table(text);
  EXPECT_EQ(read.nvcc_version, "13.0.88");
  EXPECT_EQ(read.lines, gpu::table_of({kernel, newer}));
  EXPECT_THROW(gpu::read_facts_table(text + "add.cu;other;x;1;0;-\n"), Error);
  EXPECT_THROW(gpu::read_facts_table(text + "add.cu;other\n"), Error);
}

TEST(KernelFacts, WhatIsNoLibraryOfKernelsIsRefused) {
  const TemporaryFolder folder;
  const auto file = folder.path() / "library.so";
  EXPECT_THROW(gpu::read_kernel_facts(file), Error);
  std::ofstream(file) << "no library at all, but longer than the header of an ELF file would be, which matters";
  EXPECT_THROW(gpu::read_kernel_facts(file), Error);
  EXPECT_THROW(gpu::read_kernel_facts(std::string(SEPIA_BINARY_DIR) + "/libsepia.so"), Error);
}

// Figures of NVIDIA's occupancy calculator.
TEST(KernelFacts, OccupancyIsThatOfTheProgrammingGuide) {
  EXPECT_EQ(gpu::occupancy(80, 256, 32, 0).blocks, 8);
  EXPECT_EQ(gpu::occupancy(80, 256, 64, 0).blocks, 4);
  EXPECT_EQ(gpu::occupancy(80, 256, 65, 0).blocks, 3);
  EXPECT_EQ(gpu::occupancy(80, 128, 32, 48 << 10).blocks, 3);
  EXPECT_EQ(gpu::occupancy(90, 128, 32, 48 << 10).blocks, 4);
  EXPECT_EQ(gpu::occupancy(90, 32, 16, 0).blocks, 32);
  EXPECT_DOUBLE_EQ(gpu::occupancy(90, 256, 64, 0).warps, 0.5);
}

}  // namespace
}  // namespace sepia::test
