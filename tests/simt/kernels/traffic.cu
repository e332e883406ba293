// Kernels whose memory traffic can be told by hand.
#include "tests/simt/kernels/selftest.h"

namespace {

__global__ void copy(const float* x, float* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
}

__global__ void copy_vectors(const float4* x, float4* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
}

__global__ void store_made_vectors(float4* y, float value) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = make_float4(value, 2.0f * value, 3.0f, value);
}

/// Two floats of one struct, aligned to 4 bytes only: two accesses, as on a GPU.
struct Pair {
  float a, b;
};
__global__ void copy_pairs(const Pair* x, Pair* y) { y[threadIdx.x] = x[threadIdx.x]; }

__global__ void copy_strided(const float* x, float* y, unsigned n) {
  const unsigned i = (blockIdx.x * blockDim.x + threadIdx.x) * 33 % n;
  y[i] = x[i];
}

__global__ void copy_halves(const unsigned short* x, unsigned short* y) {
  const unsigned i = blockIdx.x * blockDim.x + threadIdx.x;
  y[i] = x[i];
}

__global__ void broadcast(const float* x, float* y) { y[threadIdx.x] = x[0]; }

/// A 32x32 transpose through shared memory; `kPad` columns of padding keep the banks apart.
template <int kPad>
__global__ void transpose(const float* x, float* y) {
  __shared__ float tile[32][32 + kPad];
  tile[threadIdx.y][threadIdx.x] = x[threadIdx.y * 32 + threadIdx.x];
  __syncthreads();
  y[threadIdx.y * 32 + threadIdx.x] = tile[threadIdx.x][threadIdx.y];
}

/// Vectors in shared memory: 8 and 16 bytes per lane, side by side.
template <class V>
__global__ void shared_vectors(V* y) {
  __shared__ V tile[32];
  tile[threadIdx.x] = V{};
  __syncwarp();
  y[threadIdx.x] = tile[threadIdx.x];
}

/// Every lane's 8 bytes begin at the same bank as its neighbour's but one.
__global__ void shared_pairs_strided(float2* y) {
  __shared__ float2 tile[512];
  tile[threadIdx.x * 16] = make_float2(1.0f, 2.0f);
  y[threadIdx.x] = tile[threadIdx.x * 16];
}

__global__ void sum_row(const float* x, float* y) {
  __shared__ float part[8];
  float sum = 0;
  for (int i = static_cast<int>(threadIdx.x); i < 4096; i += 256) sum += x[blockIdx.x * 4096 + i];
  for (int d = 16; d > 0; d /= 2) sum += __shfl_down_sync(0xffffffffu, sum, d);
  if (threadIdx.x % 32 == 0) part[threadIdx.x / 32] = sum;
  __syncthreads();
  if (threadIdx.x == 0) {
    float total = 0;
    for (int w = 0; w < 8; ++w) total += part[w];
    y[blockIdx.x] = total;
  }
}

__global__ void add_all(float* sum) { atomicAdd(sum, 1.0f); }
__global__ void multiply() { simt::count_mma(64); }

template <class T>
using Device = selftest::Device<T>;

template <int kPad>
void run_transpose() {
  const Device<float> x(1024, 1.0f), y(1024);
  simt::launch(transpose<kPad>, 1, dim3(32, 32), 0, nullptr, x.get(), y.get());
  cudaDeviceSynchronize();
}

}  // namespace

SCENARIO(traffic) {
  const Device<float> x(4096, 1.0f), y(4096);
  const Device<unsigned short> hx(4096, 1), hy(4096);
  simt::launch(copy, 16, 256, 0, nullptr, x.get(), y.get());
  simt::launch(copy_vectors, 4, 256, 0, nullptr, reinterpret_cast<const float4*>(x.get()), reinterpret_cast<float4*>(y.get()));
  simt::launch(store_made_vectors, 4, 256, 0, nullptr, reinterpret_cast<float4*>(y.get()), 1.0f);
  simt::launch(copy_pairs, 1, 32, 0, nullptr, reinterpret_cast<const Pair*>(x.get()), reinterpret_cast<Pair*>(y.get()));
  simt::launch(copy_strided, 16, 256, 0, nullptr, x.get(), y.get(), 4096u);
  simt::launch(copy_halves, 16, 256, 0, nullptr, hx.get(), hy.get());
  simt::launch(broadcast, 1, 32, 0, nullptr, x.get(), y.get());
  simt::launch(add_all, 2, 32, 0, nullptr, x.get());
  simt::launch(multiply, 1, 32, 0, nullptr);
  cudaDeviceSynchronize();
  run_transpose<0>();
  run_transpose<1>();
  simt::launch(shared_vectors<float2>, 1, 32, 0, nullptr, reinterpret_cast<float2*>(y.get()));
  simt::launch(shared_vectors<float4>, 1, 32, 0, nullptr, reinterpret_cast<float4*>(y.get()));
  simt::launch(shared_pairs_strided, 1, 32, 0, nullptr, reinterpret_cast<float2*>(y.get()));
  cudaDeviceSynchronize();
}

SCENARIO(sum_rows) {
  const Device<float> x(4 * 4096, 1.0f), y(4);
  for (int launch = 0; launch < 2; ++launch) simt::launch(sum_row, 4, 256, 0, nullptr, x.get(), y.get());
  selftest::expect(y[3], 4096, "sum of a row");
}
