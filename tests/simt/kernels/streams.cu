// Streams, events, graphs, and the calls of the runtime that manage the device.
#include <vector>

#include "tests/simt/kernels/selftest.h"

namespace {

__global__ void fill(float* y, float value) { y[threadIdx.x] = value; }
__global__ void add(const float* x, float* y, float value) { y[threadIdx.x] = x[threadIdx.x] + value; }
__global__ void append(int* list, int* length, int value) {
  list[*length] = value;
  *length = *length + 1;
}

template <class T>
using Device = selftest::Device<T>;

/// A stream and an event of one's own.
struct Lane {
  cudaStream_t stream = nullptr;
  cudaEvent_t event = nullptr;
  explicit Lane(unsigned flags = cudaStreamNonBlocking) {
    cudaStreamCreateWithFlags(&stream, flags);
    cudaEventCreateWithFlags(&event, cudaEventDisableTiming);
  }
  Lane(const Lane&) = delete;
  Lane& operator=(const Lane&) = delete;
  ~Lane() {
    cudaEventDestroy(event);
    cudaStreamDestroy(stream);
  }
  void wait_for(Lane& other) {
    cudaEventRecord(other.event, other.stream);
    cudaStreamWaitEvent(stream, other.event);
  }
};

/// One stream writes, the other reads.
void hand_over(bool with_event) {
  const Device<float> x(32), y(32);
  Lane writer, reader;
  simt::launch(fill, 1, 32, 0, writer.stream, x.get(), 1.0f);
  if (with_event) reader.wait_for(writer);
  simt::launch(add, 1, 32, 0, reader.stream, x.get(), y.get(), 1.0f);
  cudaDeviceSynchronize();
  if (with_event) selftest::expect(y[3], 2, "handed over");
}

/// One stream reads, the other overwrites.
void overwrite(bool with_event) {
  const Device<float> x(32, 1.0f), y(32);
  Lane reader, writer;
  simt::launch(add, 1, 32, 0, reader.stream, x.get(), y.get(), 1.0f);
  if (with_event) writer.wait_for(reader);
  cudaMemsetAsync(x.get(), 0, 32 * sizeof(float), writer.stream);
  cudaDeviceSynchronize();
  if (with_event) selftest::expect(y[3], 2, "read before it was overwritten");
}

/// Work in the default stream and in a stream that orders itself with it, or does not.
void default_stream(unsigned flags) {
  const Device<float> x(32), y(32);
  const Lane lane(flags);
  simt::launch(fill, 1, 32, 0, nullptr, x.get(), 1.0f);
  simt::launch(add, 1, 32, 0, lane.stream, x.get(), y.get(), 1.0f);
  simt::launch(add, 1, 32, 0, nullptr, y.get(), x.get(), 1.0f);
  cudaDeviceSynchronize();
}

/// y = x + 1 + 2, the two halves of the sum on two streams that fork and join. With `join` left out the capture must fail.
cudaError_t capture_fork(Lane& origin, Lane& branch, const float* x, float* middle, float* y, float one, bool join, cudaGraph_t* graph) {
  cudaStreamBeginCapture(origin.stream, cudaStreamCaptureModeThreadLocal);
  branch.wait_for(origin);
  simt::launch(add, 1, 32, 0, branch.stream, x, middle, one);
  if (join) origin.wait_for(branch);
  if (join) simt::launch(add, 1, 32, 0, origin.stream, middle, y, 2.0f);
  return cudaStreamEndCapture(origin.stream, graph);
}

/// Which of two independent streams goes first: 1 or 2.
int who_is_first() {
  const Device<int> list(2, 0), length(1, 0);
  const Lane a, b;
  simt::launch(append, 1, 1, 0, a.stream, list.get(), length.get(), 1);
  simt::launch(append, 1, 1, 0, b.stream, list.get(), length.get(), 2);
  cudaDeviceSynchronize();
  return list[0];
}

}  // namespace

SCENARIO(missing_event_wait) { hand_over(false); }
SCENARIO(with_event_wait) { hand_over(true); }
SCENARIO(overwritten_without_event) { overwrite(false); }
SCENARIO(overwritten_after_event) { overwrite(true); }
SCENARIO(nonblocking_beside_default_stream) { default_stream(cudaStreamNonBlocking); }
SCENARIO(blocking_beside_default_stream) { default_stream(cudaStreamDefault); }

