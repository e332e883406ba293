// How the 3x3 depthwise kernels cut an image into tiles, and how a block moves the rows of its tile between global and shared memory.
//
// A block has a channel tile, a tile of columns and a strip of rows of one image, and walks down the strip. Threads compute on four
// channels and two neighbouring input columns each (threadIdx.x: which four, threadIdx.y: which two); they move rows by 16-byte
// chunks in another order: a power of two of neighbouring lanes for each pixel, so that no warp cuts a 32-byte sector in two.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>
#include <bit>

#include "kernels/cuda/detail/async_copy.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"
#include "kernels/depthwise_conv.h"

namespace sepia::kernels::cuda::detail {

inline constexpr int kChannelsPerThread = 4;

/// A thread's channels of a pixel.
using ChannelsOfThread = Floats<kChannelsPerThread>;

/// They, loaded from shared memory. bf16 comes two to a register and takes one instruction for each: these loads are the inner loop.
__device__ __forceinline__ ChannelsOfThread load_channels(const float* source) {
  return load_vector<kChannelsPerThread>(source);
}
__device__ __forceinline__ ChannelsOfThread load_channels(const bf16* source) {
  const uint2 pairs = *reinterpret_cast<const uint2*>(source);
  return {{std::bit_cast<float>(pairs.x << 16), std::bit_cast<float>(pairs.x & 0xffff0000u), std::bit_cast<float>(pairs.y << 16),
           std::bit_cast<float>(pairs.y & 0xffff0000u)}};
}

/// A row of a tile in shared memory, in elements. A paired row keeps its even and its odd pixels in planes of their own: the threads of
/// a warp, each at a pair of columns, then read neighbouring chunks, which is free of bank conflicts for every tile width. The second
/// plane starts 64 bytes past a multiple of 128, so that copies of neighbouring pixels do not conflict either.
struct TileRow {
  int pixels, width;  ///< width: elements of a pixel
  int plane;          ///< from the first plane to the second; 0 when the row is not paired
  int size;

  __device__ int at(int pixel) const { return plane > 0 ? (pixel & 1) * plane + (pixel >> 1) * width : pixel * width; }
};

/// Host side. A row of `pixels` pixels of `chunks` 16-byte chunks.
template <class T>
TileRow tile_row(int pixels, int chunks, bool paired) {
  const int half = (pixels + 1) / 2 * chunks, plane = paired ? half + ((4 - half) & 7) : 0;
  const int size = paired ? 2 * plane : pixels * chunks;
  return {pixels, chunks * kPerLoad<T>, plane * kPerLoad<T>, size * kPerLoad<T>};
}

/// How the work is cut, by shape alone. Rows and columns are those of y.
struct DepthwiseTiling {
  int chunks;          ///< of 16 bytes that a pixel has in a channel tile
  int copy_lanes_log;  ///< 2^copy_lanes_log neighbouring lanes copy a pixel
  int groups, pairs;   ///< the block: threads along channels and along a row
  int channel_tiles, column_tiles, strip_rows, strips;
  int images;

