// Many accesses, for measuring what one costs.
#include "tests/simt/kernels/selftest.h"

namespace {

/// 4 million reads and 2 thousand writes of global memory.
__global__ void sum_columns(const float* x, float* y, int rows, int columns) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  float sum = 0;
  for (int r = 0; r < rows; ++r) sum += x[r * columns + i];
  y[i] = sum;
}

/// Per block 256 threads x (1 + rounds) reads and writes of shared memory and as many barriers.
__global__ void rotate_often(float* y, int rounds) {
  __shared__ float tile[2][256];
  tile[0][threadIdx.x] = static_cast<float>(threadIdx.x);
  __syncthreads();
  for (int r = 0; r < rounds; ++r) {
    tile[(r + 1) % 2][threadIdx.x] = tile[r % 2][(threadIdx.x + 1) % 256];
    __syncthreads();
  }
  y[blockIdx.x * 256 + threadIdx.x] = tile[rounds % 2][threadIdx.x];
}

/// Reads that all threads share: 1 million.
__global__ void broadcast(const float* x, float* y, int n) {
  float sum = 0;
  for (int i = 0; i < n; ++i) sum += x[i];
  y[blockIdx.x * blockDim.x + threadIdx.x] = sum;
}

__global__ void shuffle_often(float* y, int rounds) {
  float value = static_cast<float>(threadIdx.x);
  for (int r = 0; r < rounds; ++r) value = __shfl_xor_sync(0xffffffffu, value, 1 + r % 31);
  y[blockIdx.x * blockDim.x + threadIdx.x] = value;
}

}  // namespace

SCENARIO(speed_global) {
  const selftest::Device<float> x(2048 * 2048, 1.0f), y(2048);
  simt::launch(sum_columns, 8, 256, 0, nullptr, x.get(), y.get(), 2048, 2048);
  selftest::expect(y[7], 2048, "sum of a column");
}

SCENARIO(speed_shared) {
  const selftest::Device<float> y(16 * 256);
  simt::launch(rotate_often, 16, 256, 0, nullptr, y.get(), 256);
  selftest::expect(y[7], 7, "256 rotations of 256");
}

SCENARIO(speed_broadcast) {
  const selftest::Device<float> x(1024, 1.0f), y(1024);
  simt::launch(broadcast, 4, 256, 0, nullptr, x.get(), y.get(), 1024);
  selftest::expect(y[7], 1024, "sum");
}

SCENARIO(speed_shuffle) {
  const selftest::Device<float> y(4 * 256);
  simt::launch(shuffle_often, 4, 256, 0, nullptr, y.get(), 1024);
  cudaDeviceSynchronize();
}