SCENARIO(leak_at_reset) {
  void* lost = nullptr;
  cudaMalloc(&lost, 100);
  cudaDeviceReset();
}
SCENARIO(no_leak_at_reset) {
  void* kept = nullptr;
  cudaMalloc(&kept, 100);
  cudaFree(kept);
  cudaDeviceReset();
}

SCENARIO(graph_forks_and_joins) {
  const Device<float> x(32, 1.0f), middle(32), y(32);
  Lane origin, branch;
  cudaGraph_t graph = nullptr;
  float one = 1.0f;
  selftest::expect(capture_fork(origin, branch, x.get(), middle.get(), y.get(), one, true, &graph), cudaSuccess, "end of the capture");
  one = 100.0f;  // a graph holds its arguments by value
  cudaGraphExec_t executable = nullptr;
  cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  for (int round = 0; round < 3; ++round) {
    selftest::expect(cudaGraphLaunch(executable, origin.stream), cudaSuccess, "launch of the graph");
    cudaMemcpyAsync(x.get(), y.get(), 32 * sizeof(float), cudaMemcpyDeviceToDevice, origin.stream);
  }
  cudaStreamSynchronize(origin.stream);
  selftest::expect(y[3], 1 + 3 * 3, "three rounds of the graph");
  cudaGraphExecDestroy(executable);
}

SCENARIO(graph_without_join) {
  const Device<float> x(32, 1.0f), middle(32), y(32);
  Lane origin, branch;
  cudaGraph_t graph = nullptr;
  selftest::expect(capture_fork(origin, branch, x.get(), middle.get(), y.get(), 1.0f, false, &graph), cudaErrorStreamCaptureUnjoined,
                   "end");
  selftest::expect(graph == nullptr, true, "no graph");
  cudaGetLastError();
}

SCENARIO(calls_that_a_capture_forbids) {
  const Device<float> x(32, 1.0f);
  const Lane lane;
  void* fresh = nullptr;
  float host = 0;
  const auto forbidden = [&](cudaError_t wanted, auto call, const char* what) {
    cudaStreamBeginCapture(lane.stream, cudaStreamCaptureModeGlobal);
    selftest::expect(call(), wanted, what);
    cudaStreamCaptureStatus status{};
    cudaStreamIsCapturing(lane.stream, &status);
    selftest::expect(status, cudaStreamCaptureStatusInvalidated, what);
    cudaGraph_t graph = nullptr;
    selftest::expect(cudaStreamEndCapture(lane.stream, &graph), cudaErrorStreamCaptureInvalidated, what);
    cudaGetLastError();
  };
  constexpr cudaError_t kUnsupported = cudaErrorStreamCaptureUnsupported;
  forbidden(kUnsupported, [&] { return cudaMalloc(&fresh, 4); }, "cudaMalloc");
  forbidden(kUnsupported, [&] { return cudaFree(x.get()); }, "cudaFree");
  forbidden(kUnsupported, [&] { return cudaMemcpy(&host, x.get(), 4, cudaMemcpyDeviceToHost); }, "cudaMemcpy");
  forbidden(kUnsupported, [&] { return cudaMemcpyAsync(&host, x.get(), 4, cudaMemcpyDeviceToHost, lane.stream); }, "pageable memory");
  forbidden(kUnsupported, [&] { return cudaStreamSynchronize(lane.stream); }, "cudaStreamSynchronize");
  forbidden(kUnsupported, [&] { return cudaStreamQuery(lane.stream); }, "cudaStreamQuery");
  forbidden(kUnsupported, [&] { return cudaDeviceSynchronize(); }, "cudaDeviceSynchronize");
  selftest::expect(x[0], 1, "still there");
}

