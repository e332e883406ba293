// Several neighbouring elements in one load or store of up to 16 bytes: what a memory-bound kernel must use.
#pragma once

#include <cuda_runtime.h>

#include <bit>
#include <cstdint>
#include <type_traits>

#include "kernels/cuda/detail/convert.cuh"

namespace sepia::kernels::cuda::detail {

/// The unsigned type that moves `bytes` bytes in one instruction.
template <int bytes>
using Word = std::conditional_t<
    bytes == 16, uint4,
    std::conditional_t<bytes == 8, uint2,
                       std::conditional_t<bytes == 4, std::uint32_t, std::conditional_t<bytes == 2, std::uint16_t, std::uint8_t>>>>;

/// N neighbouring elements of T as floats in registers.
template <int N>
struct Floats {
  float v[N];

  __device__ __forceinline__ float& operator[](int i) { return v[i]; }
  __device__ __forceinline__ float operator[](int i) const { return v[i]; }
};

/// Elements of T that 16 bytes hold: 4 floats, 8 bf16.
template <class T>
inline constexpr int kPerLoad = 16 / static_cast<int>(sizeof(T));

template <class T, int N>
struct alignas(sizeof(T) * N) Packed {
  T v[N];
};

/// N elements from `source`, which must be aligned to N * sizeof(T), in one load.
template <int N, class T>
__device__ __forceinline__ Floats<N> load_vector(const T* source) {
  using W = Word<static_cast<int>(sizeof(T)) * N>;
  const W word = *reinterpret_cast<const W*>(source);
  Packed<T, N> packed;
  __builtin_memcpy(&packed, &word, sizeof(word));
  Floats<N> result;
#pragma unroll
  for (int i = 0; i < N; ++i) result[i] = to_float(packed.v[i]);
  return result;
}

/// N elements as the word that is stored.
template <int N, class T>
__device__ __forceinline__ Word<static_cast<int>(sizeof(T)) * N> pack(const Floats<N>& values) {
  constexpr int kBytes = static_cast<int>(sizeof(T)) * N;
  Packed<T, N> packed;
#pragma unroll
  for (int i = 0; i < N; ++i) packed.v[i] = from_float<T>(values[i]);
  if constexpr (kBytes <= 4) {
    Word<kBytes> word;
    __builtin_memcpy(&word, &packed, kBytes);
    return word;
  } else {
    std::uint32_t part[kBytes / 4];
#pragma unroll
    for (int i = 0; i < kBytes / 4; ++i) {
      if constexpr (sizeof(T) == 4)
        part[i] = std::bit_cast<std::uint32_t>(packed.v[i]);
      else
        part[i] = packed.v[2 * i].bits | static_cast<std::uint32_t>(packed.v[2 * i + 1].bits) << 16;
    }
    if constexpr (kBytes == 8)
      return uint2{part[0], part[1]};
    else
      return uint4{part[0], part[1], part[2], part[3]};
  }
}

/// N elements to `destination`, aligned likewise, in one store.
template <int N, class T>
__device__ __forceinline__ void store_vector(T* destination, const Floats<N>& values) {
  using W = Word<static_cast<int>(sizeof(T)) * N>;
  const W word = pack<N, T>(values);
  *reinterpret_cast<W*>(destination) = word;
}

/// store_vector to global memory, and to nowhere else. Left to itself nvcc often makes several narrow stores of a wide one; the PTX
/// cannot be split.
template <int N, class T>
__device__ __forceinline__ void store_global(T* destination, const Floats<N>& values) {
#ifdef __CUDA_ARCH__
  const auto word = pack<N, T>(values);
  if constexpr (sizeof(word) == 16) {
    asm volatile("st.global.v4.u32 [%0], {%1, %2, %3, %4};" ::"l"(__cvta_generic_to_global(destination)), "r"(word.x), "r"(word.y),
                 "r"(word.z), "r"(word.w)
                 : "memory");
  } else if constexpr (sizeof(word) == 8) {
    asm volatile("st.global.v2.u32 [%0], {%1, %2};" ::"l"(__cvta_generic_to_global(destination)), "r"(word.x), "r"(word.y) : "memory");
  } else {
    store_vector<N>(destination, values);
  }
#else
  store_vector<N>(destination, values);
#endif
}

/// store_global, or what is there plus `values`.
template <int N, class T>
__device__ __forceinline__ void put_vector(T* destination, Floats<N> values, Accumulate accumulate) {
  if (accumulate == Accumulate::kAdd) {
    const Floats<N> before = load_vector<N>(destination);
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] += before[i];
  }
  store_global<N>(destination, values);
}

/// Host side: calls f(std::integral_constant<int, N>{}) with the widest N in {kPerLoad<T>, ..., 2, 1} that divides `extent` and to
/// which all pointers are aligned. Null pointers fit everything.
template <class T, class F, class... Pointers>
void with_vector_width(std::int64_t extent, F&& f, const Pointers*... pointers) {
  const auto fits = [&](int n) {
    return extent % n == 0 && (true && ... && (reinterpret_cast<std::uintptr_t>(pointers) % (sizeof(Pointers) * n) == 0));
  };
  if (fits(kPerLoad<T>)) return f(std::integral_constant<int, kPerLoad<T>>{});
  if constexpr (kPerLoad < T >> 4) {
    if (fits(4)) return f(std::integral_constant<int, 4>{});
  }
  if (fits(2)) return f(std::integral_constant<int, 2>{});
  f(std::integral_constant<int, 1>{});
}

}  // namespace sepia::kernels::cuda::detail
