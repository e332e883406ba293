// A block's tile of channels: `lanes` groups of N neighbouring channels, one group per thread, and the per-channel numbers of that
// group in the thread's registers. The tile's index is blockIdx.y. Neighbouring threads have neighbouring groups.
#pragma once

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"

namespace sepia::kernels::cuda::detail {

/// The prologue of N neighbouring channels, in registers.
template <int N>
struct GroupPrologue {
  Floats<N> scale, shift;
  bool relu_after;

  /// Without an affine part scale is 1 and shift 0: x passes unchanged.
  __device__ __forceinline__ ChannelPrologue channel(int i) const { return {scale[i], shift[i], relu_after}; }
  __device__ __forceinline__ Floats<N> value(Floats<N> x) const {
#pragma unroll
    for (int i = 0; i < N; ++i) x[i] = channel(i).value(x[i]);
    return x;
  }
};

template <int N>
struct ChannelTile {
  static constexpr int kMostLanes = 32;
  // Shared memory holds the pieces of a group apart by a whole tile and 16 banks: neighbouring threads write and read without conflicts.
  static constexpr int kPiece = N < 4 ? N : 4, kPieces = N / kPiece, kPitch = kMostLanes * kPiece + 16;
  struct alignas(16) Shared {
    float values[kPieces * kPitch];
  };

  std::int64_t channels;
  int lanes;

  static ChannelTile of(std::int64_t channels, int most_lanes = kMostLanes) {
    return {channels, channels / N < most_lanes ? static_cast<int>(channels / N) : most_lanes};
  }
  unsigned tiles() const { return grid_extent(ceil_div(channels, N * lanes)); }

  __device__ __forceinline__ int lane() const { return static_cast<int>(threadIdx.x) % lanes; }
  /// Which of the threads that share a group this is.
  __device__ __forceinline__ int thread_in_lane() const { return static_cast<int>(threadIdx.x) / lanes; }
  __device__ __forceinline__ std::int64_t first_channel() const { return static_cast<std::int64_t>(blockIdx.y) * lanes * N; }
  /// First channel of this thread's group: `channels` or more where the last tile is cut.
  __device__ __forceinline__ std::int64_t channel() const { return first_channel() + lane() * N; }

  /// Brings value(c) of the tile's channels to shared memory, each once. A barrier must follow; blocks have kMostLanes * N threads or more.
  template <class Value>
  __device__ __forceinline__ void stage(Shared& shared, Value&& value) const {
    const int c = static_cast<int>(threadIdx.x);
    if (c < lanes * N && first_channel() + c < channels) {
      shared.values[c % N / kPiece * kPitch + c / N * kPiece + c % kPiece] = value(first_channel() + c);
    }
  }
  /// What was staged for this thread's group; not to be used where the tile is cut.
  __device__ __forceinline__ Floats<N> staged(const Shared& shared) const {
    Floats<N> group;
#pragma unroll
    for (int piece = 0; piece < kPieces; ++piece) {
      const Floats<kPiece> values = load_vector<kPiece>(&shared.values[piece * kPitch + lane() * kPiece]);
#pragma unroll
      for (int i = 0; i < kPiece; ++i) group[piece * kPiece + i] = values[i];
    }
    return group;
  }

  /// The prologue of this thread's channels. All threads of the block must call.
  template <class T>
  __device__ __forceinline__ GroupPrologue<N> prologue(const Prologue<T>& pending, Shared (&shared)[2]) const {
    GroupPrologue<N> group;
#pragma unroll
    for (int i = 0; i < N; ++i) group.scale[i] = 1.0f, group.shift[i] = 0.0f;
    group.relu_after = pending.relu;
    if (pending.scale) {
      stage(shared[0], [&](std::int64_t c) { return pending.scale[c]; });
      stage(shared[1], [&](std::int64_t c) { return pending.shift[c]; });
      __syncthreads();
      if (channel() < channels) {
        group.scale = staged(shared[0]);
        group.shift = staged(shared[1]);
      }
    }
    return group;
  }
};

}  // namespace sepia::kernels::cuda::detail