SCENARIO(errors_of_the_runtime) {
  void* p = nullptr;
  selftest::expect(cudaMalloc(&p, std::size_t{1} << 50), cudaErrorMemoryAllocation, "too much memory");
  selftest::expect(cudaGetLastError(), cudaErrorMemoryAllocation, "last error");
  selftest::expect(cudaGetLastError(), cudaSuccess, "last error is forgotten");
  const Device<float> x(32, 1.0f);
  selftest::expect(simt::launch(fill, 1, 1025, 0, nullptr, x.get(), 1.0f), cudaErrorInvalidConfiguration, "threads per block");
  selftest::expect(simt::launch(fill, 0, 32, 0, nullptr, x.get(), 1.0f), cudaErrorInvalidConfiguration, "empty grid");
  selftest::expect(simt::launch(fill, 1, 32, 49 * 1024, nullptr, x.get(), 1.0f), cudaErrorInvalidValue, "shared memory not asked for");
  cudaFuncSetAttribute(fill, cudaFuncAttributeMaxDynamicSharedMemorySize, 100 * 1024);
  selftest::expect(simt::launch(fill, 1, 32, 49 * 1024, nullptr, x.get(), 2.0f), cudaSuccess, "shared memory asked for");
  selftest::expect(x[0], 2, "filled");
  cudaFuncSetAttribute(fill, cudaFuncAttributeMaxDynamicSharedMemorySize, 48 * 1024);
  selftest::expect(cudaFree(x.get() + 1), cudaErrorInvalidValue, "free of a place within");
  selftest::expect(cudaMemcpy(x.get(), x.get(), 4, cudaMemcpyHostToDevice), cudaErrorInvalidMemcpyDirection, "direction");
  selftest::expect(cudaSetDevice(1), cudaErrorInvalidDevice, "second device");
  cudaGetLastError();
}

SCENARIO(fault_becomes_an_error) {
  const Device<float> x(31);
  selftest::expect(simt::launch(fill, 1, 32, 0, nullptr, x.get(), 1.0f), cudaSuccess, "the launch itself");
  const cudaError_t error = cudaDeviceSynchronize();
  selftest::expect(error, cudaErrorLaunchFailure, "the wait");
  selftest::expect(std::string(cudaGetErrorString(error)).find("out of bounds") != std::string::npos, true, "text of the error");
  selftest::expect(cudaDeviceSynchronize(), cudaSuccess, "told once");
  cudaGetLastError();
}

SCENARIO(memory_is_counted) {
  std::size_t before = 0, now = 0, total = 0;
  cudaMemGetInfo(&before, &total);
  void* p = nullptr;
  cudaMalloc(&p, 1000);
  cudaMemGetInfo(&now, &total);
  selftest::expect(before - now, 1000, "memory taken");
  cudaFree(p);
  cudaMemGetInfo(&now, &total);
  selftest::expect(before - now, 0, "memory given back");
}

SCENARIO(events_tell_time) {
  const Device<float> x(32);
  cudaEvent_t start, end;
  cudaEventCreate(&start);
  cudaEventCreate(&end);
  cudaEventRecord(start);
  simt::launch(fill, 1, 32, 0, nullptr, x.get(), 1.0f);
  cudaEventRecord(end);
  float milliseconds = -1;
  selftest::expect(cudaEventElapsedTime(&milliseconds, start, end), cudaErrorNotReady, "before waiting");
  int polls = 0;
  while (cudaEventQuery(end) == cudaErrorNotReady) ++polls;
  selftest::expect(cudaEventElapsedTime(&milliseconds, start, end), cudaSuccess, "after waiting");
  selftest::expect(milliseconds > 0, true, "time has passed");
  cudaEventDestroy(start);
  cudaEventDestroy(end);
}

/// The queue is cut short by running what comes first; the order stays.
SCENARIO(long_queue) {
  constexpr int kOperations = 6000;
  const Device<int> list(kOperations), length(1, 0);
  const Lane lane;
  cudaDeviceSynchronize();
  for (int i = 0; i < kOperations; ++i) simt::launch(append, 1, 1, 0, lane.stream, list.get(), length.get(), i);
  cudaStreamSynchronize(lane.stream);
  selftest::expect(length[0], kOperations, "operations carried out");
  for (const int i : {0, 1, 1000, 5999}) selftest::expect(list[static_cast<std::size_t>(i)], i, "their order");
}

SCENARIO(host_functions_run_in_order) {
  const Lane lane;
  int calls = 0;
  for (int i = 0; i < 3; ++i) cudaLaunchHostFunc(lane.stream, [](void* p) { ++*static_cast<int*>(p); }, &calls);
  cudaStreamSynchronize(lane.stream);
  selftest::expect(calls, 3, "calls");
}

/// Fails when the second of two independent streams goes first: the test wants to see both.
SCENARIO(order_of_streams) { selftest::expect(who_is_first(), 1, "the stream that went first"); }
