// Counters on kernels whose traffic can be told by hand.
#include <gtest/gtest.h>

#include "tests/simt/scenario.h"

namespace sepia::test {
namespace {

const Outcome& traffic() {
  static const Outcome outcome = run_scenario("traffic", 1, true);
  return outcome;
}

void expect_load_and_store(const char* kernel, std::uint64_t bytes, std::uint64_t sectors) {
  const SimtKernelCounters c = traffic().of(kernel);
  EXPECT_EQ(c.load_bytes, bytes) << kernel;
  EXPECT_EQ(c.load_sectors, sectors) << kernel;
  EXPECT_EQ(c.store_bytes, bytes) << kernel;
  EXPECT_EQ(c.store_sectors, sectors) << kernel;
}

TEST(Traffic, NeighbouringLanesShareSectors) {
  expect_load_and_store("copy", 4096 * 4, 4096 * 4 / 32);
  expect_load_and_store("copy_vectors", 4096 * 4, 4096 * 4 / 32);  // a float4 is one access of 16 bytes
  expect_load_and_store("copy_halves", 4096 * 2, 4096 * 2 / 32);
}

TEST(Traffic, AVectorIsStoredAsAWhole) {
  // Four stores of 4 bytes would touch every sector four times.
  EXPECT_EQ(traffic().of("store_made_vectors").store_bytes, 4096U * 4U);
  EXPECT_EQ(traffic().of("store_made_vectors").store_sectors, 4096U * 4U / 32U);
}

TEST(Traffic, AStructIsAccessedByItsAlignment) {
  EXPECT_EQ(traffic().of("copy_pairs").load_bytes, 32U * 8U);
  EXPECT_EQ(traffic().of("copy_pairs").load_sectors, 2U * 8U);
}

TEST(Traffic, AStrideUsesOneEighthOfItsSectors) { expect_load_and_store("copy_strided", 4096 * 4, 4096); }

TEST(Traffic, ABroadcastMovesOnce) {
  EXPECT_EQ(traffic().of("broadcast").load_bytes, 4U);
  EXPECT_EQ(traffic().of("broadcast").load_sectors, 1U);
  EXPECT_EQ(traffic().of("broadcast").store_bytes, 128U);
}

TEST(Traffic, ATransposeWithoutPaddingMeetsInOneBank) {
  // Of the 64 requests 32 read a column: 32 words of one bank each.
  const SimtKernelCounters bad = traffic().of("transpose<0>"), good = traffic().of("transpose<1>");
  EXPECT_EQ(bad.shared_requests, 64U);
  EXPECT_EQ(bad.shared_wavefronts, 32U + 32U * 32U);
  EXPECT_EQ(bad.bank_conflicts, 32U * 31U);
  EXPECT_EQ(good.shared_requests, 64U);
  EXPECT_EQ(good.shared_wavefronts, 64U);
  EXPECT_EQ(good.bank_conflicts, 0U);
  EXPECT_EQ(good.barriers, 1U);
}

TEST(Traffic, WideSharedAccessesGoInPartsOfAWarp) {
  const SimtKernelCounters pairs = traffic().of("shared_vectors<float2>"), quads = traffic().of("shared_vectors<float4>");
  EXPECT_EQ(pairs.shared_requests, 2U);
  EXPECT_EQ(pairs.shared_wavefronts, 4U);  // two half warps each
  EXPECT_EQ(pairs.bank_conflicts, 0U);
  EXPECT_EQ(quads.shared_requests, 2U);
  EXPECT_EQ(quads.shared_wavefronts, 8U);  // four quarter warps each
  EXPECT_EQ(quads.bank_conflicts, 0U);
  EXPECT_EQ(quads.warp_barriers, 1U);
  const SimtKernelCounters strided = traffic().of("shared_pairs_strided");
  EXPECT_EQ(strided.shared_wavefronts, 2U * 2U * 16U);  // all of a half warp in two banks
  EXPECT_EQ(strided.bank_conflicts, 2U * 2U * 15U);
}

TEST(Traffic, AtomicsAndProductsAreCounted) {
  EXPECT_EQ(traffic().of("add_all").atomic_bytes, 64U * 4U);
  EXPECT_EQ(traffic().of("add_all").load_bytes, 0U);
  EXPECT_EQ(traffic().of("multiply").mma, 32U * 64U);
}

TEST(Traffic, DoesNotDependOnTheSchedule) {
  for (const std::uint64_t seed : {1, 2, 3}) {
    const SimtKernelCounters c = run_scenario("sum_rows", seed, true).of("sum_row");
    EXPECT_EQ(c.launches, 2U);
    EXPECT_EQ(c.threads, 2U * 4U * 256U);
    EXPECT_EQ(c.load_bytes, 2U * 4U * 4096U * 4U);
    EXPECT_EQ(c.load_sectors, 2U * 4U * 4096U * 4U / 32U);
    EXPECT_EQ(c.store_bytes, 2U * 4U * 4U);
    EXPECT_EQ(c.store_sectors, 2U * 4U);
    EXPECT_EQ(c.shared_requests, 2U * 4U * (8U + 8U));
    EXPECT_EQ(c.bank_conflicts, 0U);
    EXPECT_EQ(c.barriers, 2U * 4U);
  }
}

TEST(Traffic, IsNotCountedUnlessAsked) { EXPECT_TRUE(run_scenario("sum_rows").counters.empty()); }

}  // namespace
}  // namespace sepia::test
