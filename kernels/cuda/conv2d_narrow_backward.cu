// Weight gradient of the convolution of few input channels, bf16 (conv2d_narrow.cu has the idea and its forward pass):
//
//   grad_weight[k, r, s, c] = sum over positions of grad_y[position, k] act(x)[position under tap (r, s), c]      grad_bias[k] = sum of
//   grad_y[.., k]
//
// A block stages a tile's patch of x, 8 slots per pixel, and its grad_y, 16 or 32 channels per position with zeros behind the last. For
// each 16 positions side by side a warp multiplies grad_y^T (16 channels x 16 positions) with the pixels under each tap of its filter row
// (16 positions x 8 slots); both come by ldmatrix with transposition, since positions are what is summed. The bias's gradient is one
// tap more whose pixels are all one. A warp holds the sums of one filter row over all of its block's tiles; where rows are few, several
// groups of warps share the positions. Then each group writes its sums to scratch memory and add_parts adds them in order: deterministic.
#include "kernels/cuda/conv2d_paths.h"
#include "kernels/cuda/detail/conv2d_narrow.cuh"
#include "kernels/cuda/detail/gemm_launch.cuh"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kSlots = 8;         // bf16 per pixel: one ldmatrix row
constexpr int kMostBlocks = 264;  // two per multiprocessor of an H100; a constant, so that sums do not depend on the GPU
constexpr int kMostWarps = 8;
constexpr int kPositions = kNarrowTileP * kNarrowTileQ;

struct BackwardPlan {
  int groups;          ///< of kernel_h warps each
  int gradient_pitch;  ///< bf16 per position
  int patch;           ///< where the patch begins, in bf16
  int bytes;
  unsigned words_reciprocal;  ///< of the 4-byte words per position
  std::int64_t weights;       ///< K R S C

  BackwardPlan(const NarrowShape& s, int padded_outputs)
      : groups(std::max(1, kMostWarps / s.kernel_h)),
        gradient_pitch(2 * conflict_free_words(padded_outputs)),
        patch(kPositions * gradient_pitch),
        bytes(2 * (patch + s.patch_h * s.pitch * kSlots)),
        words_reciprocal(reciprocal_of(s.out_channels / 2)),
        weights(static_cast<std::int64_t>(s.out_channels) * s.kernel_h * s.kernel_w * s.channels) {}
};

/// Fills the tile's grad_y; zero where there is no position.
__device__ __forceinline__ void load_gradient(bf16* gradient, const NarrowShape& s, const BackwardPlan& plan, const NarrowTile& tile,
                                              const bf16* grad_y) {
  const int words = s.out_channels / 2;
  for (int row = 0; row < kNarrowTileP; ++row) {
    const int p = tile.p + row;
    const int exist = p < s.positions_h ? min(kNarrowTileQ, s.positions_w - tile.q) * words : 0;
    const auto* line = reinterpret_cast<const std::uint32_t*>(
        grad_y + (static_cast<std::int64_t>(tile.n * s.positions_h + p) * s.positions_w + tile.q) * s.out_channels);
    for (int i = static_cast<int>(threadIdx.x); i < kNarrowTileQ * words; i += static_cast<int>(blockDim.x)) {
      const int position = divide(i, plan.words_reciprocal);
      bf16* const destination = gradient + (row * kNarrowTileQ + position) * plan.gradient_pitch + 2 * (i - position * words);
      *reinterpret_cast<std::uint32_t*>(destination) = i < exist ? line[i] : 0u;
    }
  }
}

