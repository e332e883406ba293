// The CUDA backend as the engine sees it: memory, streams, graphs and the tables of kernels. Built twice: by nvcc as
// libsepia_cuda.so and, against the emulator (tests/simt), as libsepia_simt.so.
#include <algorithm>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/library.h"
#include "kernels/cuda_library.h"

namespace sepia::kernels::cuda {
namespace {

using detail::check;

#ifdef SEPIA_SIMT
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

/// One host thread's stream, on which all its work runs in order, and the scratch memory that its kernels share. Each thread has
/// its own, as it has an arena of its own, so that two models trained by two threads do not meet.
class ThreadStream {
 public:
  ThreadStream() {
    check(cudaSetDevice(chosen_device), "cudaSetDevice");
    check(cudaStreamCreateWithFlags(&stream_, cudaStreamNonBlocking), "cudaStreamCreate");
  }
  ~ThreadStream() {
    cudaStreamSynchronize(stream_);
    for (void* block : blocks_) cudaFree(block);
    cudaStreamDestroy(stream_);
  }
  ThreadStream(const ThreadStream&) = delete;
  ThreadStream& operator=(const ThreadStream&) = delete;

  cudaStream_t get() const { return stream_; }

  /// Outgrown blocks are kept until the end: a captured graph may still write to them. Sizes double, so they take no more than the
  /// newest one.
  void* scratch(std::size_t bytes) {
    if (bytes > scratch_bytes_) {
      const std::size_t wanted = std::max({bytes, 2 * scratch_bytes_, std::size_t{1} << 20});
      void* block = nullptr;
      check(cudaMalloc(&block, wanted), "scratch memory");
      blocks_.push_back(block);
      scratch_bytes_ = wanted;
    }
    return blocks_.empty() ? nullptr : blocks_.back();
  }

  inline static int chosen_device = 0;

 private:
  cudaStream_t stream_ = nullptr;
  std::vector<void*> blocks_;
  std::size_t scratch_bytes_ = 0;
};

// Null before the thread's first use of the device and again when the thread is at its end, where buffers that live in its other
// thread-local objects may still be released.
thread_local ThreadStream* current_stream = nullptr;

ThreadStream& thread_stream() {
  struct Owner {
    ThreadStream stream;
    Owner() { current_stream = &stream; }
    ~Owner() { current_stream = nullptr; }
  };
  thread_local Owner owner;
  return owner.stream;
}

// From the device's own pool, in stream order: a block that is released may be handed out again before the work that used it has
// run, but only to work that runs after it.
void* allocate(std::size_t bytes) {
  void* pointer = nullptr;
  if (cudaMallocAsync(&pointer, bytes, thread_stream().get()) == cudaSuccess) return pointer;
  cudaGetLastError();  // an allocation that failed is the caller's affair, not the next launch's
  return nullptr;
}

void release(void* pointer) {
  if (current_stream) {
    cudaFreeAsync(pointer, current_stream->get());
  } else {
    cudaFree(pointer);
  }
}

void copy_from_host(const LaunchContext& context, void* destination, const void* source, std::size_t bytes) {
  if (bytes) check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyHostToDevice, detail::stream_of(context)), "copy to the device");
}

void copy_to_host(const LaunchContext& context, void* destination, const void* source, std::size_t bytes) {
  const cudaStream_t stream = detail::stream_of(context);
  if (bytes) check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToHost, stream), "copy from the device");
  check(cudaStreamSynchronize(stream), "waiting for the device");
}

void copy(const LaunchContext& context, void* destination, const void* source, std::size_t bytes) {
  if (bytes) check(cudaMemcpyAsync(destination, source, bytes, cudaMemcpyDeviceToDevice, detail::stream_of(context)), "copy on the device");
}

void zero(const LaunchContext& context, void* destination, std::size_t bytes) {
  if (bytes) check(cudaMemsetAsync(destination, 0, bytes, detail::stream_of(context)), "zeroing");
}

void synchronize(const LaunchContext& context) { check(cudaStreamSynchronize(detail::stream_of(context)), "waiting for the device"); }

void begin_capture(const LaunchContext& context) {
  check(cudaStreamBeginCapture(detail::stream_of(context), cudaStreamCaptureModeThreadLocal), "cudaStreamBeginCapture");
}

