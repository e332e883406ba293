// What device code asks of the emulator. Instrumented code calls these functions; none of them is instrumented itself.
#pragma once

#include <cstdint>

#include "simt/vector_types.h"

namespace simt {

// Where a thread stands. Constant for the life of a thread, so the compiler may ask once.
[[gnu::const]] uint3 thread_index();
[[gnu::const]] uint3 block_index();
[[gnu::const]] uint3 block_extent();
[[gnu::const]] uint3 grid_extent();
[[gnu::const]] unsigned lane();

/// What a barrier of the whole block gives back besides order: how many threads' predicates were true.
void sync_block();
int sync_block_count(bool predicate);
int sync_block_and(bool predicate);
int sync_block_or(bool predicate);

// Warp collectives: every living lane of `mask` must call the same one with the same mask. Only sync_warp and warp_gather
// order memory accesses; a shuffle or a vote does not (as on a GPU).
void sync_warp(unsigned mask);
/// The value of lane `source`; a fault if that lane takes no part.
std::uint64_t shuffle(unsigned mask, std::uint64_t mine, unsigned source);
/// The lanes of mask whose predicate is true.
unsigned ballot(unsigned mask, bool predicate);
/// The lanes of mask whose value equals mine.
unsigned match_any(unsigned mask, std::uint64_t value);
/// Lanes that have not returned and are known to run the same way: all of the warp that live.
unsigned active_mask();

/// Every lane gets the values of all 32 lanes: lane l's `bytes` bytes at `mine` arrive at `all_lanes` + l * bytes. Lanes that
/// do not exist leave zeros. Acts as __syncwarp().
void warp_gather(const void* mine, unsigned bytes, void* all_lanes);

/// __threadfence: what this thread's block has written may be read by a block that sees a later atomic of this thread.
void fence_device();

/// The block's dynamic shared memory, as large as the launch asked for.
void* dynamic_shared();

/// cp.async: `bytes` (4, 8 or 16) bytes travel to shared memory and are there when a later wait returns. Until then the
/// destination is poisoned. Bytes past `source_bytes` become zero.
void copy_async(void* shared_destination, const void* global_source, unsigned bytes);
void copy_async(void* shared_destination, const void* global_source, unsigned bytes, unsigned source_bytes);
/// Ends a group of copies of this thread.
void copy_async_commit();
/// Waits until at most `groups_left` groups of this thread are still under way.
void copy_async_wait(int groups_left);

/// Tensor-core work of this thread's share of an instruction, for the counters.
void count_mma(unsigned long long flops);

/// Ends the kernel with a fault that says `what`.
[[noreturn]] void trap(const char* what);

}  // namespace simt
