// Flat arrays of any length and alignment, in groups that fill one 16-byte access.
//
// A slice of an arena begins and ends anywhere. Group g covers the elements [g * N - lead, g * N - lead + N), where `lead` puts the
// borders of the groups on aligned addresses in all arrays at once (slices at the same offset of several arenas agree on it). Only
// the first and the last group can be cut short; they go element by element.
#pragma once

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"

namespace sepia::kernels::cuda::detail {

template <int N>
struct FlatGroups {
  std::int64_t count;
  int lead;

  std::int64_t groups() const { return ceil_div(count + lead, N); }
  __device__ __forceinline__ std::int64_t first(std::int64_t group) const { return group * N - lead; }
  /// Whether the N elements from `first` on are all there.
  __device__ __forceinline__ bool whole(std::int64_t first) const { return first >= 0 && first + N <= count; }
  __device__ __forceinline__ bool inside(std::int64_t i) const { return i >= 0 && i < count; }

  /// The elements of the group that begins at `first`; zero where it is cut.
  template <class T>
  __device__ __forceinline__ Floats<N> load(const T* array, std::int64_t first) const {
    if (whole(first)) return load_vector<N>(array + first);
    Floats<N> values;
#pragma unroll
    for (int k = 0; k < N; ++k) values[k] = inside(first + k) ? to_float(array[first + k]) : 0.0f;
    return values;
  }
  template <class T>
  __device__ __forceinline__ void store(T* array, std::int64_t first, const Floats<N>& values) const {
    if (whole(first)) {
      store_global<N>(array + first, values);
    } else {
#pragma unroll
      for (int k = 0; k < N; ++k) {
        if (inside(first + k)) array[first + k] = from_float<T>(values[k]);
      }
    }
  }
};

/// Host side: calls f(FlatGroups<N>) when groups of N line up in all arrays, f(FlatGroups<1>) otherwise. Null pointers fit everything.
template <int N, class F, class... Pointers>
void with_flat_groups(std::int64_t count, F&& f, const Pointers*... pointers) {
  int lead = -1;
  bool agree = true;
  const auto look_at = [&](std::uintptr_t address, std::size_t size) {
    if (address == 0) return;
    const int own = static_cast<int>(address / size % N);
    agree = agree && address % size == 0 && (lead < 0 || lead == own);
    lead = own;
  };
  (look_at(reinterpret_cast<std::uintptr_t>(pointers), sizeof(Pointers)), ...);
  if (agree) return f(FlatGroups<N>{count, lead < 0 ? 0 : lead});
  f(FlatGroups<1>{count, 0});
}

}  // namespace sepia::kernels::cuda::detail
