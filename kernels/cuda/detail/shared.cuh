// Dynamic shared memory, sized at launch.
#pragma once

#include <cuda_runtime.h>

namespace sepia::kernels::cuda::detail {

/// The block's dynamic shared memory as an array of T, aligned to 16 bytes.
template <class T>
__device__ __forceinline__ T* dynamic_shared() {
#ifdef SEPIA_SIMT
  return static_cast<T*>(simt::dynamic_shared());
#else
  extern __shared__ uint4 sepia_dynamic_shared[];
  return reinterpret_cast<T*>(sepia_dynamic_shared);
#endif
}

}  // namespace sepia::kernels::cuda::detail
