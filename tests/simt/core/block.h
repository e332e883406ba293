// One block of a kernel at work: its threads as fibers, its warps, its barriers.
#pragma once

#include <boost/context/detail/fcontext.hpp>
#include <cstdint>
#include <functional>
#include <string>
#include <unordered_map>
#include <vector>

#include "tests/simt/core/running.h"
#include "tests/simt/include/simt/vector_types.h"

namespace simt::core {

inline constexpr unsigned kMostThreads = 1024, kWarpSize = 32;

struct Fiber {
  boost::context::detail::fcontext_t context = nullptr;
  char* stack_top = nullptr;
  bool free = true;
};

enum class Wait : std::uint8_t { kNone, kBlock, kWarp, kReturned };
/// What a warp collective does when its last lane arrives.
enum class Collective : std::uint8_t { kSync, kShuffle, kBallot, kMatch, kGather };

/// A cp.async under way.
struct PendingCopy {
  void* destination;
  const void* source;
  unsigned bytes, source_bytes, group;
  const void* code;
};

struct Thread {
  uint3 index{};
  unsigned linear = 0;
  Wait wait = Wait::kNone;
  bool entered = false;  ///< the kernel's own code has begun: before, host code reads the launch's arguments
  bool fenced = false;   ///< has called __threadfence since its last atomic
  const void* where = nullptr;  ///< the barrier it waits at
  boost::context::detail::fcontext_t context = nullptr;  ///< set while parked
  // Its part in the warp collective it waits for.
  Collective collective{};
  unsigned mask = 0, source = 0, bytes = 0;
  std::uint64_t value = 0;
  const void* mine = nullptr;
  void* all_lanes = nullptr;
  // Its asynchronous copies.
  unsigned open_group = 0;  ///< number of the group being filled; lower ones are committed
  std::vector<PendingCopy> copies;
};

struct Warp {
  unsigned stamp = 0;       ///< warp barriers since the last block barrier
  unsigned full_stamp = 0;  ///< the last of them that all living lanes took part in
  unsigned returned = 0;    ///< lanes that have left the kernel or never were
  unsigned arrived[kWarpSize] = {};  ///< lanes waiting in a collective, by the lowest lane of its mask
  bool partial = false;     ///< pair_stamp is in use
  std::uint16_t pair_stamp[kWarpSize][kWarpSize] = {};  ///< last barrier that both lanes took part in
};

/// A launch, as it stands in a stream's queue.
struct Launch {
  const void* kernel = nullptr;
  dim3 grid, block;
  std::size_t shared_bytes = 0;
  std::function<void()> body;
};

/// The launch that runs and the block that runs.
struct Machine {
  const Launch* launch = nullptr;
  std::string kernel_name;
  std::uintptr_t kernel_begin = 0;
  std::size_t kernel_bytes = 0;
  uint3 block{};
  unsigned block_threads = 0;
  std::vector<Thread> threads{kMostThreads};
  std::vector<Warp> warps{kMostThreads / kWarpSize};
  Thread* current = nullptr;
  std::vector<std::uint16_t> ready;  ///< a stack
  unsigned returned = 0;             ///< threads that have left
  int predicates = 0, last_predicates = 0;  ///< votes of __syncthreads_count: being collected, and of the last barrier
  bool aborted = false;
  boost::context::detail::fcontext_t main = nullptr;
  // Blocks of this launch in the order they ran, for naming the other side of a race.
  std::vector<std::uint32_t> first_segments;
  std::vector<std::uint32_t> block_numbers;
  /// Per atomic location: blocks (by place in that order) that released what they wrote before it (threadfence, then atomic).
  std::unordered_map<std::uintptr_t, std::vector<std::uint32_t>> released;
  /// What the current block has seen of them: location and how many of its releases.
  std::vector<std::pair<std::uintptr_t, std::size_t>> acquired;
};
extern Machine& machine;

/// Runs all blocks of the launch in an order drawn from the seed. `ordered`: see Running. False if a fault ended it early.
bool run_kernel(const Launch& launch, std::uint32_t ordered);

/// The next segment number. Ends the process when 32 bits are used up.
std::uint32_t next_segment();

/// Runs other threads until `current` may go on. The caller has set wait and where.
void park();
/// Leaves the kernel from inside a fiber.
[[noreturn]] void abort_kernel();
/// Makes a parked thread ready.
void make_ready(Thread& thread);
/// A lane of the current warp has returned: collectives that waited for it may be complete. (warp.cpp)
void complete_without(Warp& warp, unsigned first_thread);
/// Whether accesses of thread `other` with that stamp, in this segment, are ordered before the current thread by __syncwarp.
bool ordered_by_warp(unsigned other, unsigned stamp);

/// The seeded generator that all choices of order come from.
void seed_order(std::uint64_t seed);
std::uint64_t random_bits();
/// In [0, bound).
inline std::uint32_t random_below(std::uint32_t bound) { return static_cast<std::uint32_t>((random_bits() >> 32) * bound >> 32); }

}  // namespace simt::core