  dim3 grid() const { return dim3(channel_tiles, column_tiles * strips, images); }
  dim3 block() const { return dim3(groups, pairs); }
  /// Blocks that add to the same channels' sums.
  std::int64_t pieces() const { return static_cast<std::int64_t>(images) * column_tiles * strips; }
};

/// Chunks of a channel tile, of `total` that a pixel has: 8, which are 128 bytes, unless that leaves much of the last tile empty. With an
/// odd number of chunks (728 bf16 channels: 91) every second pixel starts in the middle of a sector, and narrow tiles would waste half
/// a sector at both ends of each: then tiles are 19 to 32 chunks wide (91: three of 23 and one of 22).
inline int tile_chunks(int total) {
  const auto empty = [&](int chunks) { return static_cast<int>(ceil_div(total, chunks)) * chunks - total; };
  const bool whole_sectors = total % 2 == 0;
  const int narrowest = whole_sectors ? 8 : 19, widest = whole_sectors ? 16 : 32, step = whole_sectors ? 2 : 1;
  if (total <= narrowest) return total;
  int best = narrowest;
  if (whole_sectors && 20 * empty(best) <= total) return best;
  for (int chunks = narrowest; chunks <= widest; chunks += step) {
    if (empty(chunks) < empty(best)) best = chunks;
  }
  return std::min(best, total);
}

/// What a way of cutting costs, in bytes for each channel of an image.
struct DepthwiseCost {
  double least;  ///< each element moved once
  double strip;  ///< read again for one more strip of rows
  double tile;   ///< read again for one more tile of columns
  double block;  ///< read and written by each block beside its rows: filters, prologue, partial sums
};

/// Blocks have `threads` threads or fewer, wide tiles up to `most_threads`.
template <class T>
DepthwiseTiling depthwise_tiling(const DepthwiseConvShape& s, int threads, int most_threads, const DepthwiseCost& cost) {
  constexpr double kMostBeyondLeast = 0.04;
  constexpr std::int64_t kEnoughBlocks = 4 * 132;  // four for each multiprocessor of an H100
  constexpr int kLeastPairs = 8;
  DepthwiseTiling t;
  const auto total_chunks = static_cast<int>(s.channels / kPerLoad<T>);
  t.chunks = tile_chunks(total_chunks);
  t.channel_tiles = static_cast<int>(ceil_div(total_chunks, t.chunks));
  t.copy_lanes_log = 0;
  while ((1 << t.copy_lanes_log) < t.chunks) ++t.copy_lanes_log;
  t.groups = t.chunks * kPerLoad<T> / kChannelsPerThread;

  const std::int64_t pairs = ceil_div(s.width, 2), most_pairs = std::clamp(kLeastPairs, threads / t.groups, most_threads / t.groups);
  t.column_tiles = static_cast<int>(ceil_div(pairs, most_pairs));
  // At least four, so that there are lanes for two pixels.
  t.pairs = static_cast<int>(std::max<std::int64_t>(4, ceil_div(pairs, t.column_tiles)));

  const double left = kMostBeyondLeast * cost.least - (t.column_tiles - 1) * (cost.tile + cost.block);
  const auto most_strips = 1 + static_cast<std::int64_t>(std::max(0.0, left) / (cost.strip + t.column_tiles * cost.block));
  const std::int64_t strips = std::min({most_strips, ceil_div(kEnoughBlocks, s.batch * t.channel_tiles * t.column_tiles), s.out_height()});
  t.strip_rows = static_cast<int>(ceil_div(s.out_height(), strips));
  t.strips = static_cast<int>(ceil_div(s.out_height(), t.strip_rows));
  t.images = static_cast<int>(s.batch);
  return t;
}

/// Whether the tiled kernels can do it: 3x3, padding 1, stride 1 or 2, and pixels that begin at multiples of 16 bytes.
template <class T, class... Pointers>
bool depthwise_tiled(const DepthwiseConvShape& s, const Pointers*... pointers) {
  const bool aligned = (true && ... && (reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0));
  return s.kernel_h == 3 && s.kernel_w == 3 && s.padding == 1 && s.stride <= 2 && s.channels % kPerLoad<T> == 0 && aligned;
}

/// This block's tile.
struct DepthwiseBlock {
  int width;     ///< channels of the tile as laid out in shared memory
  int channel;   ///< first channel of the tile
  int channels;  ///< of the tile that exist: the last tile may be narrower
  int image, column_tile;
  int first_row, end_row;  ///< of y

  __device__ DepthwiseBlock(const DepthwiseTiling& t, int elements_of_chunk, int all_channels, int out_height) {
    width = t.chunks * elements_of_chunk;
    channel = static_cast<int>(blockIdx.x) * width;
    channels = min(width, all_channels - channel);
    image = static_cast<int>(blockIdx.z);
    const int strip = static_cast<int>(blockIdx.y) / t.column_tiles;
    column_tile = static_cast<int>(blockIdx.y) - strip * t.column_tiles;
    first_row = strip * t.strip_rows;
    end_row = min(out_height, first_row + t.strip_rows);
  }
  /// This thread's four channels within a pixel of the tile.
  __device__ int lane_channel() const { return static_cast<int>(threadIdx.x) * kChannelsPerThread; }
};

/// This thread's share of moving rows of a tile: the same 16-byte chunks of every row, with their places worked out once. Pixel i of a
/// row in shared memory is column first_column + i of a row of the image; only columns of the image are moved.
template <class T>
struct RowMover {
  int first, end, step;          ///< pixels of this thread: first, first + step, ... before end
  int shared, global;            ///< elements from the start of a row to the first one: in shared memory, in the image
  int shared_step, global_step;  ///< and from one to the next
  int lane_first, lane_end;      ///< pixels of this thread, columns outside the image included

