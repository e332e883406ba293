// Warp collectives: a lane leaves its part and waits; the last lane of the mask to arrive carries the collective out for all.
#include <bit>
#include <cstring>

#include "tests/simt/core/block.h"
#include "tests/simt/core/counters.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/include/simt/device.h"

namespace simt::core {
namespace {

unsigned lanes_left(const Warp& warp, unsigned mask) { return mask & ~warp.returned; }

/// Lane by lane over the set bits of `lanes`.
template <class Visit>
void for_each_lane(unsigned lanes, Visit visit) {
  for (; lanes != 0; lanes &= lanes - 1) visit(static_cast<unsigned>(std::countr_zero(lanes)));
}

/// What lane `l` gave and gets; results go into `value` (bits) or `all_lanes`.
void carry_out(Collective what, Thread* lanes, unsigned taking_part) {
  std::uint64_t given[kWarpSize];
  for_each_lane(taking_part, [&](unsigned l) { given[l] = lanes[l].value; });
  switch (what) {
    case Collective::kSync:
      break;
    case Collective::kShuffle:
      for_each_lane(taking_part, [&](unsigned l) {
        const unsigned source = lanes[l].source % kWarpSize;
        if (taking_part >> source & 1u) {
          lanes[l].value = given[source];
          return;
        }
        Thread* const before = machine.current;
        machine.current = &lanes[l];
        note_fault(
            {.kind = FaultKind::kDivergentWarp, .site = {.code = lanes[l].where}, .text = "takes the value of a lane that takes no part"});
        machine.current = before;
      });
      break;
    case Collective::kBallot: {
      unsigned votes = 0;
      for_each_lane(taking_part, [&](unsigned l) { votes |= static_cast<unsigned>(given[l] != 0) << l; });
      for_each_lane(taking_part, [&](unsigned l) { lanes[l].value = votes; });
      break;
    }
    case Collective::kMatch:
      for_each_lane(taking_part, [&](unsigned l) {
        unsigned same = 0;
        for_each_lane(taking_part, [&](unsigned other) { same |= static_cast<unsigned>(given[other] == given[l]) << other; });
        lanes[l].value = same;
      });
      break;
    case Collective::kGather:
      for_each_lane(taking_part, [&](unsigned l) {
        for (unsigned source = 0; source < kWarpSize; ++source) {
          char* slot = static_cast<char*>(lanes[l].all_lanes) + source * lanes[l].bytes;
          if (taking_part >> source & 1u) {
            std::memcpy(slot, lanes[source].mine, lanes[l].bytes);
          } else {
            std::memset(slot, 0, lanes[l].bytes);
          }
        }
      });
      break;
  }
}

/// Orders the accesses of the lanes that have met.
void order_lanes(Warp& warp, unsigned taking_part) {
  if (warp.stamp < kStampMask) ++warp.stamp;
  if (taking_part == ~warp.returned) {
    warp.full_stamp = warp.stamp;
  } else {
    warp.partial = true;
    for_each_lane(taking_part, [&](unsigned a) {
      for_each_lane(taking_part, [&](unsigned b) { warp.pair_stamp[a][b] = static_cast<std::uint16_t>(warp.stamp); });
    });
  }
  // The thread that runs is of this warp: it has just completed the barrier, or made it complete by returning.
  running.me = identity(running.segment, machine.current->linear, warp.stamp);
  running.full_stamp = warp.full_stamp;
  if (running.counting) count_warp_barrier();
}

/// All living lanes of `mask` wait: does the work and lets them go, but for `self` (null: nobody runs among them).
void complete(Warp& warp, unsigned first_thread, unsigned mask, const Thread* self) {
  Thread* lanes = &machine.threads[first_thread];
  const unsigned taking_part = lanes_left(warp, mask);
  warp.arrived[std::countr_zero(mask)] = 0;
  const Collective what = lanes[std::countr_zero(taking_part)].collective;
  carry_out(what, lanes, taking_part);
  if (what == Collective::kSync || what == Collective::kGather) order_lanes(warp, taking_part);
  // An order of its own each time: lane a * k + b for k = 0..31, a odd.
  const auto draw = static_cast<unsigned>(random_bits());
  const unsigned stride = (draw >> 8) | 1u;
  for (unsigned k = 0; k < kWarpSize; ++k) {
    const unsigned l = (stride * k + draw) % kWarpSize;
    if ((taking_part >> l & 1u) && &lanes[l] != self) make_ready(lanes[l]);
  }
}

/// The current thread takes part in a collective and returns when it is done; its result is in thread.value.
std::uint64_t meet(Collective what, unsigned mask, const void* where) {
  Thread& thread = *machine.current;
  const unsigned lane_number = thread.linear % kWarpSize, first = thread.linear - lane_number;
  Warp& warp = machine.warps[first / kWarpSize];
  thread.collective = what;
  thread.where = where;
  if (!(mask >> lane_number & 1u)) {
    note_fault({.kind = FaultKind::kDivergentWarp, .site = {.code = where}, .text = "calls it with a mask that leaves itself out"});
    mask |= 1u << lane_number;
  }
  thread.mask = mask;
  const unsigned group = static_cast<unsigned>(std::countr_zero(mask));
  if (const unsigned there = warp.arrived[group]; there != 0) {
    const Thread& other = machine.threads[first + static_cast<unsigned>(std::countr_zero(there))];
    if (other.mask != mask || other.collective != what) {
      fatal_fault({.kind = FaultKind::kDivergentWarp, .site = {.code = where}, .other_code = other.where});
    }
  }
  warp.arrived[group] |= 1u << lane_number;
  if (warp.arrived[group] == lanes_left(warp, mask)) {
    complete(warp, first, mask, &thread);
    return thread.value;
  }
  thread.wait = Wait::kWarp;
  park();
  return thread.value;
}

}  // namespace

void complete_without(Warp& warp, unsigned first_thread) {
  for (unsigned group = 0; group < kWarpSize; ++group) {
    const unsigned there = warp.arrived[group];
    if (there == 0) continue;
    const unsigned mask = machine.threads[first_thread + static_cast<unsigned>(std::countr_zero(there))].mask;
    if (there == lanes_left(warp, mask)) complete(warp, first_thread, mask, nullptr);
  }
}

bool ordered_by_warp(unsigned other, unsigned stamp) {
  const unsigned mine = machine.current->linear;
  if (other / kWarpSize != mine / kWarpSize) return false;
  const Warp& warp = machine.warps[mine / kWarpSize];
  if (stamp >= kStampMask) return true;  // more barriers than can be told apart
  return stamp < warp.full_stamp || (warp.partial && stamp < warp.pair_stamp[mine % kWarpSize][other % kWarpSize]);
}

}  // namespace simt::core

namespace simt {

using core::Collective;
using core::machine;
using core::meet;

void sync_warp(unsigned mask) { meet(Collective::kSync, mask, __builtin_return_address(0)); }

std::uint64_t shuffle(unsigned mask, std::uint64_t mine, unsigned source) {
  machine.current->value = mine;
  machine.current->source = source;
  return meet(Collective::kShuffle, mask, __builtin_return_address(0));
}

unsigned ballot(unsigned mask, bool predicate) {
  machine.current->value = predicate;
  return static_cast<unsigned>(meet(Collective::kBallot, mask, __builtin_return_address(0)));
}

unsigned match_any(unsigned mask, std::uint64_t value) {
  machine.current->value = value;
  return static_cast<unsigned>(meet(Collective::kMatch, mask, __builtin_return_address(0)));
}

unsigned active_mask() { return ~machine.warps[machine.current->linear / core::kWarpSize].returned; }

void warp_gather(const void* mine, unsigned bytes, void* all_lanes) {
  machine.current->mine = mine;
  machine.current->bytes = bytes;
  machine.current->all_lanes = all_lanes;
  meet(Collective::kGather, 0xffffffffu, __builtin_return_address(0));
}

}  // namespace simt