/// kOutputs: output channels, in sixteens. kTaps: columns of the filter, 4 or 8.
template <int kOutputs, int kTaps>
__global__ void __launch_bounds__(32 * kMostWarps)
    conv2d_narrow_backward_weight_kernel(const Conv2dBackwardWeight<bf16> a, const NarrowShape s, const BackwardPlan plan,
                                         float* __restrict__ weight_parts, float* __restrict__ bias_parts) {
  bf16* const gradient = dynamic_shared<bf16>();
  bf16* const patch = gradient + plan.patch;
  const int lane = static_cast<int>(threadIdx.x) % 32, warp = static_cast<int>(threadIdx.x) / 32;
  const int low = lane & 7, middle = lane >> 3 & 1, high = lane >> 4;
  const int group = warp / s.kernel_h, r = warp - group * s.kernel_h;
  constexpr std::uint32_t kTwoOnes = 0x3f803f80u;

  // Channels behind the last stay zero: load_gradient does not touch them.
  for (int i = static_cast<int>(threadIdx.x); i < plan.patch / 2; i += static_cast<int>(blockDim.x))
    reinterpret_cast<std::uint32_t*>(gradient)[i] = 0u;
  ChannelPrologue part[kSlots];
  load_parts(part, a.prologue, s.channels);

  float sum[kOutputs][kTaps + 1][4] = {};
  for (int index = static_cast<int>(blockIdx.x); index < s.tiles; index += static_cast<int>(gridDim.x)) {
    const NarrowTile tile(s, index);
    __syncthreads();  // the last tile has been read, the first one's zeros are there
    load_gradient(gradient, s, plan, tile, a.grad_y);
    load_patch(patch, s, tile, a.x, part);
    __syncthreads();
    for (int run = group; run < kPositions / 16; run += plan.groups) {
      std::uint32_t of_gradient[kOutputs][4];
#pragma unroll
      for (int i = 0; i < kOutputs; ++i) {
        const bf16* const row = gradient + (16 * run + low + 8 * high) * plan.gradient_pitch + 16 * i + 8 * middle;
        load_matrices_transposed(of_gradient[i], reinterpret_cast<const uint4*>(row));
        multiply_add(sum[i][kTaps], of_gradient[i], kTwoOnes, kTwoOnes);
      }
      const bf16* const pixels = patch + ((run / 2 * s.stride + r) * s.pitch + run % 2 * 16 + low + 8 * middle) * kSlots;
#pragma unroll
      for (int tap = 0; tap < kTaps; tap += 2) {
        std::uint32_t of_x[4];  // tap in registers 0 and 1, tap + 1 in 2 and 3
        load_matrices_transposed(of_x, reinterpret_cast<const uint4*>(pixels + s.column(tap + high) * kSlots));
#pragma unroll
        for (int i = 0; i < kOutputs; ++i) {
          multiply_add(sum[i][tap], of_gradient[i], of_x[0], of_x[1]);
          multiply_add(sum[i][tap + 1], of_gradient[i], of_x[2], of_x[3]);
        }
      }
    }
  }

  // Lane 4 g + t has output channels g and g + 8, slots 2 t and 2 t + 1.
  const int part_number = static_cast<int>(blockIdx.x) * plan.groups + group;
  float* const weights = weight_parts + part_number * plan.weights;
#pragma unroll
  for (int i = 0; i < kOutputs; ++i) {
#pragma unroll
    for (int e = 0; e < 4; ++e) {
      const int k = 16 * i + lane / 4 + e / 2 * 8, c = lane % 4 * 2 + e % 2;
      if (k >= s.out_channels) continue;
#pragma unroll
      for (int tap = 0; tap < kTaps; ++tap) {
        if (tap < s.kernel_w && c < s.channels) weights[((k * s.kernel_h + r) * s.kernel_w + tap) * s.channels + c] = sum[i][tap][e];
      }
      if (bias_parts && r == 0 && c == 0) bias_parts[part_number * s.out_channels + k] = sum[i][kTaps][e];
    }
  }
}

}  // namespace

bool conv2d_narrow_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<bf16>& a) {
  if (!narrow(a.shape) || reinterpret_cast<std::uintptr_t>(a.grad_y) % 4 != 0 || a.shape.batch == 0) return false;
  const auto run = [&](auto outputs, auto taps) {
    const NarrowShape s(a.shape, taps(), kSlots);
    const BackwardPlan plan(s, 16 * outputs());
    const int blocks = std::min(s.tiles, kMostBlocks);
    const std::int64_t parts = static_cast<std::int64_t>(blocks) * plan.groups;
    float* const weight_parts = scratch<float>(context, parts * (plan.weights + s.out_channels));
    float* const bias_parts = a.grad_bias ? weight_parts + parts * plan.weights : nullptr;
    launch(conv2d_narrow_backward_weight_kernel<outputs(), taps()>, dim3(static_cast<unsigned>(blocks)), 32 * s.kernel_h * plan.groups,
           static_cast<std::size_t>(plan.bytes), stream_of(context), a, s, plan, weight_parts, bias_parts);
    add_parts(context, weight_parts, parts, gemm_output<bf16>(a.grad_weight, 1, plan.weights, nullptr, a.accumulate));
    if (bias_parts) add_parts(context, bias_parts, parts, gemm_output<bf16>(a.grad_bias, 1, s.out_channels, nullptr, a.accumulate));
  };
  const auto with_taps = [&](auto outputs) {
    if (a.shape.kernel_w <= 4) return run(outputs, std::integral_constant<int, 4>{});
    run(outputs, std::integral_constant<int, 8>{});
  };
  if (a.shape.out_channels <= 16) {
    with_taps(std::integral_constant<int, 1>{});
  } else {
    with_taps(std::integral_constant<int, 2>{});
  }
  return true;
}

}  // namespace sepia::kernels::cuda
