// A program of one kernel, to try the emulator with (docs/simt.md). The kernel lacks a barrier.
#include <cuda_runtime.h>

#include <cstdio>

#include "tests/simt/control.h"

__global__ void reverse(const float* x, float* y) {
  __shared__ float tile[256];
  tile[threadIdx.x] = x[threadIdx.x];
  y[threadIdx.x] = tile[255 - threadIdx.x];
}

int main() {
  float host[256] = {}, *x = nullptr, *y = nullptr;
  cudaMalloc(&x, sizeof host);
  cudaMalloc(&y, sizeof host);
  cudaMemcpy(x, host, sizeof host, cudaMemcpyHostToDevice);
  simt_control()->set_counting(1);
  simt::launch(reverse, 1, 256, 0, nullptr, x, y);
  std::printf("%s\n", cudaGetErrorName(cudaDeviceSynchronize()));

  char text[4096];
  std::printf("%zu faults\n", simt_control()->faults(text, sizeof text));
  std::fputs(text, stdout);
  SimtKernelCounters counters;
  simt_control()->counters(&counters, 1);
  std::printf("%s: %llu bytes in %llu sectors read\n", counters.kernel, static_cast<unsigned long long>(counters.load_bytes),
              static_cast<unsigned long long>(counters.load_sectors));
}
