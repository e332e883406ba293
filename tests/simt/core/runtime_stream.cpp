// Runtime calls: streams, events, graphs.
#include <chrono>
#include <memory>
#include <set>

#include "tests/simt/core/runtime.h"
#include "tests/simt/core/stream.h"

using namespace simt::core;

namespace {

double now_in_milliseconds() {
  return std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

std::set<Event*>& events() {
  static auto* const all = new std::set<Event*>;
  return *all;
}

/// A stream's part in a capture: from now on it records.
void join_capture(Capture& capture, Stream* stream) {
  stream->capture = &capture;
  stream->slot = capture.streams.size();
  stream->capture_clock = {};
  capture.streams.push_back(stream);
  capture.counts.push_back(0);
}

/// Puts the operations of a graph into the queues: slot 0 is the launching stream, the others run on streams of the graph.
void replay(const GraphExec& graph, Stream* launching) {
  std::vector<Stream*> streams{launching};
  streams.insert(streams.end(), graph.streams.begin(), graph.streams.end());
  std::vector<std::uint32_t> base;
  for (Stream* stream : streams) {
    if (stream != launching) stream->clock.merge(launching->clock);
    base.push_back(stream->issued);
  }
  for (const Recorded& operation : graph.operations) {
    Stream* stream = streams[operation.slot];
    for (std::size_t slot = 0; slot < streams.size(); ++slot) {
      Clock needed;
      if (operation.clock.at(slot) == 0 || slot == operation.slot) continue;
      needed.set(streams[slot]->number, base[slot] + operation.clock.at(slot));
      stream->clock.merge(needed);
    }
    enqueue(stream, operation.work);
  }
  for (const Stream* stream : streams) launching->clock.merge(stream->clock);
}

}  // namespace

cudaError_t cudaStreamCreateWithFlags(cudaStream_t* stream, unsigned flags) {
  const DeviceLock lock(device_lock());
  stream_of(nullptr);
  *stream = make_stream((flags & cudaStreamNonBlocking) == 0);
  return cudaSuccess;
}
cudaError_t cudaStreamCreate(cudaStream_t* stream) { return cudaStreamCreateWithFlags(stream, cudaStreamDefault); }
cudaError_t cudaStreamCreateWithPriority(cudaStream_t* stream, unsigned flags, int) { return cudaStreamCreateWithFlags(stream, flags); }

cudaError_t cudaStreamDestroy(cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = handle ? stream_of(handle) : nullptr;
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) stream->capture->invalid = true;
  destroy_stream(stream);
  return cudaSuccess;
}

cudaError_t cudaStreamSynchronize(cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  host_waits_for(stream->clock);
  return remember(asynchronous_error());
}

cudaError_t cudaStreamQuery(cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  make_progress();
  if (!has_happened(stream->clock)) return cudaErrorNotReady;
  host_waits_for(stream->clock);
  return remember(asynchronous_error());
}

cudaError_t cudaStreamWaitEvent(cudaStream_t handle, cudaEvent_t event, unsigned) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream || !events().contains(event)) return remember(cudaErrorInvalidResourceHandle);
  if (!event->recorded) return cudaSuccess;
  if (!event->capture) {
    if (stream->capture) {
      stream->capture->invalid = true;
      return remember(cudaErrorStreamCaptureIsolation);
    }
    stream->clock.merge(event->clock);
    return cudaSuccess;
  }
  if (stream->capture && stream->capture != event->capture) {
    stream->capture->invalid = event->capture->invalid = true;
    return remember(cudaErrorStreamCaptureMerge);
  }
  if (!stream->capture) join_capture(*event->capture, stream);
  stream->capture_clock.merge(event->clock);
  return cudaSuccess;
}

cudaError_t cudaLaunchHostFunc(cudaStream_t handle, cudaHostFn_t function, void* data) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  return remember(enqueue(stream, {[=](std::uint32_t) { function(data); }}));
}

cudaError_t cudaEventCreateWithFlags(cudaEvent_t* event, unsigned) {
  const DeviceLock lock(device_lock());
  *event = new Event;
  events().insert(*event);
  return cudaSuccess;
}
cudaError_t cudaEventCreate(cudaEvent_t* event) { return cudaEventCreateWithFlags(event, cudaEventDefault); }

cudaError_t cudaEventDestroy(cudaEvent_t event) {
  const DeviceLock lock(device_lock());
  if (!events().erase(event)) return remember(cudaErrorInvalidResourceHandle);
  delete event;
  return cudaSuccess;
}

cudaError_t cudaEventRecord(cudaEvent_t event, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream || !events().contains(event)) return remember(cudaErrorInvalidResourceHandle);
  event->recorded = true;
  event->capture = stream->capture;
  if (stream->capture) {
    event->clock = stream->capture_clock;
    return cudaSuccess;
  }
  const cudaError_t error = enqueue(stream, {[time = event->milliseconds](std::uint32_t) { *time = now_in_milliseconds(); }});
  event->clock = stream->clock;
  return remember(error);
}

