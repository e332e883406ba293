// Optimiser kernels over flat arenas (formulas: kernels/optimizer.h). One launch moves all parameters of a group.
//
//   op               bytes per parameter (w, g, m, v are float)                     bound by
//   adam_step        16 read, 12 written, 2 more for a bf16 shadow                  memory
//   sgd_step         12 read, 8 written (8 and 4 without momentum), 2 for a shadow  memory
//   lerp             8 read, 4 written                                              memory
//   sum_of_squares, find_nonfinite, prepare_step: 4 read                            memory
//
// Mapping: a thread takes kGroups groups of four parameters that lie a block apart, so that a warp always moves 512 neighbouring bytes
// and each thread has several loads in flight. What depends on the step alone (bias correction, learning rate) is computed once per
// block, in double, while those loads are under way.
// Sums and searches: every block leaves one partial result, a second kernel of one block combines them in a fixed order. Nothing
// here is an atomic operation, so results are the same to the bit every time.
#include <cmath>

#include "kernels/cuda/detail/flat.cuh"
#include "kernels/cuda/detail/reduce.cuh"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;
constexpr int kGroups = 2;  // per thread in the updates: four arrays of two groups are eight 16-byte loads in flight
constexpr int kPerGroup = 4;

template <int N>
dim3 grid_for(const FlatGroups<N>& flat, int groups_per_thread) {
  return dim3(grid_extent(ceil_div(flat.groups(), kThreads * groups_per_thread)));
}

/// First element of this thread's k-th group.
template <int N>
__device__ __forceinline__ std::int64_t element(const FlatGroups<N>& flat, int k, int groups_per_thread) {
  return flat.first((static_cast<std::int64_t>(blockIdx.x) * groups_per_thread + k) * kThreads + threadIdx.x);
}

struct AdamConstants {
  float beta1, one_minus_beta1, beta2, one_minus_beta2, eps, coupled_decay;
  double log_beta1, log_beta2;
};

/// What of a step is the same for all parameters: found by one thread, read by its block.
struct AdamStepSizes {
  float step_size, root_correction, decoupled_decay, gradient_scale;
  int stop;  // not bool: a struct without padding is copied whole
};

/// 1 - beta^t = -expm1(t log beta), which does not cancel for beta near one.
__device__ __forceinline__ double bias_correction(double log_beta, std::int64_t t) {
  return -expm1(static_cast<double>(t) * log_beta);
}

template <class T>
__device__ void find_step_sizes(const AdamStep<T>& arguments, const AdamConstants& constants, AdamStepSizes& sizes) {
  sizes.stop = stopped(arguments.control);
  if (sizes.stop) return;
  const AdamStep<T> a = resolved(arguments);
  sizes.step_size = static_cast<float>(a.lr / bias_correction(constants.log_beta1, a.step));
  sizes.root_correction = static_cast<float>(sqrt(bias_correction(constants.log_beta2, a.step)));
  sizes.decoupled_decay = static_cast<float>(a.decoupled ? a.lr * a.weight_decay : 0.0);
  sizes.gradient_scale = static_cast<float>(a.gradient_scale);
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) adam_step_kernel(AdamStep<T> a, AdamConstants constants, FlatGroups<N> flat) {
  __shared__ AdamStepSizes shared_sizes;
  Floats<N> weight[kGroups], gradient[kGroups], m[kGroups], v[kGroups];
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
    weight[k] = flat.load(a.weight, i);
    gradient[k] = flat.load(a.gradient, i);
    m[k] = flat.load(a.m, i);
    v[k] = flat.load(a.v, i);
  }
  if (threadIdx.x == 0) find_step_sizes(a, constants, shared_sizes);
  __syncthreads();
  if (shared_sizes.stop) return;
  const AdamStepSizes sizes = shared_sizes;
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      float w = weight[k][j];
      const float g = fmaf(sizes.gradient_scale, gradient[k][j], constants.coupled_decay * w);
      w = fmaf(-sizes.decoupled_decay, w, w);
      m[k][j] = fmaf(constants.beta1, m[k][j], constants.one_minus_beta1 * g);
      v[k][j] = fmaf(constants.beta2, v[k][j], constants.one_minus_beta2 * g * g);
      const float denominator = sqrtf(v[k][j]) / sizes.root_correction + constants.eps;
      weight[k][j] = w - sizes.step_size * m[k][j] / denominator;
    }
    flat.store(a.m, i, m[k]);
    flat.store(a.v, i, v[k]);
    flat.store(a.weight, i, weight[k]);
    if (a.shadow) flat.store(a.shadow, i, weight[k]);
  }
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) sgd_step_kernel(SgdStep<T> a, FlatGroups<N> flat) {
  if (stopped(a.control)) return;
  const SgdStep<T> now = resolved(a);  // its numbers; pointers are taken from `a`, which the compiler knows to be global memory
  const float lr = static_cast<float>(now.lr), momentum = static_cast<float>(a.momentum), decay = static_cast<float>(a.weight_decay);
  const float scale = static_cast<float>(now.gradient_scale);
  const bool reads_buffer = a.momentum_buffer && !now.first_step;
  Floats<N> weight[kGroups], gradient[kGroups], buffer[kGroups] = {};
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
    weight[k] = flat.load(a.weight, i);
    gradient[k] = flat.load(a.gradient, i);
    if (reads_buffer) buffer[k] = flat.load(a.momentum_buffer, i);
  }
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
#pragma unroll
    for (int j = 0; j < N; ++j) {
      float update = fmaf(scale, gradient[k][j], decay * weight[k][j]);
      if (a.momentum_buffer) {
        const float b = now.first_step ? update : fmaf(momentum, buffer[k][j], update);
        buffer[k][j] = b;
        update = a.nesterov ? fmaf(momentum, b, update) : b;
      }
      weight[k][j] = fmaf(-lr, update, weight[k][j]);
    }
    if (a.momentum_buffer) flat.store(a.momentum_buffer, i, buffer[k]);
    flat.store(a.weight, i, weight[k]);
    if (a.shadow) flat.store(a.shadow, i, weight[k]);
  }
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) lerp_kernel(Lerp<T> a, FlatGroups<N> flat) {
  if (stopped(a.control)) return;
  const float weight = static_cast<float>(a.weight);
  Floats<N> source[kGroups], old[kGroups];
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
    source[k] = flat.load(a.source, i);
    old[k] = flat.load(a.destination, i);
  }
