// For every kind of fault one kernel that has it and one that has not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simt/scenario.h"

namespace sepia::test {
namespace {

using ::testing::HasSubstr;

struct FaultCase {
  const char* faulty;   ///< the scenario with the mistake
  const char* correct;  ///< the same without
  const char* kind;     ///< how its fault begins
  const char* place;    ///< kernel or source line that the fault names
};

void PrintTo(const FaultCase& c, std::ostream* out) { *out << c.faulty; }

class Faults : public ::testing::TestWithParam<FaultCase> {};

TEST_P(Faults, AreSeenWhereTheyAreAndOnlyThere) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
    const Outcome faulty = run_scenario(GetParam().faulty, seed);
    EXPECT_THAT(faulty.text(), HasSubstr(GetParam().kind)) << "seed " << seed;
    EXPECT_THAT(faulty.text(), HasSubstr(GetParam().place)) << "seed " << seed;
    ASSERT_EQ(run_scenario(GetParam().correct, seed).text(), "") << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(
    Order, Faults,
    ::testing::Values(
        FaultCase{"missing_syncthreads", "with_syncthreads", "race: ", "order.cu:12"},
        FaultCase{"missing_syncthreads_global", "with_syncthreads_global", "race: ", "kernel rotate_global<false>"},
        FaultCase{"missing_second_barrier", "with_second_barrier", "race: ", "kernel reuse_tile<false>"},
        FaultCase{"race_on_halves", "neighbours_in_halves", "race: 2-byte write", "of tile"},
        FaultCase{"race_on_bytes", "neighbours_in_bytes", "race: 1-byte write", "of tile"},
        FaultCase{"missing_syncwarp", "with_syncwarp", "race: ", "kernel rotate_warp<false>"},
        FaultCase{"half_warps_across", "half_warps_apart", "race: ", "kernel half_warps<true>"},
        FaultCase{"blocks_write_one_place", "blocks_write_own_places", "race between blocks: ", "kernel one_place<false>"},
        FaultCase{"blocks_shift_in_place", "blocks_shift_out_of_place", "race between blocks: ", "kernel shift_blocks<true>"},
        FaultCase{"counting_without_atomics", "counting_with_atomics", "race between blocks: ", "kernel count<false>"},
        FaultCase{"atomics_read_without_barrier", "atomics_read_after_barrier", "race: ", "of counter"},
        FaultCase{"last_block_without_fence", "last_block_with_fence", "race between blocks: ", "kernel last_block_adds<false>"},
        FaultCase{"missing_event_wait", "with_event_wait", "race between streams: ", "kernel add"},
        FaultCase{"overwritten_without_event", "overwritten_after_event", "race between streams: ", "operation"},
        FaultCase{"nonblocking_beside_default_stream", "blocking_beside_default_stream", "race between streams: ", "kernel add"}),
    [](const auto& info) { return std::string(info.param.faulty); });

INSTANTIATE_TEST_SUITE_P(
    Bounds, Faults,
    ::testing::Values(FaultCase{"read_past_the_end", "inside", "out of bounds: 4-byte read", "byte 256 of allocation"},
                      FaultCase{"read_before_the_begin", "inside", "out of bounds: 4-byte read", "4 bytes before allocation"},
                      FaultCase{"write_past_the_end", "inside", "out of bounds: 4-byte write", "bounds.cu:8"},
                      FaultCase{"past_a_shared_array", "inside_a_shared_array", "out of bounds: 4-byte write", "of tile, which has 1056"},
                      FaultCase{"past_dynamic_shared", "inside_dynamic_shared", "out of bounds: 4-byte write", "byte 400 of 400"},
                      FaultCase{"shared_never_written", "shared_written", "never written: 4-byte read", "of sums"},
                      FaultCase{"shared_of_another_block", "shared_of_this_block", "never written: 4-byte read", "of tile"},
                      FaultCase{"global_never_written", "global_written", "never written: 4-byte read", "kernel add_to_global"},
                      FaultCase{"pool_forgets", "global_written", "never written: 4-byte read", "kernel add_to_global"},
                      FaultCase{"misaligned_vector", "aligned_vector", "misaligned: 16-byte read", "kernel copy_vectors"},
                      FaultCase{"use_after_free", "use_before_free", "use after free: 4-byte write", "kernel store_one"},
                      FaultCase{"use_after_free_async", "use_before_free_async", "use after free: 4-byte write", "kernel store_one"},
                      FaultCase{"kernel_reads_host_memory", "kernel_reads_device_memory", "host memory: 4-byte read",
                                "kernel read_by_pointer"},
                      FaultCase{"kernel_reads_host_memory", "kernel_reads_pinned_memory", "host memory: ", "bounds.cu"},
                      FaultCase{"kernel_reads_host_memory", "kernel_reads_a_table", "host memory: ", "bounds.cu"},
                      FaultCase{"large_struct_past_the_end", "struct_copies", "out of bounds: ", "kernel copy_large"},
                      FaultCase{"leak_at_reset", "no_leak_at_reset", "leak: ", "of 100 bytes"}),
    [](const auto& info) { return std::string(info.param.faulty) + "_" + info.param.correct; });

INSTANTIATE_TEST_SUITE_P(
    Barriers, Faults,
    ::testing::Values(FaultCase{"divergent_barrier", "uniform_barrier", "divergent barrier: ", "barriers.cu:12"},
                      FaultCase{"early_return", "late_return", "early return: ", "kernel return_before_barrier<true>"},
                      FaultCase{"shuffle_without_half", "shuffle_with_all", "divergent warp: ", "kernel shuffle_in_branch<false>"},
                      FaultCase{"shuffle_from_outside", "shuffle_from_inside", "divergent warp: ", "kernel shuffle_from_outside"},
                      FaultCase{"shuffle_from_outside", "warp_operations", "divergent warp: ", "takes no part"}),
    [](const auto& info) { return std::string(info.param.faulty) + "_" + info.param.correct; });

INSTANTIATE_TEST_SUITE_P(
    Copies, Faults,
    ::testing::Values(FaultCase{"async_copy_not_waited", "async_copy_waited", "asynchronous copy not waited for: ", "copies.cu:14"},
                      FaultCase{"async_copy_without_barrier", "async_copy_waited", "race: ", "kernel through_shared<true, false>"},
                      FaultCase{"stages_waited_too_late", "stages_waited_in_time", "asynchronous copy not waited for: ", "of stage"},
                      FaultCase{"async_copy_past_the_end", "async_copy_inside", "out of bounds: ", "byte 124 of allocation"},
                      FaultCase{"fetched_without_waiting", "fetched_and_waited", "missing wait: ", "touches page-locked memory"},
                      FaultCase{"overwritten_while_sent", "overwritten_after_sending", "missing wait: ", "overwrites page-locked memory"},
                      FaultCase{"host_reads_device_memory", "host_copies_device_memory", "host touches device memory: ", "byte 0"},
                      FaultCase{"copy_past_an_allocation", "copy_within_an_allocation", "out of bounds: copy", "36 bytes"},
                      FaultCase{"copy_of_what_was_never_written", "copy_within_an_allocation", "never written: copy", "32 bytes"}),
    [](const auto& info) { return std::string(info.param.faulty); });

TEST(FaultText, NamesKernelBlockThreadAndLine) {
  const Outcome outcome = run_scenario("read_past_the_end");
  EXPECT_THAT(outcome.faults, ::testing::ElementsAre(::testing::MatchesRegex(
                                  "out of bounds: 4-byte read of global memory \\(byte 256 of allocation [0-9]+, which has 256\\); kernel "
                                  "copy_shifted, block \\(1,0,0\\) thread \\(31,0,0\\), tests/simt/kernels/bounds.cu:8")));
}

}  // namespace
}  // namespace sepia::test
