// Convolutions of few input channels (the first layers of all networks), in bf16: what their kernels share. See conv2d_narrow.cu.
#pragma once

#include <cuda_runtime.h>

#include "kernels/conv2d.h"
#include "kernels/cuda/detail/vector.cuh"

namespace sepia::kernels::cuda::detail {

inline constexpr int kNarrowTileP = 8, kNarrowTileQ = 32;  ///< output positions per tile
inline constexpr int kNarrowMostChannels = 8, kNarrowMostOutputs = 32, kNarrowMostTaps = 8;

/// A convolution cut into tiles of output positions, and the patch of input pixels that a tile needs. With stride 2 the patch's even
/// columns come first and the odd ones behind them, so that neighbouring positions read neighbouring pixels for every tap.
struct NarrowShape {
  int batch, height, width, channels;
  int positions_h, positions_w, out_channels;
  int kernel_h, kernel_w, stride, padding;
  int tiles_p, tiles_q, tiles;
  int patch_h, patch_w;  ///< pixels that are filled
  int half, pitch;       ///< pixels per run of columns of one parity, and per row

  /// taps: the filter's columns, rounded up to what the kernel reads. slots: bf16 per pixel of the patch. With stride 2 the runs of
  /// even and of odd columns begin 64 bytes apart modulo 128, so that lanes that read (or write) from both meet no bank twice.
  NarrowShape(const Conv2dShape& s, int taps, int slots)
      : batch(static_cast<int>(s.batch)),
        height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        channels(static_cast<int>(s.in_channels)),
        positions_h(static_cast<int>(s.out_height())),
        positions_w(static_cast<int>(s.out_width())),
        out_channels(static_cast<int>(s.out_channels)),
        kernel_h(static_cast<int>(s.kernel_h)),
        kernel_w(static_cast<int>(s.kernel_w)),
        stride(static_cast<int>(s.stride)),
        padding(static_cast<int>(s.padding)),
        tiles_p((positions_h + kNarrowTileP - 1) / kNarrowTileP),
        tiles_q((positions_w + kNarrowTileQ - 1) / kNarrowTileQ),
        tiles(batch * tiles_p * tiles_q),
        patch_h((kNarrowTileP - 1) * stride + kernel_h),
        patch_w((kNarrowTileQ - 1) * stride + taps),
        half(stride == 1 ? patch_w : half_of_banks((patch_w + 1) / 2, 32 / slots)),
        pitch(half * stride) {}

  /// The least number of pixels >= n that is an odd multiple of `pixels`, which are half of all banks.
  static int half_of_banks(int n, int pixels) { return (n + 2 * pixels - 1 - pixels) / (2 * pixels) * 2 * pixels + pixels; }

  /// Pixels from a position's first column to the column of tap s.
  __device__ __forceinline__ int column(int s) const { return stride == 1 ? s : (s & 1) * half + (s >> 1); }
};

/// One tile: picture n, output rows p .. p + kNarrowTileP - 1, columns q .. q + kNarrowTileQ - 1.
struct NarrowTile {
  int n, p, q;

  __device__ __forceinline__ NarrowTile(const NarrowShape& s, int index) {
    const int line = index / s.tiles_q;
    n = line / s.tiles_p;
    p = (line - n * s.tiles_p) * kNarrowTileP;
    q = (index - line * s.tiles_q) * kNarrowTileQ;
  }
};

/// Fills the patch of a tile with act(x), kSlots bf16 per pixel, zero outside of the picture and in slots past the channels. One warp
/// per row, one lane per pixel. `part`: the prologue of each channel.
template <int kSlots>
__device__ __forceinline__ void load_patch(bf16* patch, const NarrowShape& s, const NarrowTile& tile, const bf16* x,
                                           const ChannelPrologue (&part)[kSlots]) {
  const int lane = static_cast<int>(threadIdx.x) % 32, warps = static_cast<int>(blockDim.x) / 32;
  const int first_h = tile.p * s.stride - s.padding, first_w = tile.q * s.stride - s.padding;
  for (int row = static_cast<int>(threadIdx.x) / 32; row < s.patch_h; row += warps) {
    const int h = first_h + row;
    const bool row_inside = static_cast<unsigned>(h) < static_cast<unsigned>(s.height);
    const bf16* const line = x + static_cast<std::int64_t>(tile.n * s.height + h) * s.width * s.channels;
    for (int column = lane; column < s.patch_w; column += 32) {
      const int w = first_w + column;
      const bool inside = row_inside && static_cast<unsigned>(w) < static_cast<unsigned>(s.width);
      Packed<bf16, kSlots> pixel;
#pragma unroll
      for (int c = 0; c < kSlots; ++c) {
        const bool exists = inside && c < s.channels;
        const bf16 value = exists ? line[w * s.channels + c] : bf16();
        pixel.v[c] = exists ? from_float<bf16>(part[c].value(to_float(value))) : bf16();
      }
      *reinterpret_cast<Word<2 * kSlots>*>(patch + (row * s.pitch + s.column(column)) * kSlots) =
          __builtin_bit_cast(Word<2 * kSlots>, pixel);
    }
  }
}

/// The prologue's parts of the first kSlots channels, the identity past the last.
template <int kSlots>
__device__ __forceinline__ void load_parts(ChannelPrologue (&part)[kSlots], const Prologue<bf16>& prologue, int channels) {
#pragma unroll
  for (int c = 0; c < kSlots; ++c) part[c] = c < channels ? channel_prologue(prologue, c) : ChannelPrologue{};
}

/// Words of 4 bytes per row of a shared array that holds `elements` bf16 per row, such that 8 neighbouring rows start in banks that are
/// 4 apart: then neither ldmatrix nor fragments meet a bank twice.
constexpr int conflict_free_words(int elements) {
  return (elements / 2 + 3) / 8 * 8 + 4;
}

/// floor(i / n) for small i and n by a product and a shift; reciprocal = reciprocal_of(n), 0 <= i < 1024, 1 <= n <= 32.
constexpr unsigned reciprocal_of(int n) {
  return (65536u + static_cast<unsigned>(n) - 1) / static_cast<unsigned>(n);
}
__device__ __forceinline__ int divide(int i, unsigned reciprocal) {
  return static_cast<int>(static_cast<unsigned>(i) * reciprocal >> 16);
}

/// Whether these kernels take a convolution. Weights and rows of y are read in pairs of channels.
inline bool narrow(const Conv2dShape& s) {
  return s.in_channels <= kNarrowMostChannels && s.out_channels <= kNarrowMostOutputs && s.out_channels % 2 == 0 && s.stride <= 2 &&
         s.kernel_h <= kNarrowMostTaps && s.kernel_w <= kNarrowMostTaps;
}

}  // namespace sepia::kernels::cuda::detail