#pragma unroll
  for (int k = 0; k < kGroups; ++k) {
    const std::int64_t i = element(flat, k, kGroups);
    if (i >= a.count) continue;
#pragma unroll
    for (int j = 0; j < N; ++j) old[k][j] = fmaf(weight, source[k][j] - old[k][j], old[k][j]);
    flat.store(a.destination, i, old[k]);
  }
}

constexpr int kScanGroups = 8;  // groups per thread of a scan: one load each
constexpr long long kNoElement = 0x7fffffffffffffffll;

/// What one block found, and what all found together.
struct ScanResult {
  double squares;
  long long first_nonfinite;  // kNoElement: none
};

/// The smallest value of a block of kThreads, in all its threads.
__device__ __forceinline__ long long block_min(long long value) {
  constexpr int kWarps = kThreads / kWarpSize;
  __shared__ long long of_warp[kWarps];
  const int lane = static_cast<int>(threadIdx.x) % kWarpSize, warp = static_cast<int>(threadIdx.x) / kWarpSize;
  const auto warp_min = [](long long mine) {
#pragma unroll
    for (int distance = kWarpSize / 2; distance > 0; distance /= 2) {
      const long long other = __shfl_xor_sync(kAllLanes, mine, distance);
      mine = other < mine ? other : mine;
    }
    return mine;
  };
  value = warp_min(value);
  if (lane == 0) of_warp[warp] = value;
  __syncthreads();
  value = warp_min(lane < kWarps ? of_warp[lane] : kNoElement);
  __syncthreads();
  return value;
}

/// One pass over x: the sum of the squares of a block's elements (in double, so that neither overflow of a float nor a long sum
/// spoils a norm), the first one that is not finite, or both.
template <bool kSquares, bool kSearch, int N>
__global__ void __launch_bounds__(kThreads) scan_kernel(const float* __restrict__ x, FlatGroups<N> flat, ScanResult* __restrict__ partial) {
  Floats<N> values[kScanGroups];
#pragma unroll
  for (int k = 0; k < kScanGroups; ++k) {
    const std::int64_t i = element(flat, k, kScanGroups);
    values[k] = i < flat.count ? flat.load(x, i) : Floats<N>{};
  }
  double squares = 0;
  long long first = kNoElement;
#pragma unroll
  for (int k = kScanGroups - 1; k >= 0; --k) {
#pragma unroll
    for (int j = N - 1; j >= 0; --j) {
      const double value = static_cast<double>(values[k][j]);
      if constexpr (kSquares) squares = fma(value, value, squares);
      if constexpr (kSearch) {
        if (!isfinite(values[k][j])) first = element(flat, k, kScanGroups) + j;  // backwards: the last write is the first element
      }
    }
  }
  if constexpr (kSquares) squares = block_sum<kThreads>(squares);
  if constexpr (kSearch) first = block_min(first);
  if (threadIdx.x == 0) partial[blockIdx.x] = {squares, first};
}

/// All partial results of a scan, combined by one block of kThreads; valid in all its threads.
template <bool kSquares, bool kSearch>
__device__ ScanResult combine(const ScanResult* partial, int count) {
  ScanResult mine{0, kNoElement};
  for (int i = static_cast<int>(threadIdx.x); i < count; i += kThreads) {
    const ScanResult other = partial[i];
    mine.squares += other.squares;
    mine.first_nonfinite = other.first_nonfinite < mine.first_nonfinite ? other.first_nonfinite : mine.first_nonfinite;
  }
  if constexpr (kSquares) mine.squares = block_sum<kThreads>(mine.squares);
  if constexpr (kSearch) mine.first_nonfinite = block_min(mine.first_nonfinite);
  return mine;
}

__device__ __forceinline__ std::int64_t index_or_none(long long first) {
  return first == kNoElement ? -1 : first;
}

