// The check that every load and store goes through: the common cases here, in a few comparisons; everything else in
// access.cpp, which decides whether it is a fault.
#pragma once

#include <cstdint>

#include "tests/simt/core/running.h"

namespace simt::core {

enum class Access : std::uint8_t { kRead, kWrite, kAtomic };
enum class Space : std::uint8_t { kGlobal, kShared };

/// Where and how the access under way is made, for the rare paths.
struct AccessSite {
  Access access{};
  std::uintptr_t address = 0;
  unsigned bytes = 0;
  const void* code = nullptr;
};

/// The last write is not known to be ordered before this access, or there is none: reports a fault if it is one.
void judge_write_before(Space space, std::uint64_t last_write, const AccessSite& site);
/// Some read since the last write is not known to be ordered before this write.
void judge_read_before(Space space, std::uint64_t last_read, const AccessSite& site);
/// Neither device memory, nor shared, nor a thread's own stack.
void foreign_access(const AccessSite& site);
/// Ends the kernel: reports that the address does not fit the width.
void misaligned_access(const AccessSite& site);
/// Logs the access for the counters.
void count_access(Space space, const AccessSite& site);

/// All reads that the record tells of were made by lanes of this warp before its last __syncwarp.
inline bool earlier_in_warp(std::uint64_t read) {
  return !(read & kSeveralWarps) && thread_of(read ^ running.me) < 32 && stamp_of(read) < running.full_stamp;
}

template <Space kSpace>
inline bool write_is_ordered(std::uint64_t write) {
  const std::uint32_t segment = segment_of(write);
  if (kSpace == Space::kGlobal && segment - 1 < running.ordered) return true;
  if (segment - running.block_first < running.segment - running.block_first) return true;
  return same_thread(write, running.me);
}

template <Space kSpace>
inline bool read_is_ordered(std::uint64_t read) {
  const std::uint32_t segment = segment_of(read);
  if (segment <= (kSpace == Space::kGlobal ? running.ordered : running.block_first - 1)) return true;
  if (kSpace == Space::kGlobal && (read & kSeveralBlocks)) return false;
  if (segment - running.block_first < running.segment - running.block_first) return true;
  return same_thread(read, running.me);
}

template <Space kSpace>
inline void check_read(Record& record, const AccessSite& site) {
  if (!write_is_ordered<kSpace>(record.write)) [[unlikely]] judge_write_before(kSpace, record.write, site);
  const std::uint64_t read = record.read, me = running.me;
  const std::uint32_t segment = segment_of(read);
  if (same_thread(read, me)) {
    record.read = me | (read & (kSeveralBlocks | kSplitMask));
  } else if (segment == running.segment && !earlier_in_warp(read)) {
    const unsigned apart = thread_of(read ^ me);
    const std::uint64_t several = apart >= 32 ? kSeveralWarps : apart != 0 ? kSeveralLanes : 0;
    record.read = me | several | (read & (kSeveralLanes | kSeveralWarps | kSeveralBlocks | kSplitMask));
  } else {
    std::uint64_t kept = read & kSplitMask;
    if (kSpace == Space::kGlobal && segment >= running.operation_first && (segment < running.block_first || (read & kSeveralBlocks))) {
      kept |= kSeveralBlocks;
    }
    record.read = me | kept;
  }
}

template <Space kSpace>
inline void check_write(Record& record, const AccessSite& site) {
  if (!write_is_ordered<kSpace>(record.write)) [[unlikely]] judge_write_before(kSpace, record.write, site);
  if (!read_is_ordered<kSpace>(record.read)) [[unlikely]] judge_read_before(kSpace, record.read, site);
  record.write = running.me;
  record.read &= kSplitMask;
}

/// An atomic: a read and a write at once that does not conflict with other atomics.
template <Space kSpace>
inline void check_atomic(Record& record, const AccessSite& site) {
  if (!write_is_ordered<kSpace>(record.write)) judge_write_before(kSpace, record.write, site);
  if (!read_is_ordered<kSpace>(record.read)) judge_read_before(kSpace, record.read, site);
  const bool others = segment_of(record.write) == running.segment && (record.write & kAtomic) &&
                      ((record.write & kSeveralAtomics) || thread_of(record.write ^ running.me) != 0);
  record.write = running.me | kAtomic | (others ? kSeveralAtomics : 0);
  record.read &= kSplitMask;
}

template <Access kAccess, Space kSpace>
inline void check_record(Record& record, const AccessSite& site) {
  if constexpr (kAccess == Access::kRead) check_read<kSpace>(record, site);
  if constexpr (kAccess == Access::kWrite) check_write<kSpace>(record, site);
  if constexpr (kAccess == Access::kAtomic) check_atomic<kSpace>(record, site);
}

template <Access kAccess, Space kSpace, unsigned kBytes>
inline void check_window(const Window& window, const AccessSite& site) {
  Record* first = window.record(site.address & ~std::uintptr_t{3});
  if constexpr (kBytes > 4) {  // most often the words of a vector have the same history: one check does for all
    std::uint64_t differs = first->read & kSplitMask;
    for (unsigned word = 1; word < kBytes / 4; ++word) {
      differs |= (first->write ^ first[word].write) | (first->read ^ first[word].read);
    }
    if (differs == 0) [[likely]] {
      Record record = *first;
      check_record<kAccess, kSpace>(record, site);
      for (unsigned word = 0; word < kBytes / 4; ++word) first[word] = record;
      return;
    }
  }
  if constexpr (kBytes >= 4) {
    for (unsigned word = 0; word < kBytes / 4; ++word) {
      if ((first[word].read & kSplitMask) == 0) [[likely]] {
        check_record<kAccess, kSpace>(first[word], site);
      } else {
        for_each_record(window, (site.address & ~std::uintptr_t{3}) + 4 * word, 4, kAccess != Access::kRead,
                        [&](Record& record) { check_record<kAccess, kSpace>(record, site); });
      }
    }
  } else {
    const unsigned level = kBytes == 2 ? 1 : 2, split = static_cast<unsigned>(first->read & kSplitMask);
    if (split < level) split_word(first, window.plane, level);
    const unsigned byte = site.address & 3;
    check_record<kAccess, kSpace>(first[byte * window.plane], site);
    if (split > level) check_record<kAccess, kSpace>(first[(byte + 1) * window.plane], site);
  }
}

/// A naturally aligned access of 1, 2, 4, 8 or 16 bytes, made by the current thread.
template <Access kAccess, unsigned kBytes>
inline void on_access(const void* pointer, const void* code) {
  const AccessSite site{kAccess, reinterpret_cast<std::uintptr_t>(pointer), kBytes, code};
  if (site.address - running.stacks_begin < running.stacks_bytes) return;
  if (site.address % kBytes != 0) [[unlikely]] misaligned_access(site);
  if (running.global.contains(site.address)) {
    if (running.counting) [[unlikely]] count_access(Space::kGlobal, site);
    check_window<kAccess, Space::kGlobal, kBytes>(running.global, site);
  } else if (running.dynamic_shared.contains(site.address)) {
    if (running.counting) [[unlikely]] count_access(Space::kShared, site);
    check_window<kAccess, Space::kShared, kBytes>(running.dynamic_shared, site);
  } else if (running.static_shared.contains(site.address)) {
    if (running.counting) [[unlikely]] count_access(Space::kShared, site);
    check_window<kAccess, Space::kShared, kBytes>(running.static_shared, site);
  } else {
    foreign_access(site);
  }
}

/// Any stretch of bytes: cut into the widest aligned pieces.
template <Access kAccess>
inline void on_range(const void* pointer, std::size_t bytes, std::size_t widest, const void* code) {
  const char* p = static_cast<const char*>(pointer);
  while (bytes > 0) {
    const std::size_t fits = reinterpret_cast<std::uintptr_t>(p) | widest | 16;
    std::size_t piece = fits & -fits;
    while (piece > bytes) piece /= 2;
    switch (piece) {
      case 16: on_access<kAccess, 16>(p, code); break;
      case 8: on_access<kAccess, 8>(p, code); break;
      case 4: on_access<kAccess, 4>(p, code); break;
      case 2: on_access<kAccess, 2>(p, code); break;
      default: on_access<kAccess, 1>(p, code);
    }
    p += piece;
    bytes -= piece;
  }
}

}  // namespace simt::core
