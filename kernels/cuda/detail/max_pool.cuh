// What the ways of max pooling share: how a window is decided, and the winners' positions in memory.
#pragma once

#include "kernels/cuda/detail/channel_tile.cuh"
#include "kernels/pooling.h"

namespace sepia::kernels::cuda::detail {

__device__ __forceinline__ float minus_infinity() {
  return __int_as_float(static_cast<int>(0xff800000u));
}

/// N windows side by side (one per channel): the best value so far and its tap. Taps are offered in scan order; the first maximum
/// wins, and the last NaN wins over all, as in PyTorch.
template <int N>
struct Contest {
  Floats<N> best;
  int winner[N];

  __device__ __forceinline__ void begin(const Floats<N>& values, int tap) {
    best = values;
#pragma unroll
    for (int i = 0; i < N; ++i) winner[i] = tap;
  }
  __device__ __forceinline__ static bool wins(float value, float best) {
    return value > best || isnan(value);
  }
  __device__ __forceinline__ void offer(const Floats<N>& values, int tap) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (!wins(values[i], best[i])) continue;
      best[i] = values[i];
      winner[i] = tap;
    }
  }
  /// Offers what won another part of the window, whose taps come later in scan order; `offset` is added to its taps.
  __device__ __forceinline__ void offer(const Contest& later, int offset) {
#pragma unroll
    for (int i = 0; i < N; ++i) {
      if (!wins(later.best[i], best[i])) continue;
      best[i] = later.best[i];
      winner[i] = later.winner[i] + offset;
    }
  }
};

/// N winners as bytes, in one load or store.
template <int N>
__device__ __forceinline__ void store_winners(std::uint8_t* index, const int (&winner)[N]) {
  std::uint8_t bytes[N];
#pragma unroll
  for (int i = 0; i < N; ++i) bytes[i] = static_cast<std::uint8_t>(winner[i]);
  if constexpr (N == 1) {
    *index = bytes[0];
  } else {
    Word<N> word;
    __builtin_memcpy(&word, bytes, N);
    *reinterpret_cast<Word<N>*>(index) = word;
  }
}
template <int N>
__device__ __forceinline__ void load_winners(const std::uint8_t* index, int (&winner)[N]) {
  if constexpr (N == 1) {
    winner[0] = *index;
  } else {
    const Word<N> word = *reinterpret_cast<const Word<N>*>(index);
    std::uint8_t bytes[N];
    __builtin_memcpy(bytes, &word, N);
#pragma unroll
    for (int i = 0; i < N; ++i) winner[i] = bytes[i];
  }
}

/// What backward knows of N windows: the gradient that passes (0 where the winner's ReLU was closed) and who gets it.
template <int N>
struct Won {
  Floats<N> gradient;
  int winner[N];

  /// Nobody's window: no tap matches.
  __device__ __forceinline__ void clear() {
#pragma unroll
    for (int i = 0; i < N; ++i) gradient[i] = 0.0f, winner[i] = -1;
  }
  template <class T>
  __device__ __forceinline__ void load(const MaxPoolBackward<T>& a, std::int64_t at) {
    gradient = load_vector<N>(a.grad_y + at);
    load_winners(a.index + at, winner);
    if (!a.relu) return;
    const Floats<N> y = load_vector<N>(a.y + at);
#pragma unroll
    for (int i = 0; i < N; ++i) gradient[i] = y[i] <= 0.0f ? 0.0f : gradient[i];
  }
  /// sum += the gradient of the windows that `tap` won.
  __device__ __forceinline__ void give(int tap, Floats<N>& sum) const {
#pragma unroll
    for (int i = 0; i < N; ++i) sum[i] += winner[i] == tap ? gradient[i] : 0.0f;
  }
};

/// Host side: with_vector_width for activations (T) and indices (bytes) that are cut alike.
template <class T, class F, class... Pointers>
void with_pool_width(std::int64_t channels, const std::uint8_t* index, F&& f, const Pointers*... pointers) {
  with_vector_width<T>(
      channels,
      [&](auto n) {
        if (reinterpret_cast<std::uintptr_t>(index) % n() == 0) return f(n);
        f(std::integral_constant<int, 1>{});
      },
      pointers...);
}

}  // namespace sepia::kernels::cuda::detail
