#include "tests/simt/core/stream.h"

#include <algorithm>
#include <deque>
#include <set>

#include "tests/simt/core/block.h"
#include "tests/simt/core/forever.h"

namespace simt::core {
namespace {

struct Operation {
  std::size_t stream;
  std::uint32_t number;  ///< within its stream, from 1
  Clock clock;
  Work work;
};

/// An operation that has run but that not everything after it is ordered behind yet.
struct Done {
  std::uint32_t first_segment, last_segment;
  std::size_t stream;
  std::uint32_t number;
};

struct State {
  std::vector<std::deque<Operation>> queues;  ///< by stream number
  std::vector<std::uint32_t> executed;        ///< by stream number
  std::vector<std::size_t> free_numbers;
  std::set<Stream*> streams;
  std::vector<Done> done;  ///< in the order of segments
  std::vector<std::pair<std::size_t, std::uint32_t>> guards;  ///< operations that guard host memory: stream, number
  Clock host;              ///< what the host has waited for
};
Forever<State> state;
auto& [queues, executed, free_numbers, streams, done, guards, host] = state.get();
const Operation* now = nullptr;
Stream* default_stream = nullptr;

std::uint64_t guard_number(std::size_t stream, std::uint32_t number) { return std::uint64_t{stream} << 32 | number; }

bool is_ready(const Operation& operation) {
  for (std::size_t s = 0; s < operation.clock.streams(); ++s) {
    const std::uint32_t needed = operation.clock.at(s) - (s == operation.stream ? 1 : 0);
    if (s < executed.size() && executed[s] < needed) return false;
  }
  return true;
}

/// Whatever the host has waited for is ordered before all that comes later: its records need no look-up.
void forget_old_operations() {
  std::erase_if(done, [](const Done& d) { return host.at(d.stream) >= d.number; });
  std::erase_if(guards, [](const auto& guard) {
    if (host.at(guard.first) < guard.second) return false;
    release_host_range(guard_number(guard.first, guard.second));
    return true;
  });
}

void execute(std::size_t stream) {
  const Operation operation = std::move(queues[stream].front());
  queues[stream].pop_front();
  now = &operation;
  std::uint32_t ordered = UINT32_MAX;
  for (const Done& d : done) {
    if (operation.clock.at(d.stream) < d.number) {
      ordered = d.first_segment - 1;
      break;
    }
  }
  const std::uint32_t first = next_segment();
  operation.work.run(std::min(ordered, first));
  done.push_back({first, next_segment(), stream, operation.number});
  executed[stream] = operation.number;
  now = nullptr;
  close_host_pages();
}

bool run_one() {
  std::vector<std::size_t> candidates;
  for (std::size_t s = 0; s < queues.size(); ++s) {
    if (!queues[s].empty() && is_ready(queues[s].front())) candidates.push_back(s);
  }
  if (candidates.empty()) return false;
  execute(candidates[candidates.size() == 1 ? 0 : random_below(static_cast<std::uint32_t>(candidates.size()))]);
  return true;
}

const Done* find_done(std::uint32_t segment) {
  const auto after =
      std::upper_bound(done.begin(), done.end(), segment, [](std::uint32_t s, const Done& d) { return s < d.first_segment; });
  if (after == done.begin() || segment > (after - 1)->last_segment) return nullptr;
  return &*(after - 1);
}

cudaError_t record(Stream* stream, Work work) {
  Capture& capture = *stream->capture;
  if (capture.invalid) return cudaErrorStreamCaptureInvalidated;
  stream->capture_clock.set(stream->slot, ++capture.counts[stream->slot]);
  capture.operations.push_back({stream->slot, stream->capture_clock, std::move(work)});
  return cudaSuccess;
}

/// The default stream waits for all blocking streams and they for it.
void order_with_default_stream(Stream* stream) {
  if (!stream->blocking || streams.size() == 1) return;
  if (stream != default_stream) {
    stream->clock.merge(default_stream->clock);
    return;
  }
  for (const Stream* other : streams) {
    if (other->blocking) stream->clock.merge(other->clock);
  }
}

}  // namespace

Stream* make_stream(bool blocking) {
  auto* stream = new Stream;
  stream->blocking = blocking;
  if (free_numbers.empty()) {
    stream->number = queues.size();
    queues.emplace_back();
    executed.push_back(0);
  } else {
    stream->number = free_numbers.back();
    free_numbers.pop_back();
    stream->issued = executed[stream->number];
  }
  streams.insert(stream);
  return stream;
}

void destroy_stream(Stream* stream) {
  run_until(stream->clock);
  free_numbers.push_back(stream->number);
  streams.erase(stream);
  delete stream;
}

Stream* stream_of(Stream* handle) {
  if (!default_stream) default_stream = make_stream(true);
  if (!handle) return default_stream;
  return streams.contains(handle) ? handle : nullptr;
}

cudaError_t enqueue(Stream* stream, Work work) {
  if (stream->capture) return record(stream, std::move(work));
  if (stream == default_stream && capture_forbids_unsafe_calls()) {
    for (const Stream* other : streams) {
      if (other->capture && other->blocking) {
        other->capture->invalid = true;
        return cudaErrorStreamCaptureImplicit;
      }
    }
  }
  order_with_default_stream(stream);
  stream->clock.merge(host);
  stream->clock.set(stream->number, ++stream->issued);
  if (work.host.bytes > 0) {
    guard_host_range(guard_number(stream->number, stream->issued), work.host);
    guards.emplace_back(stream->number, stream->issued);
  }
  queues[stream->number].push_back({stream->number, stream->issued, stream->clock, std::move(work)});
  constexpr std::size_t kLongQueue = 4096;  // a program that never waits must not fill the memory with its plans
  if (queues[stream->number].size() > kLongQueue) make_progress();
  return cudaSuccess;
}

bool has_happened(const Clock& clock) {
  for (std::size_t s = 0; s < clock.streams(); ++s) {
    if (executed[s] < clock.at(s)) return false;
  }
  return true;
}

void run_until(const Clock& clock) {
  if (has_happened(clock)) return;
  const DeviceMemoryOpen open;
  while (!has_happened(clock) && run_one()) {
  }
}

void host_waits_for(const Clock& clock) {
  run_until(clock);
  host.merge(clock);
  forget_old_operations();
}

void host_waits_for_all() {
  Clock all;
  for (std::size_t s = 0; s < queues.size(); ++s) all.set(s, queues[s].empty() ? executed[s] : queues[s].back().number);
  host_waits_for(all);
}

void run_all() {
  const DeviceMemoryOpen open;
  while (run_one()) {
  }
}

void make_progress() {
  const DeviceMemoryOpen open;
  run_one();
}

bool ordered_operation(std::uint32_t segment) {
  const Done* other = find_done(segment);
  return !other || !now || now->clock.at(other->stream) >= other->number;
}

std::string operation_name(std::uint32_t segment) {
  const Done* other = find_done(segment);
  if (!other) return "an earlier operation";
  return "operation " + std::to_string(other->number) + " of stream " + std::to_string(other->stream);
}

bool capture_forbids_unsafe_calls() {
  return std::any_of(streams.begin(), streams.end(),
                     [](const Stream* s) { return s->capture && s->capture->mode != cudaStreamCaptureModeRelaxed; });
}

void invalidate_captures() {
  for (Stream* stream : streams) {
    if (stream->capture) stream->capture->invalid = true;
  }
}

}  // namespace simt::core
