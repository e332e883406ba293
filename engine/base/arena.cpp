#include "engine/base/arena.h"

#include <algorithm>
#include <cassert>
#include <numeric>
#include <utility>

#include "engine/base/error.h"

namespace sepia {
namespace {

constexpr std::size_t kAlignment = 64;

std::size_t rounded_up(std::size_t bytes) { return (std::max<std::size_t>(bytes, 1) + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

StepArena::StepArena(MemorySource source) : source_(std::move(source)) {}

StepArena::~StepArena() {
  if (slab_.begin) source_.release(slab_.begin);
  for (const Slab& slab : retired_) source_.release(slab.begin);
}

bool StepArena::Slab::holds(const void* pointer) const {
  const auto* byte = static_cast<const std::byte*>(pointer);
  return begin && byte >= begin && byte < begin + bytes;
}

bool StepArena::slab_is_empty() const {
  return std::ranges::none_of(live_, [&](const auto& block) { return slab_.holds(block.first); });
}

// False when there is no memory for it: every plan is made anew then, since the old slab is gone.
bool StepArena::fit_slab(std::size_t bytes) {
  if (bytes <= slab_.bytes) return true;
  if (slab_.begin) source_.release(slab_.begin);
  slab_ = {};
  statistics_.slab_bytes = 0;
  // The blocks of the step that was recorded are released, and the slab is to take their place, not to come on top of them.
  if (source_.trim) source_.trim();
  ++statistics_.source_allocations;
  auto* begin = static_cast<std::byte*>(source_.allocate(bytes));
  if (!begin) {
    for (auto& [kind, plan] : plans_) plan.ready = false;
    return false;
  }
  slab_ = {begin, bytes};
  ++statistics_.slab_generation;
  statistics_.slab_bytes = bytes;
  return true;
}

// A retired slab goes when its last block does.
void StepArena::release_retired(const void* pointer) {
  const auto slab = std::ranges::find_if(retired_, [&](const Slab& candidate) { return candidate.holds(pointer); });
  if (std::ranges::any_of(live_, [&](const auto& block) { return slab->holds(block.first); })) return;
  source_.release(slab->begin);
  retired_.erase(slab);
}

void StepArena::begin_step(const std::string& kind) {
  assert(!current_);
  current_ = &plans_[kind];
  replaying_ = current_->ready;
  diverged_ = false;
  next_request_ = next_event_ = 0;
  statistics_.requested_bytes = 0;
  if (!replaying_) *current_ = Plan{};
}

void StepArena::end_step() {
  assert(current_);
  const bool departed = replaying_ && (diverged_ || next_event_ != current_->events.size());
  if (departed) {
    *current_ = Plan{};  // record the next step of this kind
    if (!slab_is_empty()) {
      retired_.push_back(std::exchange(slab_, {}));
      statistics_.slab_bytes = 0;
      plans_.clear();
    }
  } else if (!replaying_) {
    lay_out(*current_);
    current_->ready = fit_slab(current_->bytes);  // nothing lives in the slab now: what outlives a recorded step is an ordinary allocation
  }
  for (auto& [pointer, request] : live_) request = -1;
  current_ = nullptr;
}

void* StepArena::allocate_from_source(std::size_t bytes) {
  ++statistics_.source_allocations;
  void* pointer = source_.allocate(bytes);
  SEPIA_CHECK_KIND(pointer, ErrorKind::kMemory, "out of memory: ", bytes >> 20,
                   " MiB more were needed; try a smaller --batch-size or --image-size");
  return pointer;
}

bool StepArena::next_event_is(std::int64_t event) const {
  return next_event_ < current_->events.size() && current_->events[next_event_] == event;
}

void* StepArena::allocate(std::size_t bytes) {
  bytes = rounded_up(bytes);
  if (!current_) {
    void* pointer = allocate_from_source(bytes);
    live_[pointer] = -1;
    return pointer;
  }
  statistics_.requested_bytes += bytes;
  const std::int64_t id = static_cast<std::int64_t>(next_request_++);
  if (replaying_ && !diverged_) {
    if (next_event_is(id + 1) && current_->requests[static_cast<std::size_t>(id)].bytes == bytes) {
      ++next_event_;
      const Request& request = current_->requests[static_cast<std::size_t>(id)];
      if (request.died >= 0) {
        ++statistics_.planned_allocations;
        void* pointer = slab_.begin + request.offset;
        live_[pointer] = id;
        return pointer;
      }
    } else {
      diverged_ = true;
    }
  }
  void* pointer = allocate_from_source(bytes);
  if (!replaying_) {
    current_->requests.push_back({.bytes = bytes, .born = static_cast<std::int64_t>(current_->events.size())});
    current_->events.push_back(id + 1);
  }
  live_[pointer] = id;
  return pointer;
}

void StepArena::release(void* pointer) {
  const auto found = live_.find(pointer);
  assert(found != live_.end());
  const std::int64_t id = found->second;
  live_.erase(found);
  const bool of_this_step = current_ && id >= 0;
  if (of_this_step && !replaying_) {
    current_->requests[static_cast<std::size_t>(id)].died = static_cast<std::int64_t>(current_->events.size());
    current_->events.push_back(-(id + 1));
  } else if (of_this_step && !diverged_) {
    if (next_event_is(-(id + 1))) {
      ++next_event_;
    } else {
      diverged_ = true;
    }
  }
  if (slab_.holds(pointer)) return;
  if (std::ranges::any_of(retired_, [&](const Slab& slab) { return slab.holds(pointer); })) {
    release_retired(pointer);
  } else {
    source_.release(pointer);
  }
}

// Interval packing, largest first: each buffer takes the lowest offset at which no buffer alive at the same time lies.
void StepArena::lay_out(Plan& plan) {
  std::vector<std::size_t> order(plan.requests.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::ranges::stable_sort(order, std::greater{}, [&](std::size_t i) { return plan.requests[i].bytes; });
  std::vector<std::size_t> placed;
  std::vector<std::pair<std::size_t, std::size_t>> taken;  // [begin, end) of buffers alive at the same time
  for (const std::size_t i : order) {
    Request& request = plan.requests[i];
    if (request.died < 0) continue;
    taken.clear();
    for (const std::size_t j : placed) {
      const Request& other = plan.requests[j];
      if (other.born < request.died && request.born < other.died) taken.emplace_back(other.offset, other.offset + other.bytes);
    }
    std::ranges::sort(taken);
    std::size_t offset = 0;
    for (const auto& [begin, end] : taken) {
      if (begin >= offset + request.bytes) break;
      offset = std::max(offset, end);
    }
    request.offset = offset;
    plan.bytes = std::max(plan.bytes, offset + request.bytes);
    placed.push_back(i);
  }
}

}  // namespace sepia
