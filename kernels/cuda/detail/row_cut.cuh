// Sums and maps over the rows of a matrix (M, C), channel by channel: how the work is cut into blocks, and where a thread's channels lie
// in shared memory.
//
// A block has a channel tile and a piece of the rows. A thread has N neighbouring channels and every blockDim.y-th row, several loads
// at a time. Up to 32 threads' worth of channels the tile is the whole row, and the block reads memory straight through; wider rows, and
// those of matrices too short to keep a GPU busy so, are cut into 128 bytes, or into 512 if their length is not a multiple of a 32-byte
// sector (728 bf16 channels), which wastes one sector in 33 at the tile's ends. A piece has at least 384 bytes' worth of rows, so that
// two floats per piece and channel, written and read again, stay near 4% of all bytes, and as many rows as leave some 1,000 blocks.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"

namespace sepia::kernels::cuda::detail {

inline constexpr int kRowCutThreads = 256;

/// How the work is cut, by shape alone.
struct RowCut {
  std::int64_t rows;
  int channels;
  int lanes, thread_rows;  ///< the block
  int channel_tiles, pieces, piece_rows;
  int half, tile_floats;  ///< see TileChannels

  dim3 grid() const { return dim3(channel_tiles, pieces); }
  dim3 block() const { return dim3(lanes, thread_rows); }
};

/// Floats that a block's threads may leave in shared memory, of one quantity.
template <int N>
inline constexpr int kTileCapacity = kRowCutThreads* N*(N == 8 ? 3 : 2) / 2;

template <class T, int N>
RowCut row_cut(std::int64_t rows, std::int64_t channels) {
  constexpr int kBytes = N * static_cast<int>(sizeof(T)), kSector = 32;
  constexpr std::int64_t kLeastRows = 384 / sizeof(T), kEnoughBlocks = 8 * 132;
  RowCut cut{.rows = rows, .channels = static_cast<int>(channels)};
  const int total = cut.channels / N;
  const bool whole_sectors = total * kBytes % kSector == 0;
  const bool narrow = whole_sectors && kBytes == 16 && (total > 32 || (total % 8 == 0 && rows < kLeastRows * kEnoughBlocks / 2));
  cut.lanes = narrow ? 8 : std::min(total, 32);
  const int quads = 4 * cut.lanes;
  cut.half = N == 8 ? quads + ((16 - quads) & 31) : 0;
  cut.tile_floats = N == 8 ? quads + ((cut.half + 31) & ~31) : N * cut.lanes;
  cut.thread_rows = std::min(kRowCutThreads / cut.lanes, kTileCapacity<N> / cut.tile_floats) & ~1;
  cut.channel_tiles = static_cast<int>(ceil_div(total, cut.lanes));
  const std::int64_t pieces = std::clamp<std::int64_t>(rows / kLeastRows, 1, ceil_div(kEnoughBlocks, cut.channel_tiles));
  cut.piece_rows = static_cast<int>(ceil_div(ceil_div(rows, pieces), 2)) * 2;  // even: a piece begins at a whole sector
  cut.pieces = static_cast<int>(ceil_div(rows, cut.piece_rows));
  return cut;
}

/// This thread's place: its channels and the rows of its block.
template <int N>
struct CutPlace {
  int channel;  ///< first of the thread's N
  bool active;  ///< the channels exist
  std::int64_t begin, end;

  __device__ explicit CutPlace(const RowCut& cut) {
    channel = static_cast<int>(blockIdx.x * blockDim.x + threadIdx.x) * N;
    active = channel < cut.channels;
    begin = static_cast<std::int64_t>(blockIdx.y) * cut.piece_rows;
    end = active ? min(cut.rows, begin + cut.piece_rows) : begin;
  }
};

/// Rows that a thread loads before it uses them: 32 values.
template <int N>
inline constexpr int kBatch = N >= 4 ? 32 / N : 8;

/// One float for each channel of the tile, in shared memory. Eight channels of a thread are kept as the first four of every thread, then
/// (`half` floats on) the second four. With half = 16 and tile_floats = 4 lanes modulo 32 the threads of a warp meet no bank conflict,
/// neither when each moves its own four at a time nor when they read channel by channel.
template <int N>
struct TileChannels {
  static constexpr int kWidth = N < 4 ? N : 4;

  static __device__ int place_of(const RowCut& cut, int channel) {
    return N == 8 ? (channel / 8) * 4 + (channel / 4 % 2) * cut.half + channel % 4 : channel;
  }
  /// This thread's N values.
  static __device__ Floats<N> load(const RowCut& cut, const float* shared) {
    Floats<N> values;
#pragma unroll
    for (int part = 0; part < N / kWidth; ++part) {
      const Floats<kWidth> some = load_vector<kWidth>(shared + part * cut.half + static_cast<int>(threadIdx.x) * kWidth);
#pragma unroll
      for (int k = 0; k < kWidth; ++k) values[part * kWidth + k] = some[k];
    }
    return values;
  }
  static __device__ void store(const RowCut& cut, float* shared, const Floats<N>& values) {
#pragma unroll
    for (int part = 0; part < N / kWidth; ++part) {
      Floats<kWidth> some;
#pragma unroll
      for (int k = 0; k < kWidth; ++k) some[k] = values[part * kWidth + k];
      store_vector<kWidth>(shared + part * cut.half + static_cast<int>(threadIdx.x) * kWidth, some);
    }
  }
};

/// Shared memory for two quantities of every thread's channels.
template <int N>
struct ThreadSums {
  alignas(16) float first[kTileCapacity<N>], second[kTileCapacity<N>];
};

/// Calls f(channel, place) for the tile's channels, each by one thread; thread row y's value lies at place + y * tile_floats.
template <int N, class F>
__device__ __forceinline__ void for_tile_channels(const RowCut& cut, F&& f) {
  const int width = static_cast<int>(blockDim.x) * N, first_channel = static_cast<int>(blockIdx.x) * width;
  const int threads = static_cast<int>(blockDim.x * blockDim.y), thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
  for (int i = thread; i < min(width, cut.channels - first_channel); i += threads) f(first_channel + i, TileChannels<N>::place_of(cut, i));
}

}  // namespace sepia::kernels::cuda::detail
