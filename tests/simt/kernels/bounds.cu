// Accesses that do not belong where they go: bounds, life time, alignment, memory never written, memory of the host.
#include "tests/simt/kernels/selftest.h"

namespace {

__global__ void copy_shifted(const float* x, float* y, int read_shift, int write_shift) {
  const int i = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x);
  y[i + write_shift] = x[i + read_shift];
}

/// Rows of 33 columns; `rows` of them are used, 8 are there.
__global__ void fill_tile(float* y, int rows) {
  __shared__ float before[16];
  __shared__ float tile[8][33];
  __shared__ float after[16];
  if (threadIdx.x < 16) before[threadIdx.x] = after[threadIdx.x] = 0.0f;
  for (int r = 0; r < rows; ++r) tile[r][threadIdx.x] = static_cast<float>(r);
  __syncthreads();
  y[threadIdx.x] = tile[7][threadIdx.x] + before[threadIdx.x % 16] + after[threadIdx.x % 16];
}

__global__ void fill_dynamic(float* y, int count) {
  float* tile = static_cast<float*>(simt::dynamic_shared());
  for (int i = static_cast<int>(threadIdx.x); i < count; i += 32) tile[i] = 1.0f;
  __syncthreads();
  y[threadIdx.x] = tile[threadIdx.x];
}

template <bool kInitialise>
__global__ void add_to_shared(float* y) {
  __shared__ float sums[32];
  if (kInitialise) sums[threadIdx.x] = 0.0f;
  sums[threadIdx.x] += 1.0f;
  y[threadIdx.x] = sums[threadIdx.x];
}

/// The first block fills, the second finds what the first has left: on a GPU that is garbage.
__global__ void rely_on_last_block(float* y, bool every_block) {
  __shared__ float tile[32];
  if (every_block || blockIdx.x == 0) tile[threadIdx.x] = 1.0f;
  y[blockIdx.x * 32 + threadIdx.x] = tile[threadIdx.x];
}

__global__ void add_to_global(float* y) { y[threadIdx.x] += 1.0f; }

__global__ void copy_vectors(const float* x, float* y) {
  reinterpret_cast<float4*>(y)[threadIdx.x] = *reinterpret_cast<const float4*>(x + 4 * threadIdx.x);
}

__global__ void read_by_pointer(const float* const* where, float* y) { y[threadIdx.x] = (*where)[threadIdx.x]; }

__global__ void store_one(float* y) { y[0] = 1.0f; }

struct Pair {
  float a, b;
};
__global__ void copy_pairs(const Pair* x, Pair* y) { y[threadIdx.x] = x[threadIdx.x]; }

struct Large {
  float v[40];
};
/// Copied by a call of memcpy, not by moves.
__global__ void copy_large(const Large* x, Large* y) { y[threadIdx.x] = x[threadIdx.x]; }

__constant__ const float kTable[4] = {1, 2, 3, 4};
__global__ void read_table(float* y, int shift) { y[threadIdx.x] = kTable[(threadIdx.x + static_cast<unsigned>(shift)) % 4]; }

template <class T>
using Device = selftest::Device<T>;

void run_shifted(int read_shift, int write_shift) {
  const Device<float> x(64, 1.0f), y(64);
  simt::launch(copy_shifted, 2, 32, 0, nullptr, x.get(), y.get(), read_shift, write_shift);
  cudaDeviceSynchronize();
}

template <class Kernel, class... Arguments>
void run(Kernel kernel, unsigned block, Arguments... arguments) {
  simt::launch(kernel, 1, block, 0, nullptr, arguments...);
  cudaDeviceSynchronize();
}

void run_dynamic(int count) {
  const Device<float> y(32);
  simt::launch(fill_dynamic, 1, 32, 100 * sizeof(float), nullptr, y.get(), count);
  cudaDeviceSynchronize();
}

void run_two_blocks(bool every_block) {
  const Device<float> y(64);
  simt::launch(rely_on_last_block, 2, 32, 0, nullptr, y.get(), every_block);
  cudaDeviceSynchronize();
}

