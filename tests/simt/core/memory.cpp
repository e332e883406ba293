#include "tests/simt/core/memory.h"

#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <map>

#include "tests/simt/core/running.h"

namespace simt::core {
namespace {

constexpr std::size_t kArenaBytes = std::size_t{32} << 30;
constexpr std::size_t kAlignment = 256;
constexpr std::size_t kFreedRemembered = 20000;
constexpr std::size_t kDefaultTotal = std::size_t{16} << 30;

struct Arena {
  std::uintptr_t begin = 0, next = 0;
  std::map<std::uintptr_t, Place> places;  ///< live ones, and those that were freed not long ago
  std::deque<std::uintptr_t> freed;        ///< these, the oldest first
  Place last;  ///< the allocation that was asked for last, while it lives
  std::size_t used = 0, total = kDefaultTotal;
  unsigned count = 0;
};

std::size_t total_from_environment() {
  const char* text = std::getenv("SEPIA_SIMT_MEMORY");
  const std::size_t bytes = text ? std::strtoull(text, nullptr, 10) : 0;
  return bytes ? bytes : kDefaultTotal;
}

Arena& arena() {
  static Arena* const made = [] {
    auto* fresh = new Arena;
    fresh->begin = fresh->next = reinterpret_cast<std::uintptr_t>(reserve(kArenaBytes));
    fresh->total = total_from_environment();
    running.global = make_window(fresh->begin, kArenaBytes);
    return fresh;
  }();
  return *made;
}

std::map<std::uintptr_t, std::size_t>& pinned() {
  static auto* const map = new std::map<std::uintptr_t, std::size_t>;
  return *map;
}

/// Gives whole pages back to the system (they read as zero afterwards) and clears the rest by hand.
void clear_pages(void* begin, std::size_t bytes) {
  const auto page = static_cast<std::uintptr_t>(getpagesize());
  const auto from = reinterpret_cast<std::uintptr_t>(begin), to = from + bytes;
  const std::uintptr_t first = (from + page - 1) / page * page, last = to / page * page;
  if (first >= last) {
    std::memset(begin, 0, bytes);
    return;
  }
  std::memset(begin, 0, first - from);
  madvise(reinterpret_cast<void*>(first), last - first, MADV_DONTNEED);
  std::memset(reinterpret_cast<void*>(last), 0, to - last);
}

/// Whole pages for each allocation, so that a freed one gives its memory back. It begins kAlignment into its first page: aligned to
/// no more than cudaMalloc promises, and with room before it.
constexpr std::size_t kPage = 4096;
constexpr std::size_t footprint(std::size_t bytes) { return (kAlignment + bytes + kAlignment + kPage - 1) / kPage * kPage; }

/// Room for `bytes` at or after `next`, past whatever lives there; drops the memory of freed allocations in the way.
std::uintptr_t find_room(Arena& a, std::size_t bytes) {
  for (int round = 0; round < 2; ++round) {
    std::uintptr_t from = a.next;
    while (from + bytes <= a.begin + kArenaBytes) {
      auto blocking = std::find_if(a.places.lower_bound(from), a.places.end(), [](const auto& entry) { return entry.second.live; });
      if (blocking == a.places.end() || blocking->first >= from + bytes) {
        a.places.erase(a.places.lower_bound(from), a.places.lower_bound(from + bytes));
        a.next = from + bytes;
        return from;
      }
      from = blocking->first - kAlignment + footprint(blocking->second.bytes);
    }
    a.next = a.begin;
  }
  return 0;
}

}  // namespace

void* reserve(std::size_t bytes) {
  void* p = mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
  if (p == MAP_FAILED) {
    std::fprintf(stderr, "simt: cannot reserve %zu bytes of address space\n", bytes);
    std::abort();
  }
  return p;
}

Window make_window(std::uintptr_t begin, std::size_t bytes) {
  const std::size_t plane = bytes / 4 + 8;
  return {begin, bytes, static_cast<Record*>(reserve(4 * plane * sizeof(Record))), plane};
}

void* allocate_device(std::size_t bytes) {
  Arena& a = arena();
  if (bytes > a.total - std::min(a.used, a.total)) return nullptr;
  const std::uintptr_t room = find_room(a, footprint(bytes));
  if (room == 0) return nullptr;
  const std::uintptr_t begin = room + kAlignment;
  a.places[begin] = {begin, bytes, ++a.count, true, false};
  a.used += bytes;
  return reinterpret_cast<void*>(begin);
}

bool free_device(void* pointer) {
  Arena& a = arena();
  const auto found = a.places.find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == a.places.end() || !found->second.live) return false;
  Place& place = found->second;
  place.live = false;
  place.freed = true;
  a.last = {};
  a.used -= place.bytes;
  const std::uintptr_t room = place.begin - kAlignment;
  madvise(reinterpret_cast<void*>(room), footprint(place.bytes), MADV_DONTNEED);
  madvise(running.global.record(room), footprint(place.bytes) / 4 * sizeof(Record), MADV_DONTNEED);
  a.freed.push_back(place.begin);
  if (a.freed.size() > kFreedRemembered) {
    const auto oldest = a.places.find(a.freed.front());
    if (oldest != a.places.end() && oldest->second.freed) a.places.erase(oldest);  // its address may be in use again
    a.freed.pop_front();
  }
  return true;
}

