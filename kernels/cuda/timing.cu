// The device's own clock, for benchmarks: how long a piece of work took between two CUDA events on its stream.
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda_library.h"

namespace sepia::kernels::cuda {
namespace {

class Event {
 public:
  Event() { detail::check(cudaEventCreate(&event_), "cudaEventCreate"); }
  ~Event() { cudaEventDestroy(event_); }
  Event(const Event&) = delete;
  Event& operator=(const Event&) = delete;
  cudaEvent_t get() const { return event_; }

 private:
  cudaEvent_t event_ = nullptr;
};

}  // namespace
}  // namespace sepia::kernels::cuda

extern "C" __attribute__((visibility("default"))) double sepia_cuda_time(const sepia::kernels::LaunchContext& context, void (*work)(void*), void* data) {
  using namespace sepia::kernels::cuda;
  const Event start, end;
  const cudaStream_t stream = detail::stream_of(context);
  detail::check(cudaEventRecord(start.get(), stream), "cudaEventRecord");
  work(data);
  detail::check(cudaEventRecord(end.get(), stream), "cudaEventRecord");
  detail::check(cudaEventSynchronize(end.get()), "waiting for the device");
  float milliseconds = 0;
  detail::check(cudaEventElapsedTime(&milliseconds, start.get(), end.get()), "cudaEventElapsedTime");
  return milliseconds;
}
