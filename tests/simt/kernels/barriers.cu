// Barriers and warp operations that not all threads come to.
#include "tests/simt/kernels/selftest.h"

namespace {

/// `kUniform`: all threads take the same branch.
template <bool kUniform>
__global__ void branch_over_barriers(float* y) {
  __shared__ float tile[64];
  tile[threadIdx.x] = 1.0f;
  if (kUniform || threadIdx.x < 32) {
    __syncthreads();
  } else {
    __syncthreads();
  }
  y[threadIdx.x] = tile[63 - threadIdx.x];
}

template <bool kEarly>
__global__ void return_before_barrier(float* y, unsigned n) {
  __shared__ float tile[64];
  tile[threadIdx.x] = 1.0f;
  if (kEarly && threadIdx.x >= n) return;
  __syncthreads();
  if (threadIdx.x < n) y[threadIdx.x] = tile[n - 1 - threadIdx.x];
}

/// A shuffle that half of the lanes named in its mask never reach.
template <bool kAll>
__global__ void shuffle_in_branch(float* y) {
  float value = static_cast<float>(threadIdx.x);
  if (kAll || threadIdx.x < 16) value = __shfl_xor_sync(0xffffffffu, value, 1);
  __syncthreads();
  y[threadIdx.x] = value;
}

/// Lane 20 takes no part in a shuffle among the first 16 lanes.
__global__ void shuffle_from_outside(float* y, int source) {
  if (threadIdx.x < 16) y[threadIdx.x] = __shfl_sync(0x0000ffffu, static_cast<float>(threadIdx.x), source);
}

__global__ void all_shuffles(int* y) {
  const int lane = static_cast<int>(threadIdx.x);
  int wrong = 0;
  wrong += __shfl_sync(~0u, lane, 5) != 5;
  wrong += __shfl_sync(~0u, lane, 9, 8) != (lane & ~7) + 1;
  wrong += __shfl_up_sync(~0u, lane, 1) != (lane == 0 ? 0 : lane - 1);
  wrong += __shfl_up_sync(~0u, lane, 2, 8) != (lane % 8 < 2 ? lane : lane - 2);
  wrong += __shfl_down_sync(~0u, lane, 4) != (lane < 28 ? lane + 4 : lane);
  wrong += __shfl_xor_sync(~0u, static_cast<double>(lane), 16) != static_cast<double>(lane ^ 16);
  wrong += __ballot_sync(~0u, lane % 2) != 0xaaaaaaaau;
  wrong += !__any_sync(~0u, lane == 31) || __any_sync(~0u, lane == 32) || !__all_sync(~0u, lane < 32) || __all_sync(~0u, lane < 31);
  wrong += __match_any_sync(~0u, lane / 8) != 0xffu << (lane / 8 * 8);
  wrong += __reduce_add_sync(~0u, lane) != 496 || __reduce_max_sync(~0u, lane) != 31 || __reduce_min_sync(~0u, lane) != 0;
  wrong += __activemask() != ~0u;
  int gathered[32];
  simt::warp_gather(&lane, sizeof lane, gathered);
  for (int l = 0; l < 32; ++l) wrong += gathered[l] != l;
  if (lane < 8) wrong += __shfl_sync(0xffu, lane, 7) != 7;  // some lanes only
  y[lane] = wrong;
}

__global__ void votes_of_the_block(int* y) {
  const int t = static_cast<int>(threadIdx.x);
  const int count = __syncthreads_count(t % 3 == 0);
  const int all = __syncthreads_and(t < 96), any = __syncthreads_or(t == 95), none = __syncthreads_or(t == 96);
  y[t] = count == 32 && all && any && !none ? 0 : 1;
}

/// A warp whose lanes leave one after the other: those that stay may still exchange values.
__global__ void lanes_leave(int* y) {
  const int lane = static_cast<int>(threadIdx.x);
  for (int last = 31; last >= lane; --last) y[lane] = __shfl_sync(~0u >> (31 - last), last, 0);
}

template <class T>
using Device = selftest::Device<T>;

template <class Kernel, class... Arguments>
void run(Kernel kernel, unsigned block, Arguments... arguments) {
  simt::launch(kernel, 1, block, 0, nullptr, arguments...);
  cudaDeviceSynchronize();
}

template <class Kernel>
void expect_zeros(Kernel kernel, unsigned threads, const char* what) {
  const Device<int> y(threads);
  run(kernel, threads, y.get());
  for (unsigned t = 0; t < threads; ++t) selftest::expect(y[t], 0, what);
}

}  // namespace

SCENARIO(divergent_barrier) { run(branch_over_barriers<false>, 64, Device<float>(64).get()); }
SCENARIO(uniform_barrier) { run(branch_over_barriers<true>, 64, Device<float>(64).get()); }
SCENARIO(early_return) { run(return_before_barrier<true>, 64, Device<float>(64).get(), 40u); }
SCENARIO(late_return) { run(return_before_barrier<false>, 64, Device<float>(64).get(), 40u); }
SCENARIO(shuffle_without_half) { run(shuffle_in_branch<false>, 32, Device<float>(32).get()); }
SCENARIO(shuffle_with_all) { run(shuffle_in_branch<true>, 32, Device<float>(32).get()); }
SCENARIO(shuffle_from_outside) { run(shuffle_from_outside, 32, Device<float>(32).get(), 20); }
SCENARIO(shuffle_from_inside) { run(shuffle_from_outside, 32, Device<float>(32).get(), 12); }
SCENARIO(warp_operations) {
  expect_zeros(all_shuffles, 32, "shuffles and votes");
  expect_zeros(votes_of_the_block, 96, "votes of the block");
  run(lanes_leave, 32, Device<int>(32).get());
}
