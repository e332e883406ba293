// How a streaming kernel walks an array (rows, channels): what an element-wise kernel is written against.
//
// Two ways, one interface. RowTiles serves kernels that need per-channel numbers (a pending affine): a thread keeps one group of N
// neighbouring channels and goes down rows, so that no division is needed per element; a block covers at most 32 groups and
// kRowsPerThread * (256 / groups) rows and fetches the numbers of its channels once, through shared memory: 8 bytes a channel for 64
// rows or more. FlatWalk serves the rest: neighbouring groups of a flat array (detail/flat.cuh), whatever the number of channels.
#pragma once

#include "kernels/cuda/detail/channel_tile.cuh"
#include "kernels/cuda/detail/flat.cuh"

namespace sepia::kernels::cuda::detail {

inline constexpr int kWalkThreads = 256;
inline constexpr int kRowsPerThread = 8;
/// How many of its groups a thread loads before it uses the first, in a kernel that reads this many arrays: enough bytes in flight
/// without so many registers that blocks crowd each other out.
constexpr int groups_in_flight(int arrays) {
  return arrays == 1 ? 4 : 2;
}

template <int N_>
struct RowTiles {
  static constexpr int N = N_;
  using Shared = typename ChannelTile<N>::Shared[2];

  ChannelTile<N> tile;
  std::int64_t rows;
  int row_step;  // rows that a block covers at a time

  static RowTiles of(std::int64_t rows, std::int64_t channels) {
    const auto tile = ChannelTile<N>::of(channels);
    return {tile, rows, kWalkThreads / tile.lanes};
  }
  dim3 grid() const { return dim3(grid_extent(ceil_div(rows, static_cast<std::int64_t>(row_step) * kRowsPerThread)), tile.tiles()); }

  /// Where a thread stands: its first element, the step to its next, and the rows from its first one to the end of the array.
  struct Place {
    std::int64_t first, step;
    int rows_left, row_step;

    __device__ __forceinline__ bool has(int k) const { return k * row_step < rows_left; }
    __device__ __forceinline__ std::int64_t element(int k) const { return first + k * step; }
  };
  __device__ __forceinline__ Place place() const {
    const int row_in_block = tile.thread_in_lane();
    const std::int64_t row = static_cast<std::int64_t>(blockIdx.x) * row_step * kRowsPerThread + row_in_block;
    const std::int64_t channel = tile.channel(), channels = tile.channels;
    constexpr int kAll = kWalkThreads * kRowsPerThread;  // more rows than a thread reaches
    const int rows_left = rows - row < kAll ? static_cast<int>(rows - row) : kAll;
    const bool outside = row_in_block >= row_step || channel >= channels;
    return {row * channels + channel, row_step * channels, outside ? 0 : rows_left, row_step};
  }

  template <class T>
  __device__ __forceinline__ GroupPrologue<N> prologue(const Prologue<T>& pending, Shared& shared) const {
    return tile.prologue(pending, shared);
  }

  template <class T>
  __device__ __forceinline__ Floats<N> load(const T* array, std::int64_t i) const {
    return load_vector<N>(array + i);
  }
  template <class T>
  __device__ __forceinline__ void store(T* array, std::int64_t i, const Floats<N>& values) const {
    store_global<N>(array + i, values);
  }
};

/// The same over a flat array, for prologues without an affine part.
template <int N_>
struct FlatWalk {
  static constexpr int N = N_;
  using Shared = float[1];

  FlatGroups<N> flat;

  dim3 grid() const { return dim3(grid_extent(ceil_div(flat.groups(), kWalkThreads * kRowsPerThread))); }

  struct Place {
    std::int64_t first, end;

    __device__ __forceinline__ bool has(int k) const { return element(k) < end; }
    __device__ __forceinline__ std::int64_t element(int k) const { return first + k * (kWalkThreads * N); }
  };
  __device__ __forceinline__ Place place() const {
    return {flat.first(static_cast<std::int64_t>(blockIdx.x) * kRowsPerThread * kWalkThreads + threadIdx.x), flat.count};
  }

  template <class T>
  __device__ __forceinline__ GroupPrologue<N> prologue(const Prologue<T>& pending, Shared&) const {
    GroupPrologue<N> group;
#pragma unroll
    for (int i = 0; i < N; ++i) group.scale[i] = 1.0f, group.shift[i] = 0.0f;
    group.relu_after = pending.relu;
    return group;
  }

  template <class T>
  __device__ __forceinline__ Floats<N> load(const T* array, std::int64_t i) const {
    return flat.load(array, i);
  }
  template <class T>
  __device__ __forceinline__ void store(T* array, std::int64_t i, const Floats<N>& values) const {
    flat.store(array, i, values);
  }
};

/// Host side: calls f(walk) with RowTiles when `per_channel` numbers are needed and FlatWalk when not, of the widest groups that
/// the pointers (of type T) allow.
template <class T, class F, class... Pointers>
void with_walk(std::int64_t rows, std::int64_t channels, bool per_channel, F&& f, const Pointers*... pointers) {
  if (per_channel) {
    with_vector_width<T>(
        channels, [&](auto n) { f(RowTiles<n()>::of(rows, channels)); }, pointers...);
  } else {
    with_flat_groups<kPerLoad<T>>(
        rows * channels, [&]<int N>(const FlatGroups<N>& flat) { f(FlatWalk<N>{flat}); }, pointers...);
  }
}

}  // namespace sepia::kernels::cuda::detail