void run_vectors(int shift) {
  const Device<float> x(132, 1.0f), y(128);
  run(copy_vectors, 32, x.get() + shift, y.get());
}

}  // namespace

SCENARIO(read_past_the_end) { run_shifted(1, 0); }
SCENARIO(read_before_the_begin) { run_shifted(-1, 0); }
SCENARIO(write_past_the_end) { run_shifted(0, 1); }
SCENARIO(inside) { run_shifted(0, 0); }
SCENARIO(past_a_shared_array) { run(fill_tile, 33, Device<float>(33).get(), 9); }
SCENARIO(inside_a_shared_array) { run(fill_tile, 33, Device<float>(33).get(), 8); }
SCENARIO(past_dynamic_shared) { run_dynamic(101); }
SCENARIO(inside_dynamic_shared) { run_dynamic(100); }
SCENARIO(shared_never_written) { run(add_to_shared<false>, 32, Device<float>(32).get()); }
SCENARIO(shared_written) { run(add_to_shared<true>, 32, Device<float>(32).get()); }
SCENARIO(shared_of_another_block) { run_two_blocks(false); }
SCENARIO(shared_of_this_block) { run_two_blocks(true); }
SCENARIO(global_never_written) { run(add_to_global, 32, Device<float>(32).get()); }
SCENARIO(global_written) { run(add_to_global, 32, Device<float>(32, 0.0f).get()); }
SCENARIO(misaligned_vector) { run_vectors(1); }
SCENARIO(aligned_vector) { run_vectors(4); }

SCENARIO(use_after_free) {
  float* y = nullptr;
  cudaMalloc(&y, sizeof(float));
  cudaFree(y);
  run(store_one, 1, y);
}
SCENARIO(use_before_free) {
  float* y = nullptr;
  cudaMalloc(&y, sizeof(float));
  run(store_one, 1, y);
  cudaFree(y);
}
SCENARIO(use_after_free_async) {
  const Device<float> other(1);
  float* y = nullptr;
  cudaMallocAsync(&y, sizeof(float), nullptr);
  cudaFreeAsync(y, nullptr);
  run(store_one, 1, y);
}
SCENARIO(use_before_free_async) {
  float* y = nullptr;
  cudaMallocAsync(&y, sizeof(float), nullptr);
  simt::launch(store_one, 1, 1, 0, nullptr, y);
  cudaFreeAsync(y, nullptr);
  cudaDeviceSynchronize();
}

SCENARIO(kernel_reads_host_memory) {
  float* const host = static_cast<float*>(std::calloc(32, sizeof(float)));
  const Device<const float*> where(1, host);
  run(read_by_pointer, 32, where.get(), Device<float>(32).get());
  std::free(host);
}
SCENARIO(kernel_reads_device_memory) {
  const Device<float> x(32, 1.0f);
  const Device<const float*> where(1, x.get());
  run(read_by_pointer, 32, where.get(), Device<float>(32).get());
}
SCENARIO(kernel_reads_pinned_memory) {
  float* host = nullptr;
  cudaMallocHost(&host, 32 * sizeof(float));
  for (int i = 0; i < 32; ++i) host[i] = 1.0f;
  const Device<const float*> where(1, host);
  run(read_by_pointer, 32, where.get(), Device<float>(32).get());
  cudaFreeHost(host);
}
SCENARIO(kernel_reads_a_table) {
  const Device<float> y(4);
  run(read_table, 4, y.get(), 1);
  selftest::expect(y[0], 2, "constant");
}

SCENARIO(struct_copies) {
  run(copy_pairs, 32, Device<Pair>(32, Pair{1, 2}).get(), Device<Pair>(32).get());
  run(copy_large, 4, Device<Large>(4, Large{}).get(), Device<Large>(4).get());
}
SCENARIO(large_struct_past_the_end) { run(copy_large, 5, Device<Large>(4, Large{}).get(), Device<Large>(5).get()); }

SCENARIO(pool_forgets) {
  const Device<float> y(32, 0.0f);
  simt::forget(y.get(), 16 * sizeof(float));
  run(add_to_global, 32, y.get());
}
