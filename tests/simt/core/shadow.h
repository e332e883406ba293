// Shadow memory: for every 4-byte word of device or shared memory, who wrote it last and who has read it since.
//
// Time is counted in *segments*: each stretch of one block's work between two __syncthreads has a number of its own, and so
// has each copy and memset; numbers only grow. A record with a segment from before the current block (shared memory) or from
// before what the current operation is ordered behind (global memory) is thus old without ever being cleared.
//
// A word that is accessed in halves or bytes is split: the record of byte b lives in plane b (b = 0 and 2 for halves). Planes
// other than 0 are never touched by 4-byte accesses to unsplit words, so they cost no memory.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt::core {

struct Record {
  std::uint64_t write;  ///< 0: never written
  std::uint64_t read;
};

// Both words: segment in bits 63..32, thread in 31..22, two flags in 21..20, warp stamp in 19..4.
inline constexpr int kSegmentShift = 32, kThreadShift = 22, kFlagShift = 20, kStampShift = 4;
inline constexpr std::uint64_t kThreadMask = 1023, kStampMask = 0xffff;
// Flags of a write.
inline constexpr std::uint64_t kAtomic = 1ULL << 21;         ///< the last write was an atomic
inline constexpr std::uint64_t kSeveralAtomics = 1ULL << 20;  ///< ... and others of the same segment too
// Flags of a read.
inline constexpr std::uint64_t kSeveralLanes = 1ULL << 21;  ///< lanes of one warp have read in this segment
inline constexpr std::uint64_t kSeveralWarps = 1ULL << 20;
inline constexpr std::uint64_t kSeveralBlocks = 1ULL << 3;  ///< other blocks of the same launch have read too
inline constexpr std::uint64_t kSplitMask = 3;              ///< in plane 0: 0 whole word, 1 halves, 2 bytes
/// The segment of a write that is under way (cp.async): it has not happened yet for anybody.
inline constexpr std::uint32_t kPendingSegment = 0xffffffff;

constexpr std::uint32_t segment_of(std::uint64_t word) { return static_cast<std::uint32_t>(word >> kSegmentShift); }
constexpr unsigned thread_of(std::uint64_t word) { return static_cast<unsigned>(word >> kThreadShift & kThreadMask); }
constexpr unsigned stamp_of(std::uint64_t word) { return static_cast<unsigned>(word >> kStampShift & kStampMask); }
constexpr std::uint64_t identity(std::uint32_t segment, unsigned thread, unsigned stamp) {
  return std::uint64_t{segment} << kSegmentShift | std::uint64_t{thread} << kThreadShift | std::uint64_t{stamp} << kStampShift;
}
/// Same segment, same thread, no flags.
constexpr bool same_thread(std::uint64_t word, std::uint64_t me) { return (word ^ me) >> kFlagShift == 0; }

/// A stretch of memory and its records.
struct Window {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  Record* records = nullptr;   ///< plane 0; one record per 4-byte word
  std::size_t plane = 0;       ///< records from one plane to the next

  bool contains(std::uintptr_t address) const { return address - begin < bytes; }
  Record* record(std::uintptr_t address) const { return records + (address - begin) / 4; }
};

/// Reserves zeroed address space that takes memory only where touched. Aborts the process if there is none.
void* reserve(std::size_t bytes);
/// A window over [begin, begin + bytes) with freshly reserved records.
Window make_window(std::uintptr_t begin, std::size_t bytes);

/// Calls visit(record) for each record that [address, address + bytes) touches, splitting words where the range cuts them.
/// `whole_words_join`: a word that the range covers becomes unsplit again afterwards (for writes).
template <class Visit>
void for_each_record(const Window& window, std::uintptr_t address, std::size_t bytes, bool whole_words_join, Visit visit);

/// Splits the word of `first` (its record in plane 0) so that byte or half accesses have records of their own.
inline void split_word(Record* first, std::size_t plane, unsigned level) {
  const unsigned now = static_cast<unsigned>(first->read & kSplitMask);
  if (now >= level) return;
  const Record whole{first->write, first->read & ~kSplitMask};
  if (now == 0) first[2 * plane] = whole;
  if (level == 2) {
    first[plane] = whole;
    first[3 * plane] = first[2 * plane];
  }
  first->read = (first->read & ~kSplitMask) | level;
}

template <class Visit>
void for_each_record(const Window& window, std::uintptr_t address, std::size_t bytes, bool whole_words_join, Visit visit) {
  const std::uintptr_t end = address + bytes;
  for (std::uintptr_t word = address & ~std::uintptr_t{3}; word < end; word += 4) {
    Record* first = window.record(word);
    const unsigned from = word < address ? static_cast<unsigned>(address - word) : 0;
    const unsigned to = end - word < 4 ? static_cast<unsigned>(end - word) : 4;
    if (from != 0 || to != 4) split_word(first, window.plane, (from | to) & 1 ? 2 : 1);
    const unsigned split = static_cast<unsigned>(first->read & kSplitMask);
    const unsigned step = split == 0 ? 4 : split == 1 ? 2 : 1;
    for (unsigned byte = from; byte < to; byte += step) visit(first[byte * window.plane]);
    if (whole_words_join && from == 0 && to == 4) first->read &= ~kSplitMask;
  }
}

}  // namespace simt::core
