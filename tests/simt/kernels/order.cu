// Who may read what when: barriers of the block and of the warp, blocks of one launch, atomics.
#include "tests/simt/kernels/selftest.h"

namespace {

/// Every thread reads what its neighbour wrote. `kBarrier`: with the barrier that this needs.
template <bool kBarrier>
__global__ void rotate_shared(const float* x, float* y) {
  __shared__ float tile[128];
  tile[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  y[threadIdx.x] = tile[(threadIdx.x + 1) % 128];  // the line that fault_test.cpp expects
}

/// The same through global memory.
template <bool kBarrier>
__global__ void rotate_global(const float* x, float* scratch, float* y) {
  scratch[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  y[threadIdx.x] = scratch[(threadIdx.x + 1) % 128];
}

/// A second round overwrites what slower threads still read.
template <bool kBarrier>
__global__ void reuse_tile(float* y) {
  __shared__ float tile[64];
  for (int round = 0; round < 2; ++round) {
    tile[threadIdx.x] = static_cast<float>(round);
    __syncthreads();
    y[round * 64 + threadIdx.x] = tile[63 - threadIdx.x];
    if (kBarrier) __syncthreads();
  }
}

/// Halves of a 4-byte word belong to two threads; neighbours in a word are no race, the same half is one.
template <int kShift>
__global__ void halves(unsigned short* y) {
  __shared__ unsigned short tile[66];
  tile[threadIdx.x] = 1;
  tile[threadIdx.x + kShift] = 2;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <int kShift>
__global__ void bytes(unsigned char* y) {
  __shared__ unsigned char tile[66];
  tile[threadIdx.x] = 1;
  tile[threadIdx.x + kShift] = 2;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool kBarrier>
__global__ void rotate_warp(const float* x, float* y) {
  __shared__ float tile[32];
  for (int round = 0; round < 3; ++round) {
    tile[threadIdx.x] = x[threadIdx.x] + static_cast<float>(round);
    if (kBarrier) __syncwarp();
    y[threadIdx.x] = tile[(threadIdx.x + 1) % 32];
    if (kBarrier) __syncwarp();
  }
}

/// All lanes read, then one writes; it has read again itself after the barrier.
__global__ void read_then_write_in_warp(float* y) {
  __shared__ float value;
  if (threadIdx.x == 0) value = 1.0f;
  __syncwarp();
  y[threadIdx.x] = value;
  __syncwarp();
  if (threadIdx.x == 3) value = value + 1.0f;
  __syncwarp();
  y[threadIdx.x] += value;
}

/// Half warps with barriers of their own. `kAcross`: lanes also read from the other half, which nothing orders.
template <bool kAcross>
__global__ void half_warps(float* y) {
  __shared__ float tile[32];
  const unsigned half = threadIdx.x / 16, mask = 0xffffu << (16 * half);
  tile[threadIdx.x] = static_cast<float>(threadIdx.x);
  __syncwarp(mask);
  y[threadIdx.x] = tile[kAcross ? threadIdx.x ^ 16u : threadIdx.x ^ 1u];
}

/// Blocks hand values to each other within one launch. `kOwn`: each keeps to its own place.
template <bool kOwn>
__global__ void one_place(float* y) {
  const unsigned place = kOwn ? blockIdx.x : 0;
  if (threadIdx.x == 0) y[place] = static_cast<float>(blockIdx.x);
}

/// In place, each block overwriting what its neighbour reads.
template <bool kInPlace>
__global__ void shift_blocks(const float* x, float* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  float* const to = kInPlace ? const_cast<float*>(x) : y;
  to[i] = x[(i + blockDim.x) % (gridDim.x * blockDim.x)];
}

template <bool kAtomic>
__global__ void count(int* counter) {
  if (kAtomic) {
    atomicAdd(counter, 1);
  } else {
    *counter = *counter + 1;
  }
}

template <bool kBarrier>
__global__ void count_in_shared(int* y) {
  __shared__ int counter;
  if (threadIdx.x == 0) counter = 0;
  __syncthreads();
  atomicAdd(&counter, 1);
  if (kBarrier) __syncthreads();
  if (threadIdx.x == 0) *y = counter;
}

/// The last block to finish adds what all have left. `kFence`: with the fence that makes their writes visible.
template <bool kFence>
__global__ void last_block_adds(float* partial, unsigned* ticket, float* y) {
  __shared__ bool last;
  if (threadIdx.x == 0) {
    partial[blockIdx.x] = 1.0f;
    if (kFence) __threadfence();
    last = atomicAdd(ticket, 1u) == gridDim.x - 1;
  }
  __syncthreads();
  if (!last || threadIdx.x != 0) return;
  float sum = 0;
  for (unsigned b = 0; b < gridDim.x; ++b) sum += partial[b];
  *y = sum;
}

template <class Kernel, class... Arguments>
void run(Kernel kernel, unsigned grid, unsigned block, Arguments... arguments) {
  simt::launch(kernel, grid, block, 0, nullptr, arguments...);
  cudaDeviceSynchronize();
}

template <class T>
using Device = selftest::Device<T>;

template <bool kFence>
void run_last_block() {
  const Device<float> partial(32), y(1);
  const Device<unsigned> ticket(1, 0u);
  run(last_block_adds<kFence>, 32, 64, partial.get(), ticket.get(), y.get());
  if (kFence) selftest::expect(y[0], 32, "sum by the last block");
}

template <bool kInPlace>
void run_shift() {
  const Device<float> x(8 * 32, 1.0f), y(8 * 32);
  run(shift_blocks<kInPlace>, 8, 32, x.get(), y.get());
}

}  // namespace

SCENARIO(missing_syncthreads) { run(rotate_shared<false>, 1, 128, Device<float>(128, 1.0f).get(), Device<float>(128).get()); }
SCENARIO(with_syncthreads) { run(rotate_shared<true>, 1, 128, Device<float>(128, 1.0f).get(), Device<float>(128).get()); }
SCENARIO(missing_syncthreads_global) {
  run(rotate_global<false>, 1, 128, Device<float>(128, 1.0f).get(), Device<float>(128, 0.0f).get(), Device<float>(128).get());
}
SCENARIO(with_syncthreads_global) {
  run(rotate_global<true>, 1, 128, Device<float>(128, 1.0f).get(), Device<float>(128, 0.0f).get(), Device<float>(128).get());
}
SCENARIO(missing_second_barrier) { run(reuse_tile<false>, 1, 64, Device<float>(128).get()); }
SCENARIO(with_second_barrier) { run(reuse_tile<true>, 1, 64, Device<float>(128).get()); }
SCENARIO(race_on_halves) { run(halves<1>, 1, 64, Device<unsigned short>(64).get()); }
SCENARIO(neighbours_in_halves) { run(halves<0>, 1, 64, Device<unsigned short>(64).get()); }
SCENARIO(race_on_bytes) { run(bytes<1>, 1, 64, Device<unsigned char>(64).get()); }
SCENARIO(neighbours_in_bytes) { run(bytes<0>, 1, 64, Device<unsigned char>(64).get()); }
SCENARIO(missing_syncwarp) { run(rotate_warp<false>, 1, 32, Device<float>(32, 1.0f).get(), Device<float>(32).get()); }
SCENARIO(with_syncwarp) {
  run(rotate_warp<true>, 1, 32, Device<float>(32, 1.0f).get(), Device<float>(32).get());
  run(read_then_write_in_warp, 1, 32, Device<float>(32).get());
}
SCENARIO(half_warps_across) { run(half_warps<true>, 1, 32, Device<float>(32).get()); }
SCENARIO(half_warps_apart) { run(half_warps<false>, 1, 32, Device<float>(32).get()); }
SCENARIO(blocks_write_one_place) { run(one_place<false>, 4, 32, Device<float>(4).get()); }
SCENARIO(blocks_write_own_places) { run(one_place<true>, 4, 32, Device<float>(4).get()); }
SCENARIO(blocks_shift_in_place) { run_shift<true>(); }
SCENARIO(blocks_shift_out_of_place) { run_shift<false>(); }
SCENARIO(counting_without_atomics) { run(count<false>, 4, 32, Device<int>(1, 0).get()); }
SCENARIO(counting_with_atomics) {
  const Device<int> counter(1, 0);
  run(count<true>, 4, 32, counter.get());
  selftest::expect(counter[0], 128, "count");
}
SCENARIO(atomics_read_without_barrier) { run(count_in_shared<false>, 1, 64, Device<int>(1).get()); }
SCENARIO(atomics_read_after_barrier) {
  const Device<int> y(1);
  run(count_in_shared<true>, 1, 64, y.get());
  selftest::expect(y[0], 64, "count");
}
SCENARIO(last_block_without_fence) { run_last_block<false>(); }
SCENARIO(last_block_with_fence) { run_last_block<true>(); }
