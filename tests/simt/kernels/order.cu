// Barriers, and what goes wrong without them.
#include "tests/simt/kernels/selftest.h"

namespace {

/// Every thread reads what its neighbour wrote. `kBarrier`: with the barrier that this needs.
template <bool kBarrier>
__global__ void rotate_shared(const float* x, float* y) {
  __shared__ float tile[128];
  tile[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncthreads();
  y[threadIdx.x] = tile[(threadIdx.x + 1) % 128];
}

template <bool kBarrier>
__global__ void rotate_warp(const float* x, float* y) {
  __shared__ float tile[32];
  tile[threadIdx.x] = x[threadIdx.x];
  if (kBarrier) __syncwarp();
  y[threadIdx.x] = tile[(threadIdx.x + 1) % 32];
}

__global__ void sum_rows(const float* x, float* y, int n) {
  __shared__ float part[8];
  float sum = 0;
  for (int i = threadIdx.x; i < n; i += 256) sum += x[blockIdx.x * n + i];
  for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (int w = 0; w < 8; ++w) total += part[w];
    y[blockIdx.x] = total;
  }
}

template <bool kBarrier>
void run_rotate() {
  const selftest::Device<float> x(128, 1.0f), y(128);
  simt::launch(rotate_shared<kBarrier>, 1, 128, 0, nullptr, x.get(), y.get());
  cudaDeviceSynchronize();
}

template <bool kBarrier>
void run_rotate_warp() {
  const selftest::Device<float> x(32, 1.0f), y(32);
  simt::launch(rotate_warp<kBarrier>, 1, 32, 0, nullptr, x.get(), y.get());
  cudaDeviceSynchronize();
}

}  // namespace

SCENARIO(missing_syncthreads) { run_rotate<false>(); }
SCENARIO(with_syncthreads) { run_rotate<true>(); }
SCENARIO(missing_syncwarp) { run_rotate_warp<false>(); }
SCENARIO(with_syncwarp) { run_rotate_warp<true>(); }

SCENARIO(sum_rows) {
  const selftest::Device<float> x(16 * 4096, 1.0f), y(16);
  simt::launch(sum_rows, 16, 256, 0, nullptr, x.get(), y.get(), 4096);
  selftest::expect(y[3], 4096, "sum of a row");
}
