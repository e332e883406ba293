// Copies from global to shared memory that run on while the thread goes on (cp.async, sm_80 and later): they pass by the registers,
// and many rows can be under way while few threads compute. All copy 16 bytes; both addresses are multiples of 16. The bytes are
// there for this thread after wait_for_copies, for the block after a barrier.
#pragma once

#include <cuda_runtime.h>

namespace sepia::kernels::cuda::detail {

/// Starts a copy.
__device__ __forceinline__ void copy_async(void* shared, const void* global) {
#ifdef SEPIA_SIMT
  simt::copy_async(shared, global, 16);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16;\n" ::"r"(address), "l"(global) : "memory");
#endif
}

/// The same, but where !inside nothing is read and the destination is zeroed: padding costs no branch.
__device__ __forceinline__ void copy_async(void* shared, const void* global, bool inside) {
#ifdef SEPIA_SIMT
  simt::copy_async(shared, global, 16, inside ? 16 : 0);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(global), "r"(inside ? 16 : 0) : "memory");
#endif
}

/// The same by way of the L1 cache: for bytes that the block will read again, as neighbouring windows do.
__device__ __forceinline__ void copy_async_cached(void* shared, const void* global, bool inside) {
#ifdef SEPIA_SIMT
  simt::copy_async(shared, global, 16, inside ? 16 : 0);
#else
  const auto address = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.ca.shared.global [%0], [%1], 16, %2;\n" ::"r"(address), "l"(global), "r"(inside ? 16 : 0) : "memory");
#endif
}

/// Closes the group of copies that this thread has started since the last one.
__device__ __forceinline__ void commit_copies() {
#ifdef SEPIA_SIMT
  simt::copy_async_commit();
#else
  asm volatile("cp.async.commit_group;\n" ::: "memory");
#endif
}

/// Waits until at most kPending of this thread's groups are under way.
template <int kPending>
__device__ __forceinline__ void wait_for_copies() {
#ifdef SEPIA_SIMT
  simt::copy_async_wait(kPending);
#else
  asm volatile("cp.async.wait_group %0;\n" ::"n"(kPending) : "memory");
#endif
}

}  // namespace sepia::kernels::cuda::detail