void* end_capture(const LaunchContext& context) {
  cudaGraph_t graph = nullptr;
  check(cudaStreamEndCapture(detail::stream_of(context), &graph), "cudaStreamEndCapture");
  cudaGraphExec_t executable = nullptr;
  const cudaError_t status = cudaGraphInstantiate(&executable, graph, 0);
  cudaGraphDestroy(graph);
  check(status, "cudaGraphInstantiate");
  return executable;
}

void abandon_capture(const LaunchContext& context) {
  cudaGraph_t graph = nullptr;
  cudaStreamEndCapture(detail::stream_of(context), &graph);
  if (graph) cudaGraphDestroy(graph);
  cudaGetLastError();
}

void launch_graph(const LaunchContext& context, void* graph) {
  check(cudaGraphLaunch(static_cast<cudaGraphExec_t>(graph), detail::stream_of(context)), "cudaGraphLaunch");
}

void release_graph(void* graph) {
  if (current_stream) cudaStreamSynchronize(current_stream->get());
  cudaGraphExecDestroy(static_cast<cudaGraphExec_t>(graph));
}

template <class T>
const KernelTable<T>& cuda_table() {
#define SEPIA_ENTRY(name, Args) .name = name<T>,
  static const KernelTable<T> table{SEPIA_KERNELS(SEPIA_ENTRY)};
#undef SEPIA_ENTRY
  return table;
}

const char* describe_device(int index) {
  cudaDeviceProp properties;
  check(cudaGetDeviceProperties(&properties, index), "cudaGetDeviceProperties");
  static std::string description;
  description = str(properties.name, " (sm_", properties.major, properties.minor, ")");
  return description.c_str();
}

/// Keeps the pool's memory for the next allocation rather than giving it back at every synchronisation.
void keep_pool(int index) {
  cudaMemPool_t pool;
  check(cudaDeviceGetDefaultMemPool(&pool, index), "cudaDeviceGetDefaultMemPool");
  std::uint64_t threshold = UINT64_MAX;
  check(cudaMemPoolSetAttribute(pool, cudaMemPoolAttrReleaseThreshold, &threshold), "cudaMemPoolSetAttribute");
}

const Backend& open(int index) {
  int devices = 0;
  const cudaError_t status = cudaGetDeviceCount(&devices);
  SEPIA_CHECK(status == cudaSuccess && devices > 0, "no CUDA device was found (", cudaGetErrorString(status), ")");
  SEPIA_CHECK(index < devices, "there is no CUDA device ", index, "; this machine has ", devices);
  static std::once_flag once;
  static Backend backend;
  std::call_once(once, [&] {
    static const GraphCalls graph{.begin_capture = begin_capture, .end_capture = end_capture, .abandon_capture = abandon_capture,
                                  .launch = launch_graph, .release = release_graph};
    ThreadStream::chosen_device = index;
    keep_pool(index);
    backend = {.name = "cuda", .float32 = &cuda_table<float>(), .float64 = nullptr, .bfloat16 = &cuda_table<bf16>(),
               .memory = {.allocate = allocate, .release = release, .copy_from_host = copy_from_host, .copy_to_host = copy_to_host,
                          .copy = copy, .zero = zero, .synchronize = synchronize},
               .graph = &graph, .device = describe_device(index), .emulated = kEmulated};
  });
  SEPIA_CHECK(index == ThreadStream::chosen_device, "this process computes on CUDA device ", ThreadStream::chosen_device, " already; one device per process");
  return backend;
}

}  // namespace

namespace detail {

cudaStream_t stream_of(const LaunchContext& context) {
  return context.stream ? static_cast<cudaStream_t>(context.stream) : thread_stream().get();
}

void* scratch_bytes(const LaunchContext&, std::size_t bytes) { return thread_stream().scratch(bytes); }

}  // namespace detail

}  // namespace sepia::kernels::cuda

extern "C" __attribute__((visibility("default"))) const sepia::kernels::Backend* sepia_cuda_open(const sepia::kernels::cuda::OpenRequest* request) {
  using namespace sepia;
  try {
    SEPIA_CHECK(request->interface_size == sizeof(kernels::Backend) + sizeof(kernels::KernelTable<float>),
                "the library of CUDA kernels was built from other sources than this sepia; build both anew");
    return &kernels::cuda::open(request->device);
  } catch (const std::exception& error) {
    std::string(error.what()).copy(request->message, request->message_capacity - 1);
    return nullptr;
  }
}

extern "C" __attribute__((visibility("default"))) const char* sepia_cuda_libraries() {
  static const std::string description = sepia::kernels::cuda::describe_libraries();
  return description.c_str();
}