void forget_contents(std::uintptr_t address, std::size_t bytes) {
  if (bytes == 0) return;
  const Window& window = running.global;
  const bool ragged = address % 4 != 0;
  if (ragged) {  // the bytes before the first whole word keep their records
    const std::size_t head = std::min<std::size_t>(4 - address % 4, bytes);
    for_each_record(window, address, head, false, [](Record& record) { record = {0, record.read & kSplitMask}; });
    return forget_contents(address + head, bytes - head);
  }
  const std::size_t words = bytes / 4;
  clear_pages(window.record(address), words * sizeof(Record));  // plane 0 clear means unsplit: the others are made anew from it
  if (bytes % 4 != 0) {
    for_each_record(window, address + 4 * words, bytes % 4, false, [](Record& record) { record = {0, record.read & kSplitMask}; });
  }
}

Place find_place(std::uintptr_t address) {
  Arena& a = arena();
  if (address - a.last.begin < a.last.bytes) return a.last;
  auto after = a.places.upper_bound(address);
  if (after == a.places.begin()) return {};
  --after;
  Place place = after->second;
  if (address - place.begin >= place.bytes) {
    place.live = place.freed = false;
  } else if (place.live) {
    a.last = place;
  }
  return place;
}

Place next_place(std::uintptr_t address) {
  const auto after = arena().places.upper_bound(address);
  return after == arena().places.end() ? Place{} : after->second;
}

std::vector<Place> live_allocations() {
  std::vector<Place> live;
  for (const auto& [begin, place] : arena().places) {
    if (place.live) live.push_back(place);
  }
  return live;
}

std::size_t device_bytes_used() { return arena().used; }
std::size_t device_bytes_total() { return arena().total; }
void set_device_bytes_total(std::size_t bytes) { arena().total = bytes ? bytes : total_from_environment(); }

void* allocate_pinned(std::size_t bytes) {
  const auto page = static_cast<std::size_t>(getpagesize());
  void* p = mmap(nullptr, (bytes + page - 1) / page * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  if (p == MAP_FAILED) return nullptr;
  pinned()[reinterpret_cast<std::uintptr_t>(p)] = bytes;
  return p;
}

bool free_pinned(void* pointer) {
  const auto found = pinned().find(reinterpret_cast<std::uintptr_t>(pointer));
  if (found == pinned().end()) return false;
  const auto page = static_cast<std::size_t>(getpagesize());
  munmap(pointer, (found->second + page - 1) / page * page);
  pinned().erase(found);
  return true;
}

bool is_pinned(std::uintptr_t address) {
  auto after = pinned().upper_bound(address);
  if (after == pinned().begin()) return false;
  --after;
  return address - after->first < after->second;
}

bool is_device(const void* pointer) {
  arena();
  return running.global.contains(reinterpret_cast<std::uintptr_t>(pointer));
}

}  // namespace simt::core
