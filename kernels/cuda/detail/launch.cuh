// How host code of this folder reaches the device: every kernel is started by launch(), every CUDA status passes check().
#pragma once

#include <cuda_runtime.h>

#include <cstddef>
#include <cstdint>

#include "engine/base/error.h"
#include "kernels/launch.h"

namespace sepia::kernels::cuda::detail {

/// Raises what a CUDA call reports: kMemory for a lack of device memory, kInternal otherwise. `what` names the call.
inline void check(cudaError_t status, const char* what) {
  if (status == cudaSuccess) return;
  const ErrorKind kind = status == cudaErrorMemoryAllocation ? ErrorKind::kMemory : ErrorKind::kInternal;
  fail(kind, "[cuda] ", what, ": ", cudaGetErrorString(status));
}

/// The stream of a context; without one, the stream on which the backend runs everything (backend.cu).
cudaStream_t stream_of(const LaunchContext& context);

/// Blocks of `size` that cover `count`.
constexpr std::int64_t ceil_div(std::int64_t count, std::int64_t size) { return (count + size - 1) / size; }

/// Grid extents are unsigned in CUDA and 64-bit in shapes. Throws kUsage when a tensor is too large for one launch.
inline unsigned grid_extent(std::int64_t blocks) {
  SEPIA_CHECK(blocks <= 0x7fffffff, "[cuda] a launch of ", blocks, " blocks is too large; use a smaller --batch-size");
  return static_cast<unsigned>(blocks);
}

/// kernel<<<grid, block, shared_bytes, stream>>>(arguments...), with its status checked. The emulator (tests/simt) runs the same call.
template <class... Parameters, class... Arguments>
void launch(void (*kernel)(Parameters...), dim3 grid, dim3 block, std::size_t shared_bytes, cudaStream_t stream, Arguments... arguments) {
  constexpr std::size_t kWithoutAsking = 48 * 1024;  // more dynamic shared memory has to be asked for
  if (shared_bytes > kWithoutAsking) {
    check(cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, static_cast<int>(shared_bytes)), "cudaFuncSetAttribute");
  }
#ifdef SEPIA_SIMT
  simt::launch(reinterpret_cast<const void*>(kernel), grid, block, shared_bytes, stream,
               [kernel, ... captured = static_cast<Parameters>(arguments)]() { kernel(captured...); });
#else
  kernel<<<grid, block, shared_bytes, stream>>>(static_cast<Parameters>(arguments)...);
#endif
  check(cudaGetLastError(), "kernel launch");
}

}  // namespace sepia::kernels::cuda::detail
