// Memory of one training or evaluation step, planned once and reused.
//
// A network's steps ask for the same buffers in the same order as long as the batch shape and the mode stay the same. So the
// first step of a kind runs on ordinary allocations while the arena records every request and release; from that record it lays
// the buffers out in one slab, buffers whose lifetimes do not overlap sharing bytes. Every later step of that kind is served
// from the slab: no allocation, the same addresses each time (which graph capture on a GPU needs too).
// When a step departs from its record (someone retains a gradient, say), the rest of it falls back to ordinary allocations and
// the kind is recorded anew: slower once, never wrong.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <unordered_map>
#include <vector>

namespace sepia {

/// Where an arena gets its slab and its fall-back blocks from.
struct MemorySource {
  std::function<void*(std::size_t)> allocate;  ///< null when there is none left
  std::function<void(void*)> release;
  std::function<void()> trim{};  ///< gives back what has been released but not yet given back; may be empty
};

/// Figures of an arena, for summaries and tests.
struct ArenaStatistics {
  std::size_t slab_bytes = 0;            ///< bytes of the slab, the largest plan so far
  std::size_t requested_bytes = 0;       ///< sum of all requests of the last step: what it would take without sharing
  std::int64_t slab_generation = 0;      ///< counts slabs: addresses handed out under another generation are void
  std::int64_t source_allocations = 0;   ///< calls of MemorySource::allocate so far, slab included
  std::int64_t planned_allocations = 0;  ///< requests served from the slab so far
};

/// Not thread-safe: one thread runs a model's steps.
class StepArena {
 public:
  explicit StepArena(MemorySource source);
  ~StepArena();
  StepArena(const StepArena&) = delete;
  StepArena& operator=(const StepArena&) = delete;

  /// Starts a step of the given kind ("train 32x256x256x3"). Steps do not nest.
  void begin_step(const std::string& kind);
  /// Ends it. Buffers still alive outlive the step: they are ordinary allocations, now and in every later step of this kind.
  /// Does not throw: without memory for a larger slab, steps of this kind go on with ordinary allocations.
  void end_step();
  bool in_step() const { return current_ != nullptr; }

  /// A block of at least `bytes` bytes aligned to 64. Throws kMemory when there is none left.
  void* allocate(std::size_t bytes);
  void release(void* pointer);

  const ArenaStatistics& statistics() const { return statistics_; }

 private:
  struct Request {
    std::size_t bytes = 0;
    std::int64_t born = 0, died = -1;  // event numbers; -1: outlives the step
    std::size_t offset = 0;
  };
  struct Plan {
    std::vector<Request> requests;
    std::vector<std::int64_t> events;  // +i+1: request i was made, -(i+1): it was released
    std::size_t bytes = 0;
    bool ready = false;
  };

  void* allocate_from_source(std::size_t bytes);
  bool next_event_is(std::int64_t event) const;
  static void lay_out(Plan& plan);
  bool slab_is_empty() const;
  bool fit_slab(std::size_t bytes);
  void release_retired(const void* pointer);

  MemorySource source_;
  std::map<std::string, Plan> plans_;
  Plan* current_ = nullptr;
  bool replaying_ = false, diverged_ = false;
  std::size_t next_request_ = 0, next_event_ = 0;
  std::unordered_map<void*, std::int64_t> live_;  // block -> request of this step, or -1: outlived its step
  struct Slab {
    std::byte* begin = nullptr;
    std::size_t bytes = 0;
    bool holds(const void* pointer) const;
  };
  Slab slab_;                  // the one in use
  std::vector<Slab> retired_;  // slabs in which a block outlived a step that departed from its record
  ArenaStatistics statistics_;
};

}  // namespace sepia