  __device__ RowMover(const DepthwiseTiling& t, const DepthwiseBlock& block, TileRow layout, int first_column, int row_width,
                      int row_channels) {
    const int thread = static_cast<int>(threadIdx.y) * t.groups + static_cast<int>(threadIdx.x);
    const int chunk = thread & ((1 << t.copy_lanes_log) - 1), channel = chunk * kPerLoad<T>;
    step = (t.groups * t.pairs >> t.copy_lanes_log) & ~1;  // even: a thread's pixels all lie in one plane
    lane_first = thread >> t.copy_lanes_log;
    lane_end = lane_first < step && chunk < t.chunks ? layout.pixels : 0;
    first = lane_first + first_column < 0 ? lane_first + step : lane_first;
    end = channel < block.channels ? min(lane_end, row_width - first_column) : 0;
    shared = layout.at(first) + channel;
    global = (first_column + first) * row_channels + block.channel + channel;
    shared_step = (layout.plane > 0 ? step / 2 : step) * block.width;
    global_step = step * row_channels;
  }

  /// Starts the copies of a row. The pointers are at this thread's first pixel: `shared` and `global` past the row's.
  __device__ __forceinline__ void fetch(T* destination, const T* source) const {
#pragma unroll 1
    for (int pixel = first; pixel < end; pixel += step, destination += shared_step, source += global_step) copy_async(destination, source);
  }

  /// The other way: written to the image, or added.
  __device__ __forceinline__ void put(const T* source, T* destination, Accumulate accumulate) const {
#pragma unroll 1
    for (int pixel = first; pixel < end; pixel += step, source += shared_step, destination += global_step) {
      if (accumulate == Accumulate::kAdd) {
        // Not put_vector: its PTX store costs registers that the backward kernel does not have.
        Floats<kPerLoad<T>> sum = load_vector<kPerLoad<T>>(destination);
        const Floats<kPerLoad<T>> added = load_vector<kPerLoad<T>>(source);
#pragma unroll
        for (int k = 0; k < kPerLoad<T>; ++k) sum[k] += added[k];
        store_vector<kPerLoad<T>>(destination, sum);
      } else {
        *reinterpret_cast<uint4*>(destination) = *reinterpret_cast<const uint4*>(source);
      }
    }
  }

  /// Zeroes this thread's pixels that no copy will ever land on, in `rows` rows from `row` on: what the image does not have reads as zero.
  __device__ void clear_outside(T* row, int rows, int row_size) const {
    T* place = row + shared - (first == lane_first ? 0 : shared_step);
    for (int pixel = lane_first; pixel < lane_end; pixel += step, place += shared_step) {
      if (pixel >= first && pixel < end) continue;
      for (int i = 0; i < rows; ++i) store_vector<kPerLoad<T>>(place + i * row_size, Floats<kPerLoad<T>>{});
    }
  }
};

/// Walks around the stages of a ring in shared memory.
template <class T>
struct RingPlace {
  T *at, *first, *last;
  int stage;  ///< elements

  __device__ RingPlace(T* ring, int stages, int stage_size)
      : at(ring), first(ring), last(ring + (stages - 1) * stage_size), stage(stage_size) {}
  __device__ __forceinline__ void advance() { at = at == last ? first : at + stage; }
};

/// The parameters of a tile's channels as floats, staged once for all threads that share them: nine taps, scale, shift, bias.
struct StagedParameters {
  static constexpr int kTaps = 9, kScale = 9, kShift = 10, kBias = 11, kRows = 12;

  static std::size_t bytes(int width) { return kRows * static_cast<std::size_t>(width) * sizeof(float); }

  /// shared[row * width + c]; a null scale is all ones, another null array zeros. A barrier must follow.
  template <class T>
  static __device__ void stage(float* shared, const DepthwiseBlock& block, std::int64_t row_channels, const T* weight,
                               const Prologue<T>& prologue, const float* bias) {
    const int threads = static_cast<int>(blockDim.x * blockDim.y), thread = static_cast<int>(threadIdx.y * blockDim.x + threadIdx.x);
    for (int i = thread; i < kRows * block.width; i += threads) {
      const int row = i / block.width, c = i - row * block.width;
      const float* const source = row == kScale ? prologue.scale : row == kShift ? prologue.shift : bias;
      float value = row == kScale ? 1.0f : 0.0f;
      if (c < block.channels) {
        if (row < kTaps) {
          value = to_float(weight[row * row_channels + block.channel + c]);
        } else if (source) {
          value = source[block.channel + c];
        }
      }
      shared[i] = value;
    }
  }
};

}  // namespace sepia::kernels::cuda::detail
