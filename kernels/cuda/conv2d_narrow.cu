// Dense convolution of at most 8 input and 32 output channels, bf16 (formulas: kernels/conv2d.h): the first layers of all networks, where
// gathering single elements for a general matrix product costs far more than the product.
//
// A block walks over tiles of 8 x 32 output positions. Of each it stages the patch of input pixels once in shared memory (prologue applied,
// zero outside, 4 or 8 slots per pixel); the R S taps of a position are then addresses in the patch, so the fragments of the tensor
// cores come straight from it:
//   forward          A = 16 positions x 16 of (pixel of filter row r, slot), B = weights, C = positions x output channels. Which of a
//   fragment's 16
//                    products has which k is free as long as A and B agree: lane t of four takes elements 4t .. 4t + 3, one 8-byte load.
//                    4 warps, each two rows of the tile.
//   backward weight  A = grad_y^T (16 output channels x 16 positions), B = the pixels of 16 positions under one tap, 8 slots, by ldmatrix.
//                    A warp keeps the sums of one filter row. The bias's gradient is one tap more, whose pixels are all one.
//
// Cost: 2 N P Q K R S C FLOP, padded to 16 channels a side; memory sees x about once (the patch's margin again from L2), y and grad_y once.
// Sums are formed in a fixed order by one lane; blocks take tiles by number, and a second kernel adds the blocks' weight gradients in
// order.
#include "kernels/cuda/conv2d_paths.h"
#include "kernels/cuda/detail/conv2d_narrow.cuh"
#include "kernels/cuda/detail/gemm_epilogue.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/detail/workspace.cuh"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kMostBlocks = 396;  // three per multiprocessor of an H100; a constant, so that sums do not depend on the GPU
constexpr int kForwardThreads = 128;

/// Where the parts of shared memory begin, in bf16.
struct ForwardShared {
  int taps;          ///< filter columns, rounded up to whole steps
  int weight_pitch;  ///< per output channel
  int patch, slabs, slab_pitch, bytes;

  ForwardShared(const NarrowShape& s, int slots, int taps_read)
      : taps(taps_read),
        weight_pitch(2 *
                     ((s.kernel_h * taps_read * slots / 2 + 31 - 8) / 32 * 32 + 8)),  // rows 8 banks apart: 8-byte loads meet no bank twice
        patch(weight_pitch * ((s.out_channels + 7) / 8 * 8)),
        slabs(patch + (s.patch_h * s.pitch * slots + 7) / 8 * 8),
        slab_pitch(2 * conflict_free_words(s.out_channels)),
        bytes(2 * (slabs + kForwardThreads / 32 * kSlabRows * slab_pitch)) {}
};

