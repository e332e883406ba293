#include "tests/simt/core/fault.h"

#include <algorithm>
#include <cstdio>
#include <set>
#include <utility>

#include "tests/simt/core/block.h"
#include "tests/simt/core/forever.h"
#include "tests/simt/core/guard.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/stream.h"
#include "tests/simt/core/symbols.h"

namespace simt::core {
namespace {

/// A note and who made it.
struct Noted {
  FaultNote note;
  uint3 block{}, thread{};
};

struct State {
  std::vector<Noted> notes;
  std::set<std::pair<FaultKind, const void*>> noted_places;
  std::vector<std::string> lines;
};
Forever<State> state;
auto& [notes, noted_places, lines] = state.get();
std::size_t told = 0;  ///< lines that somebody has asked for

std::string text_of(uint3 v) { return "(" + std::to_string(v.x) + "," + std::to_string(v.y) + "," + std::to_string(v.z) + ")"; }

/// "block (0,0,0) thread (5,0,0)" of the thread that left a record in this launch.
std::string who_left(std::uint64_t record) {
  const auto& first = machine.first_segments;
  const auto at = std::upper_bound(first.begin(), first.end(), segment_of(record)) - first.begin() - 1;
  if (at < 0) return "somebody";
  const std::uint32_t number = machine.block_numbers[static_cast<std::size_t>(at)];
  const dim3 grid = machine.launch->grid;
  const uint3 block{number % grid.x, number / grid.x % grid.y, number / grid.x / grid.y};
  return "block " + text_of(block) + " thread " + text_of(machine.threads[thread_of(record)].index);
}

std::string describe_place(const AccessSite& site) {
  char buffer[256];
  if (running.global.contains(site.address)) {
    const Place place = find_place(site.address), next = next_place(site.address);
    if (!place.live && !place.freed && next.live && next.begin - site.address < site.address - (place.begin + place.bytes)) {
      std::snprintf(buffer, sizeof buffer, "global memory (%zu bytes before allocation %u)",
                    static_cast<std::size_t>(next.begin - site.address), next.number);
      return buffer;
    }
    if (place.begin == 0) return "device memory that was never allocated";
    std::snprintf(buffer, sizeof buffer, "global memory (byte %zu of allocation %u, which has %zu)",
                  static_cast<std::size_t>(site.address - place.begin), place.number, place.bytes);
    return buffer;
  }
  if (running.static_shared.contains(site.address)) {
    const std::size_t offset = site.address - running.static_shared.begin;
    const SharedVariable variable = shared_variable_at(offset);
    std::snprintf(buffer, sizeof buffer, "shared memory (byte %zu of %s, which has %zu)", offset - variable.begin, variable.name.c_str(),
                  variable.bytes);
    return buffer;
  }
  if (site.address - running.around_begin < running.around_bytes) {
    std::snprintf(buffer, sizeof buffer, "dynamic shared memory (byte %td of %zu)",
                  static_cast<std::ptrdiff_t>(site.address - running.dynamic_shared.begin), running.dynamic_shared.bytes);
    return buffer;
  }
  std::snprintf(buffer, sizeof buffer, "host memory (%p)", reinterpret_cast<void*>(site.address));
  return buffer;
}

const char* verb(Access access) {
  switch (access) {
    case Access::kRead:
      return "read";
    case Access::kWrite:
      return "write";
    case Access::kAtomic:
      return "atomic";
  }
  return "access";
}

std::string describe(const FaultNote& note) {
  const std::string access = std::to_string(note.site.bytes) + "-byte " + verb(note.site.access) + " of ";
  const std::string conflict = std::string(note.other_is_write ? "written" : "read") + " by ";
  switch (note.kind) {
    case FaultKind::kRaceInBlock:
      return "race: " + access + describe_place(note.site) + ", " + conflict + who_left(note.other) + " with no barrier between";
    case FaultKind::kRaceBetweenBlocks:
      return "race between blocks: " + access + describe_place(note.site) + ", " + conflict + who_left(note.other) + " in the same launch";
    case FaultKind::kRaceBetweenStreams:
      return "race between streams: " + access + describe_place(note.site) + ", " + conflict + operation_name(segment_of(note.other)) +
             ", which nothing orders before";
    case FaultKind::kOutOfBounds:
      return "out of bounds: " + access + describe_place(note.site);
    case FaultKind::kUseAfterFree:
      return "use after free: " + access + describe_place(note.site);
    case FaultKind::kNeverWritten:
      return "never written: " + access + describe_place(note.site);
    case FaultKind::kMisaligned:
      return "misaligned: " + access + describe_place(note.site);
    case FaultKind::kPendingCopy:
      return "asynchronous copy not waited for: " + access + describe_place(note.site);
    case FaultKind::kHostMemory:
      return "host memory: " + access + describe_place(note.site) + " by device code";
    case FaultKind::kDivergentBarrier:
      return "divergent barrier: some threads wait here, others at " + source_line(note.other_code);
    case FaultKind::kEarlyReturn:
      return "early return: some threads wait at this barrier, others have left the kernel";
    case FaultKind::kDivergentWarp:
      return "divergent warp: " + (!note.text.empty()         ? note.text
                                   : note.other_code != nullptr ? "other lanes wait at " + source_line(note.other_code)
                                                                : "not all lanes of the mask come to this warp operation");
    case FaultKind::kTrap:
      return "trap: " + note.text;
  }
  return note.text;
}

/// The same barrier of the source may be two instructions: no fault then.
bool is_real(const FaultNote& note) {
  return note.kind != FaultKind::kDivergentBarrier || source_line(note.site.code) != source_line(note.other_code);
}

}  // namespace

void note_fault(FaultNote note) {
  if (notes.size() >= 64 || !noted_places.emplace(note.kind, note.site.code).second) return;
  notes.push_back({std::move(note), machine.block, machine.current->index});
}

void fatal_fault(FaultNote note) {
  note_fault(std::move(note));
  abort_kernel();
}

void report_fault(std::string text) { lines.push_back(std::move(text)); }

void finish_faults() {
  for (const Noted& noted : notes) {
    if (!is_real(noted.note)) continue;
    lines.push_back(describe(noted.note) + "; kernel " + machine.kernel_name + ", block " + text_of(noted.block) + " thread " +
                    text_of(noted.thread) + ", " + source_line(noted.note.site.code));
  }
  notes.clear();
  noted_places.clear();
}

const std::vector<std::string>& faults() {
  collect_host_touches();
  return lines;
}
void faults_are_told() { told = lines.size(); }

void print_untold_faults() {
  for (std::size_t i = told; i < lines.size(); ++i) std::fprintf(stderr, "simt: %s\n", lines[i].c_str());
}

void clear_faults() {
  collect_host_touches();
  lines.clear();
  told = 0;
}

}  // namespace simt::core