cudaError_t cudaEventSynchronize(cudaEvent_t event) {
  const DeviceLock lock(device_lock());
  if (!events().contains(event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    event->capture->invalid = true;
    return remember(cudaErrorCapturedEvent);
  }
  host_waits_for(event->clock);
  return remember(asynchronous_error());
}

cudaError_t cudaEventQuery(cudaEvent_t event) {
  const DeviceLock lock(device_lock());
  if (!events().contains(event)) return remember(cudaErrorInvalidResourceHandle);
  if (event->capture) {
    event->capture->invalid = true;
    return remember(cudaErrorCapturedEvent);
  }
  make_progress();
  if (!has_happened(event->clock)) return cudaErrorNotReady;
  host_waits_for(event->clock);
  return remember(asynchronous_error());
}

cudaError_t cudaEventElapsedTime(float* milliseconds, cudaEvent_t start, cudaEvent_t end) {
  const DeviceLock lock(device_lock());
  if (!events().contains(start) || !events().contains(end) || !start->recorded || !end->recorded) {
    return remember(cudaErrorInvalidResourceHandle);
  }
  if (!has_happened(start->clock) || !has_happened(end->clock)) return cudaErrorNotReady;
  *milliseconds = static_cast<float>(*end->milliseconds - *start->milliseconds);
  return cudaSuccess;
}

cudaError_t cudaStreamBeginCapture(cudaStream_t handle, cudaStreamCaptureMode mode) {
  const DeviceLock lock(device_lock());
  Stream* stream = handle ? stream_of(handle) : nullptr;
  if (!stream || stream->capture) return remember(handle ? cudaErrorInvalidValue : cudaErrorStreamCaptureUnsupported);
  auto* capture = new Capture;
  capture->mode = mode;
  capture->origin = stream;
  join_capture(*capture, stream);
  return cudaSuccess;
}

cudaError_t cudaStreamEndCapture(cudaStream_t handle, cudaGraph_t* graph) {
  const DeviceLock lock(device_lock());
  *graph = nullptr;
  Stream* stream = stream_of(handle);
  if (!stream || !stream->capture) return remember(cudaErrorInvalidValue);
  if (stream->capture->origin != stream) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnmatched);
  }
  const std::unique_ptr<Capture> capture(stream->capture);
  bool joined = true;
  for (Stream* member : capture->streams) {
    if (stream->capture_clock.at(member->slot) < capture->counts[member->slot]) joined = false;
    member->capture = nullptr;
  }
  for (Event* event : events()) {  // nothing outside the capture may wait for what was only recorded
    if (event->capture == capture.get()) *event = {};
  }
  if (capture->invalid) return remember(cudaErrorStreamCaptureInvalidated);
  if (!joined) return remember(cudaErrorStreamCaptureUnjoined);
  *graph = new Graph{capture->streams.size(), std::move(capture->operations)};
  return cudaSuccess;
}

cudaError_t cudaStreamIsCapturing(cudaStream_t handle, cudaStreamCaptureStatus* status) {
  const DeviceLock lock(device_lock());
  const Stream* stream = stream_of(handle);
  if (!stream) return remember(cudaErrorInvalidResourceHandle);
  *status = !stream->capture            ? cudaStreamCaptureStatusNone
            : stream->capture->invalid ? cudaStreamCaptureStatusInvalidated
                                       : cudaStreamCaptureStatusActive;
  return cudaSuccess;
}

cudaError_t cudaGraphInstantiate(cudaGraphExec_t* executable, cudaGraph_t graph, unsigned long long) {
  const DeviceLock lock(device_lock());
  if (!graph) return remember(cudaErrorInvalidValue);
  *executable = new GraphExec{graph->slots, graph->operations, {}};
  while ((*executable)->streams.size() + 1 < graph->slots) (*executable)->streams.push_back(make_stream(false));
  return cudaSuccess;
}

cudaError_t cudaGraphLaunch(cudaGraphExec_t executable, cudaStream_t handle) {
  const DeviceLock lock(device_lock());
  Stream* stream = stream_of(handle);
  if (!stream || !executable) return remember(cudaErrorInvalidResourceHandle);
  if (stream->capture) {
    stream->capture->invalid = true;
    return remember(cudaErrorStreamCaptureUnsupported);
  }
  replay(*executable, stream);
  return cudaSuccess;
}

cudaError_t cudaGraphExecDestroy(cudaGraphExec_t executable) {
  const DeviceLock lock(device_lock());
  if (!executable) return remember(cudaErrorInvalidValue);
  for (Stream* stream : executable->streams) destroy_stream(stream);
  delete executable;
  return cudaSuccess;
}

cudaError_t cudaGraphDestroy(cudaGraph_t graph) {
  const DeviceLock lock(device_lock());
  if (!graph) return remember(cudaErrorInvalidValue);
  delete graph;
  return cudaSuccess;
}
