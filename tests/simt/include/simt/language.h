// The words that CUDA adds to C++.
#pragma once

#include "simt/device.h"
#ifdef __SANITIZE_THREAD__  // instrumented, as all code with kernels must be
#include "simt/seen_memory.h"
#endif

#define __global__
#define __device__
#define __host__
#define __constant__ static
#define __grid_constant__
#define __forceinline__ inline __attribute__((always_inline))
#define __noinline__ __attribute__((noinline))
#define __launch_bounds__(...)
#define __restrict__ __restrict
#define __align__(n) __attribute__((aligned(n)))

// A block runs on one thread of the host, one block at a time, so its shared memory is thread-local memory. The guard before
// each variable keeps an overrun from reaching its neighbour unseen (core/symbols.cpp knows it by its name).
#define SIMT_JOIN_NOW(a, b) a##b
#define SIMT_JOIN(a, b) SIMT_JOIN_NOW(a, b)
#define __shared__                                                                                     \
  static thread_local char SIMT_JOIN(simt_guard_, __COUNTER__)[512] __attribute__((used, aligned(16))); \
  static thread_local

#define threadIdx (::simt::thread_index())
#define blockIdx (::simt::block_index())
#define blockDim (::simt::block_extent())
#define gridDim (::simt::grid_extent())
inline constexpr int warpSize = 32;

#define SIMT_DEVICE inline __attribute__((always_inline))

SIMT_DEVICE void __syncthreads() { ::simt::sync_block(); }
SIMT_DEVICE int __syncthreads_count(int predicate) { return ::simt::sync_block_count(predicate != 0); }
SIMT_DEVICE int __syncthreads_and(int predicate) { return ::simt::sync_block_and(predicate != 0); }
SIMT_DEVICE int __syncthreads_or(int predicate) { return ::simt::sync_block_or(predicate != 0); }
SIMT_DEVICE void __syncwarp(unsigned mask = 0xffffffffu) { ::simt::sync_warp(mask); }
SIMT_DEVICE void __threadfence() { ::simt::fence_device(); }
SIMT_DEVICE void __threadfence_block() {}
SIMT_DEVICE void __threadfence_system() { ::simt::fence_device(); }
SIMT_DEVICE void __trap() { ::simt::trap("__trap"); }
SIMT_DEVICE void __nanosleep(unsigned) {}