__global__ void __launch_bounds__(kThreads) finish_sum_of_squares(const ScanResult* partial, int count, double* result) {
  const ScanResult all = combine<true, false>(partial, count);
  if (threadIdx.x == 0) *result = all.squares;
}

__global__ void __launch_bounds__(kThreads) finish_find_nonfinite(const ScanResult* partial, int count, std::int64_t* result) {
  const ScanResult all = combine<false, true>(partial, count);
  if (threadIdx.x == 0) *result = index_or_none(all.first_nonfinite);
}

__global__ void __launch_bounds__(kThreads) finish_prepare_step(const ScanResult* partial, int count, PrepareStep<float> a) {
  const ScanResult all = combine<true, true>(partial, count);
  if (threadIdx.x != 0) return;
  conclude_step(*a.control, static_cast<double>(*a.loss), sqrt(all.squares), index_or_none(all.first_nonfinite), a.count, a.clip_grad);
}

/// Starts the scan of x and calls finish(partial results, how many).
template <bool kSquares, bool kSearch, class Finish>
void scan(const LaunchContext& context, const float* x, std::int64_t count, Finish&& finish) {
  with_flat_groups<kPerGroup>(
      count,
      [&]<int N>(const FlatGroups<N>& flat) {
        const dim3 grid = grid_for(flat, kScanGroups);
        ScanResult* partial = scratch<ScanResult>(context, grid.x);
        if (count > 0) launch(scan_kernel<kSquares, kSearch, N>, grid, kThreads, 0, stream_of(context), x, flat, partial);
        finish(partial, count > 0 ? static_cast<int>(grid.x) : 0);
      },
      x);
}

}  // namespace

template <class T>
void adam_step(const LaunchContext& context, const AdamStep<T>& a) {
  if (a.count == 0) return;
  const AdamConstants constants{.beta1 = static_cast<float>(a.beta1),
                                .one_minus_beta1 = static_cast<float>(1 - a.beta1),
                                .beta2 = static_cast<float>(a.beta2),
                                .one_minus_beta2 = static_cast<float>(1 - a.beta2),
                                .eps = static_cast<float>(a.eps),
                                .coupled_decay = static_cast<float>(a.decoupled ? 0 : a.weight_decay),
                                .log_beta1 = std::log(a.beta1),
                                .log_beta2 = std::log(a.beta2)};
  with_flat_groups<kPerGroup>(
      a.count,
      [&]<int N>(const FlatGroups<N>& flat) {
        launch(adam_step_kernel<N, T>, grid_for(flat, kGroups), kThreads, 0, stream_of(context), a, constants, flat);
      },
      a.weight, a.gradient, a.m, a.v, a.shadow);
}

template <class T>
void sgd_step(const LaunchContext& context, const SgdStep<T>& a) {
  if (a.count == 0) return;
  with_flat_groups<kPerGroup>(
      a.count,
      [&]<int N>(const FlatGroups<N>& flat) {
        launch(sgd_step_kernel<N, T>, grid_for(flat, kGroups), kThreads, 0, stream_of(context), a, flat);
      },
      a.weight, a.gradient, a.momentum_buffer, a.shadow);
}

template <class T>
void lerp(const LaunchContext& context, const Lerp<T>& a) {
  if (a.count == 0) return;
  with_flat_groups<kPerGroup>(
      a.count,
      [&]<int N>(const FlatGroups<N>& flat) {
        launch(lerp_kernel<N, T>, grid_for(flat, kGroups), kThreads, 0, stream_of(context), a, flat);
      },
      a.source, a.destination);
}

template <class T>
void sum_of_squares(const LaunchContext& context, const SumOfSquares<T>& a) {
  scan<true, false>(context, a.x, a.count, [&](const ScanResult* partial, int count) {
    launch(finish_sum_of_squares, 1, kThreads, 0, stream_of(context), partial, count, a.result);
  });
}

template <class T>
void find_nonfinite(const LaunchContext& context, const FindNonfinite<T>& a) {
  scan<false, true>(context, a.x, a.count, [&](const ScanResult* partial, int count) {
    launch(finish_find_nonfinite, 1, kThreads, 0, stream_of(context), partial, count, a.result);
  });
}

template <class T>
void prepare_step(const LaunchContext& context, const PrepareStep<T>& a) {
  scan<true, true>(context, a.gradients, a.count, [&](const ScanResult* partial, int count) {
    launch(finish_prepare_step, 1, kThreads, 0, stream_of(context), partial, count,
           PrepareStep<float>{a.count, a.gradients, a.loss, a.clip_grad, a.control});
  });
}

SEPIA_INSTANTIATE(adam_step, AdamStep)
SEPIA_INSTANTIATE(sgd_step, SgdStep)
SEPIA_INSTANTIATE(lerp, Lerp)
SEPIA_INSTANTIATE(sum_of_squares, SumOfSquares)
SEPIA_INSTANTIATE(find_nonfinite, FindNonfinite)
SEPIA_INSTANTIATE(prepare_step, PrepareStep)

}  // namespace sepia::kernels::cuda