/// kSlots: channels per pixel, 4 or 8. kOutputs: output channels, in eights.
template <int kSlots, int kOutputs>
__global__ void __launch_bounds__(kForwardThreads, 3)
    conv2d_narrow_forward_kernel(const Conv2dForward<bf16> a, const NarrowShape s, const ForwardShared places, unsigned words_reciprocal) {
  constexpr int kPixels = 16 / kSlots;  // per step of 16 products
  constexpr int kFragments = 4;         // of 16 positions per warp: two rows of 32
  bf16* const weights = dynamic_shared<bf16>();
  bf16* const patch = weights + places.patch;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int g = lane / 4, t = lane % 4;
  bf16* const slab = weights + places.slabs + warp * kSlabRows * places.slab_pitch;

  // Weights, once per block: a warp takes one (output channel, filter row) at a time, zeros where there is no tap or channel.
  for (int line = warp; line < kOutputs * 8 * s.kernel_h; line += kForwardThreads / 32) {
    const int k = line / s.kernel_h, r = line - k * s.kernel_h;
    const bf16* const source = a.weight + (k * s.kernel_h + r) * s.kernel_w * s.channels;
    bf16* const destination = weights + k * places.weight_pitch + r * places.taps * kSlots;
    for (int i = lane; i < places.taps * kSlots; i += 32) {
      const int tap = i / kSlots, c = i % kSlots;
      const bool exists = k < s.out_channels && tap < s.kernel_w && c < s.channels;
      destination[i] = exists ? source[tap * s.channels + c] : bf16();
    }
  }
  ChannelPrologue part[kSlots];
  load_parts(part, a.prologue, s.channels);

  for (int index = static_cast<int>(blockIdx.x); index < s.tiles; index += static_cast<int>(gridDim.x)) {
    const NarrowTile tile(s, index);
    __syncthreads();  // the last tile's patch has been read
    load_patch(patch, s, tile, a.x, part);
    __syncthreads();

    float sum[kFragments][kOutputs][4] = {};
    for (int r = 0; r < s.kernel_h; ++r) {
      for (int tap = 0; tap < places.taps; tap += kPixels) {
        uint2 b[kOutputs];
#pragma unroll
        for (int j = 0; j < kOutputs; ++j) {
          b[j] = *reinterpret_cast<const uint2*>(weights + (8 * j + g) * places.weight_pitch + (r * places.taps + tap) * kSlots + 4 * t);
        }
        const int of_lane = s.column(tap + 4 * t / kSlots) * kSlots + 4 * t % kSlots;
#pragma unroll
        for (int f = 0; f < kFragments; ++f) {
          const int row = (2 * warp + f / 2) * s.stride + r;
          const bf16* const pixels = patch + (row * s.pitch + f % 2 * 16 + g) * kSlots + of_lane;
          const uint2 upper = *reinterpret_cast<const uint2*>(pixels), lower = *reinterpret_cast<const uint2*>(pixels + 8 * kSlots);
          const std::uint32_t fragment[4] = {upper.x, lower.x, upper.y, lower.y};
#pragma unroll
          for (int j = 0; j < kOutputs; ++j) multiply_add(sum[f][j], fragment, b[j].x, b[j].y);
        }
      }
    }

    // 16 positions side by side are one run of memory: they are written through the warp's slab, two channels per lane.
#pragma unroll
    for (int f = 0; f < kFragments; ++f) {
#pragma unroll
      for (int j = 0; j < kOutputs; ++j) {
        const int k = 8 * j + 2 * t;
        const bool exists = k < s.out_channels;  // channels come in pairs
        const float bias[2] = {exists && a.bias ? a.bias[k] : 0.0f, exists && a.bias ? a.bias[k + 1] : 0.0f};
        if (exists) {
          store_vector<2>(slab + g * places.slab_pitch + k, Floats<2>{sum[f][j][0] + bias[0], sum[f][j][1] + bias[1]});
          store_vector<2>(slab + (g + 8) * places.slab_pitch + k, Floats<2>{sum[f][j][2] + bias[0], sum[f][j][3] + bias[1]});
        }
      }
      __syncwarp();
      const int p = tile.p + 2 * warp + f / 2, q = tile.q + f % 2 * 16;
      const int words = s.out_channels / 2, positions = p < s.positions_h ? min(16, s.positions_w - q) : 0;
      bf16* const y = a.y + (static_cast<std::int64_t>(tile.n * s.positions_h + p) * s.positions_w + q) * s.out_channels;
      for (int i = lane; i < positions * words; i += 32) {
        const int position = divide(i, words_reciprocal);
        reinterpret_cast<std::uint32_t*>(y)[i] =
            *reinterpret_cast<const std::uint32_t*>(slab + position * places.slab_pitch + 2 * (i - position * words));
      }
      __syncwarp();
    }
  }
}

}  // namespace

bool conv2d_narrow_forward(const LaunchContext& context, const Conv2dForward<bf16>& a) {
  if (!narrow(a.shape) || reinterpret_cast<std::uintptr_t>(a.y) % 4 != 0 || a.shape.batch == 0) return false;
  const auto run = [&](auto slots, auto outputs) {
    constexpr int kPixels = 16 / slots();
    const int taps = static_cast<int>(ceil_div(a.shape.kernel_w, kPixels)) * kPixels;
    const NarrowShape s(a.shape, taps, slots());
    const ForwardShared places(s, slots(), taps);
    launch(conv2d_narrow_forward_kernel<slots(), outputs()>, dim3(static_cast<unsigned>(std::min(s.tiles, kMostBlocks))), kForwardThreads,
           static_cast<std::size_t>(places.bytes), stream_of(context), a, s, places, reciprocal_of(s.out_channels / 2));
  };
  const auto with_outputs = [&](auto slots) {
    if (a.shape.out_channels <= 8) return run(slots, std::integral_constant<int, 1>{});
    if (a.shape.out_channels <= 16) return run(slots, std::integral_constant<int, 2>{});
    run(slots, std::integral_constant<int, 4>{});
  };
  if (a.shape.in_channels <= 4) {
    with_outputs(std::integral_constant<int, 4>{});
  } else {
    with_outputs(std::integral_constant<int, 8>{});
  }
  return true;
}

}  // namespace sepia::kernels::cuda
