#include "tests/simt/core/block.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <numeric>

#include "tests/simt/core/counters.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/core/forever.h"
#include "tests/simt/core/guard.h"
#include "tests/simt/core/symbols.h"
#include "tests/simt/include/simt/device.h"

namespace simt::core {

namespace {
Forever<Machine> the_machine;
}
Machine& machine = the_machine.get();
Running running;

namespace {

namespace context = boost::context::detail;

constexpr std::size_t kStackBytes = 128 * 1024;

std::uint64_t order_state = 1;
std::uint32_t last_segment = 0;

Forever<std::vector<Fiber>> the_fibers;
Forever<std::vector<Fiber*>> the_idle;
std::vector<Fiber>& fibers = the_fibers.get();
std::vector<Fiber*>& idle = the_idle.get();
Fiber* running_fiber = nullptr;

void fiber_body(context::transfer_t from);

void prepare(Fiber& fiber) {
  fiber.context = context::make_fcontext(fiber.stack_top, kStackBytes - static_cast<std::size_t>(getpagesize()), fiber_body);
  fiber.free = true;
  idle.push_back(&fiber);
}

/// One stack for each thread that a block may have, the lowest page of each without access.
void make_fibers() {
  if (!fibers.empty()) return;
  const std::size_t count = kMostThreads + 1;
  char* stacks = static_cast<char*>(reserve(count * kStackBytes));
  running.stacks_begin = reinterpret_cast<std::uintptr_t>(stacks);
  running.stacks_bytes = count * kStackBytes;
  fibers.resize(count);
  for (std::size_t i = 0; i < count; ++i) {
    mprotect(stacks + i * kStackBytes, static_cast<std::size_t>(getpagesize()), PROT_NONE);
    fibers[i].stack_top = stacks + (i + 1) * kStackBytes;
    prepare(fibers[i]);
  }
}

/// Fibers that were left in the middle of a kernel begin anew.
void reclaim_fibers() {
  for (Fiber& fiber : fibers) {
    if (!fiber.free) prepare(fiber);
  }
}

Fiber* take_fiber() {
  Fiber* fiber = idle.back();
  idle.pop_back();
  fiber->free = false;
  return fiber;
}

void jump(context::fcontext_t to, context::fcontext_t* save_here) {
  const context::transfer_t back = context::jump_fcontext(to, save_here);
  *static_cast<context::fcontext_t*>(back.data) = back.fctx;
}

void make_current(Thread& thread) {
  machine.current = &thread;
  thread.wait = Wait::kNone;
  const Warp& warp = machine.warps[thread.linear / kWarpSize];
  running.me = identity(running.segment, thread.linear, warp.stamp);
  running.full_stamp = warp.full_stamp;
}

void begin_segment() {
  running.segment = next_segment();
  for (unsigned w = 0; w * kWarpSize < machine.block_threads; ++w) {
    Warp& warp = machine.warps[w];
    warp.stamp = warp.full_stamp = 0;
    if (warp.partial) {
      std::memset(warp.pair_stamp, 0, sizeof warp.pair_stamp);
      warp.partial = false;
    }
  }
}

/// Puts all threads that have not returned on the stack, in an order of their own each time.
void fill_ready() {
  machine.ready.clear();
  for (unsigned t = 0; t < machine.block_threads; ++t) {
    if (machine.threads[t].wait == Wait::kReturned) continue;
    machine.ready.push_back(static_cast<std::uint16_t>(t));
    std::swap(machine.ready.back(), machine.ready[random_below(static_cast<std::uint32_t>(machine.ready.size()))]);
  }
}

/// Nobody can run: a barrier is complete, or the block is over, or it is stuck. False if no thread may go on.
bool release_barrier() {
  if (running.counting) count_interval();
  if (machine.returned == machine.block_threads) return false;
  const Thread* waiting = nullptr;
  const Thread* elsewhere = nullptr;
  for (unsigned t = 0; t < machine.block_threads; ++t) {
    Thread& thread = machine.threads[t];
    if (thread.wait == Wait::kReturned) continue;
    if (thread.wait == Wait::kWarp) {  // its warp will never be complete
      machine.current = &thread;
      note_fault({.kind = FaultKind::kDivergentWarp, .site = {.code = thread.where}, .other_code = nullptr});
      machine.aborted = true;
      return false;
    }
    if (!waiting) waiting = &thread;
    if (thread.where != waiting->where && !elsewhere) elsewhere = &thread;
  }
  if (machine.returned > 0 || elsewhere) {
    machine.current = const_cast<Thread*>(waiting);
    if (machine.returned > 0) note_fault({.kind = FaultKind::kEarlyReturn, .site = {.code = waiting->where}});
    if (elsewhere) note_fault({.kind = FaultKind::kDivergentBarrier, .site = {.code = waiting->where}, .other_code = elsewhere->where});
  }
  machine.last_predicates = machine.predicates;
  machine.predicates = 0;
  if (running.counting) count_barrier();
  begin_segment();
  fill_ready();
  return true;
}

/// Gives the processor to the next thread that can run, or to the main program. `parked`: the current thread goes on later;
/// otherwise the fiber is free for the next thread, and the function returns when it has one.
void switch_away(Thread* parked) {
  Fiber* const fiber = running_fiber;
  if (machine.ready.empty() && !release_barrier()) {
    if (!parked) {
      fiber->free = true;
      idle.push_back(fiber);
    }
    running_fiber = nullptr;
    jump(machine.main, parked ? &parked->context : &fiber->context);
    running_fiber = fiber;
    return;
  }
  Thread& next = machine.threads[machine.ready.back()];
  machine.ready.pop_back();
  if (&next == parked) {
    make_current(next);
    return;
  }
  context::fcontext_t target = next.context;
  next.context = nullptr;
  if (!target) {
    if (!parked) {
      make_current(next);
      return;
    }
    Fiber* fresh = take_fiber();
    target = fresh->context;
    running_fiber = fresh;
  } else if (!parked) {
    fiber->free = true;
    idle.push_back(fiber);
  }
  make_current(next);
  jump(target, parked ? &parked->context : &fiber->context);
  running_fiber = fiber;
}

void fiber_body(context::transfer_t from) {
  *static_cast<context::fcontext_t*>(from.data) = from.fctx;
  for (;;) {
    try {
      machine.launch->body();
    } catch (...) {
      trap("an exception left the kernel");
    }
    Thread& thread = *machine.current;
    thread.wait = Wait::kReturned;
    ++machine.returned;
    const unsigned first = thread.linear & ~(kWarpSize - 1);
    Warp& warp = machine.warps[first / kWarpSize];
    warp.returned |= 1u << (thread.linear - first);
    complete_without(warp, first);
    switch_away(nullptr);
  }
}

void begin_block(std::uint32_t number) {
  const dim3 grid = machine.launch->grid;
  machine.block = {number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
  machine.returned = 0;
  machine.predicates = 0;
  machine.acquired.clear();
  for (unsigned t = 0; t < machine.block_threads; ++t) {
    Thread& thread = machine.threads[t];
    thread.wait = Wait::kNone;
    thread.entered = thread.fenced = false;
    thread.context = nullptr;
    thread.open_group = 0;
    thread.copies.clear();
  }
  for (unsigned w = 0; w * kWarpSize < machine.block_threads; ++w) {
    Warp& warp = machine.warps[w];
    const unsigned lanes = std::min(kWarpSize, machine.block_threads - w * kWarpSize);
    warp.returned = lanes == kWarpSize ? 0 : ~0u << lanes;
    std::fill(std::begin(warp.arrived), std::end(warp.arrived), 0u);
  }
  begin_segment();
  running.block_first = running.segment;
  machine.first_segments.push_back(running.segment);
  machine.block_numbers.push_back(number);
  fill_ready();
}

void run_block(std::uint32_t number) {
  begin_block(number);
  Thread& first = machine.threads[machine.ready.back()];
  machine.ready.pop_back();
  make_current(first);
  running_fiber = take_fiber();
  jump(running_fiber->context, &machine.main);
}

void name_threads(const Launch& launch) {
  const dim3 extent = launch.block;
  for (unsigned t = 0; t < machine.block_threads; ++t) {
    machine.threads[t].linear = t;
    machine.threads[t].index = {t % extent.x, t / extent.x % extent.y, t / extent.x / extent.y};
  }
}

/// Points the hooks at the shared memory of this launch.
void place_shared_memory(std::size_t dynamic_bytes) {
  constexpr std::size_t kMostDynamic = 256 * 1024, kMargin = 1 << 20;
  static const auto around = reinterpret_cast<std::uintptr_t>(reserve(kMostDynamic + 2 * kMargin));
  static const Window dynamic = make_window(around + kMargin, kMostDynamic);
  running.around_begin = around;
  running.around_bytes = kMostDynamic + 2 * kMargin;
  running.dynamic_shared = dynamic;
  running.dynamic_shared.bytes = dynamic_bytes;
  std::memset(reinterpret_cast<void*>(dynamic.begin), 0xff, dynamic_bytes);
  const StaticShared own = static_shared();
  static const Window records = make_window(0, own.bytes);
  running.static_shared = records;
  running.static_shared.begin = own.begin;
  running.static_shared.bytes = own.bytes;
  running.static_map = static_shared_map();
}

}  // namespace

void seed_order(std::uint64_t seed) { order_state = seed * 0x9e3779b97f4a7c15ULL + 1; }

std::uint64_t random_bits() {
  std::uint64_t z = (order_state += 0x9e3779b97f4a7c15ULL);
  z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
  z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
  return z ^ (z >> 31);
}

std::uint32_t next_segment() {
  if (++last_segment == kPendingSegment) {
    std::fputs("simt: 2^32 segments of work are more than one process can tell apart\n", stderr);
    std::abort();
  }
  return last_segment;
}

void make_ready(Thread& thread) { machine.ready.push_back(static_cast<std::uint16_t>(thread.linear)); }

void park() { switch_away(machine.current); }

void abort_kernel() {
  machine.aborted = true;
  context::fcontext_t abandoned = nullptr;
  jump(machine.main, &abandoned);
  std::abort();  // nobody comes back to an abandoned fiber
}

bool run_kernel(const Launch& launch, std::uint32_t ordered) {
  make_fibers();
  const Function& function = function_at(launch.kernel);
  machine.launch = &launch;
  machine.kernel_name = function.name;
  machine.kernel_begin = function.begin;
  machine.kernel_bytes = function.bytes;
  machine.block_threads = launch.block.x * launch.block.y * launch.block.z;
  machine.aborted = false;
  machine.first_segments.clear();
  machine.block_numbers.clear();
  machine.released.clear();
  name_threads(launch);
  place_shared_memory(launch.shared_bytes);
  running.operation_first = last_segment + 1;
  running.ordered = ordered;
  if (running.counting)
    count_launch(machine.kernel_name, std::uint64_t{launch.grid.x} * launch.grid.y * launch.grid.z, machine.block_threads,
                 launch.shared_bytes);

  std::vector<std::uint32_t> blocks(std::size_t{launch.grid.x} * launch.grid.y * launch.grid.z);
  std::iota(blocks.begin(), blocks.end(), 0u);
  for (std::size_t i = blocks.size(); i > 1; --i) std::swap(blocks[i - 1], blocks[random_below(static_cast<std::uint32_t>(i))]);

  const SignalStack signal_stack;
  running.owner = __builtin_thread_pointer();
  for (std::size_t i = 0; i < blocks.size() && !machine.aborted; ++i) run_block(blocks[i]);
  running.owner = nullptr;
  if (machine.aborted) reclaim_fibers();
  return !machine.aborted;
}

}  // namespace simt::core

namespace simt {

using core::machine;

uint3 thread_index() { return machine.current->index; }
uint3 block_index() { return machine.block; }
uint3 block_extent() { return machine.launch->block; }
uint3 grid_extent() { return machine.launch->grid; }
unsigned lane() { return machine.current->linear % core::kWarpSize; }

namespace {
int vote_and_sync(bool predicate, const void* where) {
  machine.predicates += predicate;
  machine.current->wait = core::Wait::kBlock;
  machine.current->where = where;
  core::park();
  return machine.last_predicates;
}
}  // namespace

void sync_block() { vote_and_sync(false, __builtin_return_address(0)); }
int sync_block_count(bool predicate) { return vote_and_sync(predicate, __builtin_return_address(0)); }
int sync_block_or(bool predicate) { return vote_and_sync(predicate, __builtin_return_address(0)) != 0; }
int sync_block_and(bool predicate) { return vote_and_sync(!predicate, __builtin_return_address(0)) == 0; }

void* dynamic_shared() { return reinterpret_cast<void*>(core::running.dynamic_shared.begin); }

void trap(const char* what) {
  core::fatal_fault({.kind = core::FaultKind::kTrap, .site = {.code = __builtin_return_address(0)}, .text = what});
}

}  // namespace simt
