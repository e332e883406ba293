// Sums over a warp and over a block by fixed trees: the same bits every time, no atomics.
#pragma once

#include <cuda_runtime.h>

namespace sepia::kernels::cuda::detail {

inline constexpr int kWarpSize = 32;
inline constexpr unsigned kAllLanes = 0xffffffffu;

/// Every lane's value added up; all lanes of the warp must call, all get the sum.
template <class A>
__device__ __forceinline__ A warp_sum(A value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) value += __shfl_xor_sync(kAllLanes, value, distance);
  return value;
}

/// The sum over a one-dimensional block of kThreads (a multiple of 32, at most 1024); valid in all threads. All must call. May be
/// called again at once: the last barrier frees the shared memory.
template <int kThreads, class A>
__device__ __forceinline__ A block_sum(A value) {
  static_assert(kThreads % kWarpSize == 0 && kThreads <= 1024);
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ A of_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize, warp = static_cast<int>(threadIdx.x) / kWarpSize;
  value = warp_sum(value);
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  A total = lane < kWarps ? of_warp[lane] : A(0);
  total = warp_sum(total);
  __syncthreads();
  return total;
}

}  // namespace sepia::kernels::cuda::detail
