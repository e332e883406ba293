// Streams: queues whose operations run when somebody waits, in an order drawn from the seed. What must happen before what is
// known when an operation is put into its queue (a vector clock: for each stream, how many of its operations come first), so
// that a missing wait is seen whatever order was drawn.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/simt/core/guard.h"
#include "tests/simt/include/simt/runtime_api.h"

namespace simt::core {

using Stream = CUstream_st;
using Event = CUevent_st;
using Graph = CUgraph_st;
using GraphExec = CUgraphExec_st;

/// For each stream (by number) how many of its operations are ordered before.
class Clock {
 public:
  std::uint32_t at(std::size_t stream) const { return stream < counts_.size() ? counts_[stream] : 0; }
  void set(std::size_t stream, std::uint32_t count) {
    if (stream >= counts_.size()) counts_.resize(stream + 1, 0);
    counts_[stream] = count;
  }
  void merge(const Clock& other) {
    for (std::size_t s = 0; s < other.counts_.size(); ++s) {
      if (other.counts_[s] > at(s)) set(s, other.counts_[s]);
    }
  }
  std::size_t streams() const { return counts_.size(); }

 private:
  std::vector<std::uint32_t> counts_;
};

/// An operation's work.
struct Work {
  /// Gets the highest segment number up to which everything is ordered before the operation (Running::ordered).
  std::function<void(std::uint32_t ordered)> run;
  HostRange host{};  ///< page-locked memory that the host must leave alone until it has waited
};

/// A recorded operation of a graph: its clock counts the operations of the capture's own streams.
struct Recorded {
  std::size_t slot;
  Clock clock;
  Work work;
};

/// A capture under way.
struct Capture {
  cudaStreamCaptureMode mode{};
  Stream* origin = nullptr;
  std::vector<Stream*> streams;         ///< by slot; slot 0 is the origin
  std::vector<std::uint32_t> counts;    ///< operations recorded per slot
  std::vector<Recorded> operations;
  bool invalid = false;
};

}  // namespace simt::core

struct CUstream_st {
  std::size_t number = 0;  ///< its place in clocks
  bool blocking = true;    ///< orders itself with the default stream
  simt::core::Clock clock;       ///< what its next operation comes after
  std::uint32_t issued = 0;
  simt::core::Capture* capture = nullptr;
  std::size_t slot = 0;          ///< within the capture
  simt::core::Clock capture_clock;     ///< what its next recorded operation comes after
};

struct CUevent_st {
  bool recorded = false;
  simt::core::Clock clock;
  simt::core::Capture* capture = nullptr;  ///< recorded inside this capture: clock counts its operations
  std::shared_ptr<double> milliseconds = std::make_shared<double>(0);  ///< when the record was carried out
};

struct CUgraph_st {
  std::size_t slots = 1;
  std::vector<simt::core::Recorded> operations;
};

struct CUgraphExec_st {
  std::size_t slots = 1;
  std::vector<simt::core::Recorded> operations;
  std::vector<CUstream_st*> streams;  ///< for the slots past the first
};

namespace simt::core {

Stream* make_stream(bool blocking);
void destroy_stream(Stream* stream);
/// The default stream for null; null for a handle that is none.
Stream* stream_of(Stream* handle);

/// Puts work into the stream's queue, or into the graph it records.
cudaError_t enqueue(Stream* stream, Work work);

/// Runs operations, of this stream and of others as the seed has it, until `clock` has come to pass.
void run_until(const Clock& clock);
/// Waits as the host: what it enqueues afterwards is ordered behind.
void host_waits_for(const Clock& clock);
void host_waits_for_all();
bool has_happened(const Clock& clock);
/// Runs all that is in the queues; unlike waiting, this orders nothing.
void run_all();
/// Runs one operation if any is ready.
void make_progress();

/// Whether the operation that ran with `segment` is ordered before the one that runs now.
bool ordered_operation(std::uint32_t segment);
/// "stream 2, operation 5", for texts.
std::string operation_name(std::uint32_t segment);

/// Streams that record now; capture modes that forbid a call to the whole program.
bool capture_forbids_unsafe_calls();
void invalidate_captures();

}  // namespace simt::core
