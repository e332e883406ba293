// How the 3x3 depthwise kernels cut an image into tiles, and how a block moves the rows of its tile between global and shared memory.
//
// A block has a channel tile, a tile of columns and a strip of rows of one image, and walks down the strip. Threads compute on four
// channels and two neighbouring input columns each (threadIdx.x: which four, threadIdx.y: which two); they move rows by 16-byte
// chunks in another order: a power of two of neighbouring lanes for each pixel, so that no warp cuts a 32-byte sector in two.
#pragma once

#include <cuda_runtime.h>

#include <algorithm>

#include "kernels/cuda/detail/async_copy.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"
#include "kernels/depthwise_conv.h"

namespace sepia::kernels::cuda::detail {

inline constexpr int kChannelsPerThread = 4;

/// A row of a tile in shared memory, in 16-byte chunks. A paired row keeps its even and its odd pixels in planes of their own: the
/// threads of a warp, each at a pair of columns, then read neighbouring chunks, which is free of bank conflicts for every tile
/// width. The second plane starts 64 bytes past a multiple of 128, so that copies of neighbouring pixels do not conflict either.
struct TileRow {
  int pixels, chunks;
  bool paired;

  __host__ __device__ constexpr int plane() const {
    const int half = (pixels + 1) / 2 * chunks;
    return half + ((4 - half) & 7);
  }
  __host__ __device__ constexpr int size() const { return paired ? 2 * plane() : pixels * chunks; }
  /// First chunk of a pixel.
  __host__ __device__ constexpr int at(int pixel) const { return paired ? (pixel & 1) * plane() + (pixel >> 1) * chunks : pixel * chunks; }
};

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

/// Chunks of a channel tile, of `total` that a pixel has. Tiles of 128 bytes where that leaves nothing over (728 fp32 channels: 13
/// tiles of 224 bytes). With an odd number of chunks (728 bf16 channels: 91) every second pixel starts in the middle of a sector, and
/// narrow tiles would waste half a sector at both ends: then tiles are 19 to 32 chunks wide (91: four of 23).
inline int tile_chunks(int total) {
  const bool whole_sectors = total % 2 == 0;
  const int narrowest = whole_sectors ? 8 : 19, widest = whole_sectors ? 16 : 32, step = whole_sectors ? 2 : 1;
  if (total <= narrowest) return total;
  int best = narrowest;
  const auto waste = [&](int chunks) { return static_cast<int>(ceil_div(total, chunks)) * chunks - total; };
  for (int chunks = narrowest; chunks <= widest; chunks += step) {
    if (waste(chunks) < waste(best)) best = chunks;
  }
  return std::min(best, total);
}

/// `halo`: the share of all bytes that one more strip (or column tile) reads again, times the number of rows (columns).
template <class T>
DepthwiseTiling depthwise_tiling(const DepthwiseConvShape& s, int max_threads, double halo) {
  constexpr double kMostReadAgain = 0.035;
  constexpr std::int64_t kEnoughBlocks = 4 * 132;  // four for each multiprocessor of an H100
  constexpr int kLeastPairs = 8;
  DepthwiseTiling t;
  const auto total_chunks = static_cast<int>(s.channels / kPerLoad<T>);
  t.chunks = tile_chunks(total_chunks);
  t.channel_tiles = static_cast<int>(ceil_div(total_chunks, t.chunks));
  t.copy_lanes_log = 0;
  while ((1 << t.copy_lanes_log) < std::min(t.chunks, 32)) ++t.copy_lanes_log;
  t.groups = t.chunks * kPerLoad<T> / kChannelsPerThread;

  const std::int64_t pairs = ceil_div(s.width, 2), most_pairs = std::max(kLeastPairs, max_threads / t.groups);
  t.column_tiles = static_cast<int>(ceil_div(pairs, most_pairs));
  // At least two, so that there are as many threads as lanes that copy a pixel.
  t.pairs = static_cast<int>(std::max<std::int64_t>(2, ceil_div(pairs, t.column_tiles)));

  const auto rows = static_cast<double>(s.out_height()), columns = static_cast<double>(s.out_width());
  const double left_for_rows = kMostReadAgain - halo * (t.column_tiles - 1) / columns;
  const auto most_strips = 1 + static_cast<std::int64_t>(std::max(0.0, left_for_rows) * rows / halo);
  const std::int64_t strips = std::min(most_strips, ceil_div(kEnoughBlocks, s.batch * t.channel_tiles * t.column_tiles));
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

/// This block's tile and this thread's share of moving its rows.
template <class T>
struct DepthwiseBlock {
  int width;     ///< channels of the tile as laid out in shared memory
  int channel;   ///< first channel of the tile
  int channels;  ///< of the tile that exist: the last tile may be narrower
  int image, column_tile, strip;
  int first_row, end_row;  ///< of y
  int copy_pixel, copy_step, copy_channel;

  __device__ DepthwiseBlock(const DepthwiseTiling& t, int all_channels, int out_height) {
    width = t.chunks * kPerLoad<T>;
    channel = static_cast<int>(blockIdx.x) * width;
    channels = min(width, all_channels - channel);
    image = static_cast<int>(blockIdx.z);
    strip = static_cast<int>(blockIdx.y) / t.column_tiles;
    column_tile = static_cast<int>(blockIdx.y) - strip * t.column_tiles;
    first_row = strip * t.strip_rows;
    end_row = min(out_height, first_row + t.strip_rows);
    const int thread = static_cast<int>(threadIdx.y) * t.groups + static_cast<int>(threadIdx.x);
    const int chunk = thread & ((1 << t.copy_lanes_log) - 1);
    copy_step = (t.groups * t.pairs) >> t.copy_lanes_log;
    copy_pixel = thread >> t.copy_lanes_log;
    copy_channel = chunk * kPerLoad<T>;
    constexpr int kNever = 1 << 30;
    if (chunk >= t.chunks || copy_pixel >= copy_step) copy_pixel = kNever;
  }

  /// This thread's four channels within a pixel of the tile.
  __device__ int lane_channel() const { return static_cast<int>(threadIdx.x) * kChannelsPerThread; }

  /// Starts the copy of a row: pixel i is column first_column + i of the image row at `row` (its column 0, channel 0), zero where that
  /// lies outside, and everywhere if !inside.
  __device__ void fetch(T* shared, TileRow layout, const T* row, int first_column, int row_width, int row_channels, bool inside) const {
    for (int pixel = copy_pixel; pixel < layout.pixels; pixel += copy_step) {
      const int column = first_column + pixel;
      const bool exists = inside && copy_channel < channels && static_cast<unsigned>(column) < static_cast<unsigned>(row_width);
      const T* const source = exists ? row + column * row_channels + channel + copy_channel : row;
      copy_async(shared + layout.at(pixel) * kPerLoad<T> + copy_channel, source, exists);
    }
  }

  /// The other way: pixel i to column first_column + i, written or added.
  __device__ void put(const T* shared, TileRow layout, T* row, int first_column, int row_width, int row_channels,
                      Accumulate accumulate) const {
    if (copy_channel >= channels) return;
    for (int pixel = copy_pixel; pixel < layout.pixels; pixel += copy_step) {
      const int column = first_column + pixel;
      if (column >= row_width) return;
      const T* const source = shared + layout.at(pixel) * kPerLoad<T> + copy_channel;
      T* const destination = row + column * row_channels + channel + copy_channel;
      if (accumulate == Accumulate::kAdd) {
        put_vector<kPerLoad<T>>(destination, load_vector<kPerLoad<T>>(source), accumulate);
      } else {
        *reinterpret_cast<uint4*>(destination) = *reinterpret_cast<const uint4*>(source);
      }
    }
  }
};

/// The parameters of a tile's channels as floats, staged once for all threads that share them: nine taps, scale, shift, bias.
struct StagedParameters {
  static constexpr int kTaps = 9, kScale = 9, kShift = 10, kBias = 11, kRows = 12;

  /// shared[row * width + c]; a null array becomes `otherwise`, and so do channels that do not exist. A barrier must follow.
  template <class T>
  static __device__ void stage(float* shared, const DepthwiseBlock<T>& block, std::int64_t row_channels, const T* weight,
                               const Prologue<T>& prologue, const float* bias) {
    for (int row = static_cast<int>(threadIdx.y); row < kRows; row += static_cast<int>(blockDim.y)) {
      const float* const source = row == kScale ? prologue.scale : row == kShift ? prologue.shift : bias;
      for (int c = static_cast<int>(threadIdx.x); c < block.width; c += static_cast<int>(blockDim.x)) {
        float value = row == kScale ? 1.0f : 0.0f;
        if (c < block.channels) {
          if (row < kTaps)
            value = to_float(weight[row * row_channels + block.channel + c]);
          else if (source)
            value = source[block.channel + c];
        }
        shared[row * block.width + c] = value;
      }
    }
  }
};

}  // namespace sepia::kernels::cuda::detail
