// Blocks of the processor's memory: aligned, writable to their last byte, and on the border of a huge page where they fill one.
#include "kernels/host_memory.h"

#include <gtest/gtest.h>

#include <cstdint>
#include <cstring>

namespace sepia::kernels {
namespace {

std::uintptr_t address(const void* pointer) { return reinterpret_cast<std::uintptr_t>(pointer); }

TEST(HostMemory, BlocksOfAnySizeAreAlignedAndWritable) {
  constexpr std::size_t kMiB = std::size_t{1} << 20;
  for (const std::size_t bytes : {std::size_t{0}, std::size_t{1}, std::size_t{65}, std::size_t{4097}, 2 * kMiB - 1, 2 * kMiB, 5 * kMiB + 3}) {
    void* block = host_allocate(bytes);
    ASSERT_NE(block, nullptr) << bytes;
    EXPECT_EQ(address(block) % 64, 0U) << bytes;
    std::memset(block, 7, bytes);
    host_release(block);
  }
}

TEST(HostMemory, LargeBlocksBeginWhereAHugePageCan) {
  void* block = host_allocate(std::size_t{3} << 20);
  ASSERT_NE(block, nullptr);
  EXPECT_EQ(address(block) % (std::size_t{2} << 20), 0U);
  host_release(block);
}

}  // namespace
}  // namespace sepia::kernels
