#include "tests/simt/core/access.h"

#include <algorithm>

#include "tests/simt/core/block.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/stream.h"
#include "tests/simt/core/symbols.h"

namespace simt::core {
namespace {

/// Whether the block that ran in `segment` of this launch released its writes to the current block through an atomic.
bool ordered_by_atomics(std::uint32_t segment) {
  if (machine.acquired.empty()) return false;
  const auto& first = machine.first_segments;
  const auto block = static_cast<std::uint32_t>(std::upper_bound(first.begin(), first.end(), segment) - first.begin() - 1);
  return std::any_of(machine.acquired.begin(), machine.acquired.end(), [&](const auto& seen) {
    const auto& list = machine.released.at(seen.first);
    return std::binary_search(list.begin(), list.begin() + static_cast<std::ptrdiff_t>(seen.second), block);
  });
}

/// Whether what `record` tells of (a write, or reads) is ordered before the current access; if not, what kind of race it is.
bool is_ordered(Space space, std::uint64_t record, FaultKind& kind) {
  const std::uint32_t segment = segment_of(record);
  if (space == Space::kGlobal && segment < running.operation_first) {
    kind = FaultKind::kRaceBetweenStreams;
    return ordered_operation(segment);
  }
  if (segment < running.block_first) {
    kind = FaultKind::kRaceBetweenBlocks;
    return ordered_by_atomics(segment);
  }
  kind = FaultKind::kRaceInBlock;
  return segment < running.segment;
}

/// No write is recorded in this life of the memory: is the place there at all, and does it matter?
void first_access(Space space, const AccessSite& site) {
  bool inside = true;
  if (space == Space::kGlobal) {
    const Place place = find_place(site.address);
    inside = place.live && site.address + site.bytes <= place.begin + place.bytes;
    if (place.freed) fatal_fault({.kind = FaultKind::kUseAfterFree, .site = site});
  } else if (running.static_shared.contains(site.address)) {
    const std::size_t offset = site.address - running.static_shared.begin;
    inside = running.static_map[offset / 4] && running.static_map[(offset + site.bytes - 1) / 4];
  } else {
    inside = site.address + site.bytes <= running.dynamic_shared.begin + running.dynamic_shared.bytes;
  }
  if (!inside) fatal_fault({.kind = FaultKind::kOutOfBounds, .site = site});
  if (site.access != Access::kWrite) note_fault({.kind = FaultKind::kNeverWritten, .site = site});
}

}  // namespace

void judge_write_before(Space space, std::uint64_t last_write, const AccessSite& site) {
  const std::uint32_t segment = segment_of(last_write);
  if (segment == 0 || (space == Space::kShared && segment < running.block_first)) return first_access(space, site);
  if (segment == kPendingSegment)
    return note_fault({.kind = FaultKind::kPendingCopy, .site = site, .other = last_write, .other_is_write = true});
  FaultKind kind{};
  if (is_ordered(space, last_write, kind)) return;
  const bool both_atomic = site.access == Access::kAtomic && (last_write & kAtomic);
  if (both_atomic && kind != FaultKind::kRaceBetweenStreams) return;
  if (kind == FaultKind::kRaceInBlock && !(last_write & kSeveralAtomics)) {
    const unsigned other = thread_of(last_write);
    if (other == machine.current->linear || ordered_by_warp(other, stamp_of(last_write))) return;
  }
  note_fault({.kind = kind, .site = site, .other = last_write, .other_is_write = true});
}

void judge_read_before(Space space, std::uint64_t last_read, const AccessSite& site) {
  FaultKind kind{};
  const bool ordered = is_ordered(space, last_read, kind);
  if (last_read & kSeveralBlocks && segment_of(last_read) >= running.operation_first) {
    // Which blocks read besides the last one is not recorded; order through atomics covers them all or none.
    if (machine.acquired.empty()) return note_fault({.kind = FaultKind::kRaceBetweenBlocks, .site = site, .other = last_read});
  }
  if (ordered) return;
  if (kind == FaultKind::kRaceInBlock && !(last_read & kSeveralWarps)) {
    const unsigned other = thread_of(last_read);
    if (!(last_read & kSeveralLanes) && other == machine.current->linear) return;
    // Several lanes of one warp: the stamp is that of the last of them, so order by a full barrier covers all.
    if (ordered_by_warp(other, stamp_of(last_read))) return;
  }
  note_fault({.kind = kind, .site = site, .other = last_read});
}

void foreign_access(const AccessSite& site) {
  if (site.address - running.around_begin < running.around_bytes) fatal_fault({.kind = FaultKind::kOutOfBounds, .site = site});
  if (!machine.current->entered || in_own_image(site.address) || is_pinned(site.address)) return;
  fatal_fault({.kind = FaultKind::kHostMemory, .site = site});
}

void misaligned_access(const AccessSite& site) { fatal_fault({.kind = FaultKind::kMisaligned, .site = site}); }

}  // namespace simt::core
