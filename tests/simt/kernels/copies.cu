// Asynchronous copies: cp.async inside kernels, cudaMemcpyAsync between host and device.
#include "tests/simt/kernels/selftest.h"

namespace {

/// A tile comes by cp.async. `kWait`: waited for before it is used; `kBarrier`: and the other threads' parts too.
template <bool kWait, bool kBarrier>
__global__ void through_shared(const float* x, float* y) {
  __shared__ __align__(16) float tile[128];
  simt::copy_async(tile + 4 * threadIdx.x, x + 4 * threadIdx.x, 16);
  simt::copy_async_commit();
  if (kWait) simt::copy_async_wait(0);
  if (kBarrier) __syncthreads();
  for (int i = 0; i < 4; ++i) y[4 * threadIdx.x + i] = tile[127 - (4 * threadIdx.x + i)];
}

/// Two stages under way: the first is used while the second travels. `kLeft` groups may be left when the first is used.
template <int kLeft>
__global__ void two_stages(const float* x, float* y) {
  __shared__ float stage[2][32];
  for (int s = 0; s < 2; ++s) {
    simt::copy_async(&stage[s][threadIdx.x], x + 32 * s + threadIdx.x, 4);
    simt::copy_async_commit();
  }
  simt::copy_async_wait(kLeft);
  y[threadIdx.x] = stage[0][threadIdx.x];
  simt::copy_async_wait(0);
  y[32 + threadIdx.x] = stage[1][threadIdx.x];
}

__global__ void zero_fill(const float* x, float* y) {
  __shared__ __align__(16) float tile[4];
  simt::copy_async(tile, x, 16, 8);
  simt::copy_async_commit();
  simt::copy_async_wait(0);
  for (int i = 0; i < 4; ++i) y[i] = tile[i];
}

__global__ void copy_past_the_end(const float* x, float* y) {
  __shared__ float tile[32];
  simt::copy_async(&tile[threadIdx.x], x + threadIdx.x, 4);
  simt::copy_async_commit();
  simt::copy_async_wait(0);
  y[threadIdx.x] = tile[threadIdx.x];
}

__global__ void double_all(float* x) { x[threadIdx.x] *= 2.0f; }

template <class T>
using Device = selftest::Device<T>;

template <class Kernel, class... Arguments>
void run(Kernel kernel, Arguments... arguments) {
  simt::launch(kernel, 1, 32, 0, nullptr, arguments...);
  cudaDeviceSynchronize();
}

/// Fetches results into page-locked memory and adds them up; `wait`: after waiting.
void fetch(bool wait) {
  const Device<float> x(32, 1.0f);
  float* host = nullptr;
  cudaMallocHost(&host, 32 * sizeof(float));
  for (int i = 0; i < 32; ++i) host[i] = 0.0f;
  cudaStream_t stream;
  cudaStreamCreateWithFlags(&stream, cudaStreamNonBlocking);
  simt::launch(double_all, 1, 32, 0, stream, x.get());
  cudaMemcpyAsync(host, x.get(), 32 * sizeof(float), cudaMemcpyDeviceToHost, stream);
  if (wait) cudaStreamSynchronize(stream);
  float sum = 0;
  for (int i = 0; i < 32; ++i) sum += static_cast<volatile float*>(host)[i];
  if (wait) selftest::expect(sum, 64, "sum of what was fetched");
  cudaStreamDestroy(stream);
  cudaFreeHost(host);
}

/// Sends page-locked memory and overwrites it; `wait`: after waiting.
void send(bool wait) {
  const Device<float> x(1);
  float* host = nullptr;
  cudaMallocHost(&host, sizeof(float));
  *host = 1.0f;
  cudaMemcpyAsync(x.get(), host, sizeof(float), cudaMemcpyHostToDevice, nullptr);
  if (wait) cudaStreamSynchronize(nullptr);
  *static_cast<volatile float*>(host) = 2.0f;
  if (wait) selftest::expect(x[0], 1, "what was sent");
  cudaDeviceSynchronize();
  cudaFreeHost(host);
}

}  // namespace

SCENARIO(async_copy_not_waited) { run(through_shared<false, true>, Device<float>(128, 1.0f).get(), Device<float>(128).get()); }
SCENARIO(async_copy_without_barrier) { run(through_shared<true, false>, Device<float>(128, 1.0f).get(), Device<float>(128).get()); }
SCENARIO(async_copy_waited) {
  const Device<float> x(128, 1.0f), y(128);
  run(through_shared<true, true>, x.get(), y.get());
  selftest::expect(y[5], 1, "what came by cp.async");
  const Device<float> z(4);
  simt::launch(zero_fill, 1, 1, 0, nullptr, x.get(), z.get());
  selftest::expect(z[1], 1, "copied part");
  selftest::expect(z[2], 0, "zero-filled part");
}
SCENARIO(stages_waited_too_late) { run(two_stages<2>, Device<float>(64, 1.0f).get(), Device<float>(64).get()); }
SCENARIO(stages_waited_in_time) { run(two_stages<1>, Device<float>(64, 1.0f).get(), Device<float>(64).get()); }
SCENARIO(async_copy_past_the_end) { run(copy_past_the_end, Device<float>(31, 1.0f).get(), Device<float>(32).get()); }
SCENARIO(async_copy_inside) { run(copy_past_the_end, Device<float>(32, 1.0f).get(), Device<float>(32).get()); }

SCENARIO(fetched_without_waiting) { fetch(false); }
SCENARIO(fetched_and_waited) { fetch(true); }
SCENARIO(overwritten_while_sent) { send(false); }
SCENARIO(overwritten_after_sending) { send(true); }

SCENARIO(host_reads_device_memory) {
  const Device<float> x(1, 1.0f);
  static_cast<void>(*static_cast<volatile float*>(x.get()));
}
SCENARIO(host_copies_device_memory) {
  const Device<float> x(1, 1.0f);
  selftest::expect(x[0], 1, "copied");
}

SCENARIO(copy_past_an_allocation) {
  const Device<float> x(8, 1.0f);
  float host[9];
  cudaMemcpy(host, x.get(), sizeof host, cudaMemcpyDeviceToHost);
}
SCENARIO(copy_within_an_allocation) {
  const Device<float> x(9, 1.0f);
  float host[9];
  cudaMemcpy(host, x.get(), sizeof host, cudaMemcpyDeviceToHost);
  selftest::expect(host[8], 1, "last value");
}
SCENARIO(copy_of_what_was_never_written) {
  const Device<float> x(8);
  float host[8];
  cudaMemcpy(host, x.get(), sizeof host, cudaMemcpyDeviceToHost);
}
