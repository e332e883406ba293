// Gradients of weights and bias of a dense convolution with few channels, vectorised over the width (planes.h).
//
//   grad_weight[k, r, s, c] = sum over positions i of grad_y_k[i] * x_c[i + distance(c, r, s)]
// is a dot product of two planes for each (k, c, r, s). A register tile holds kBlock output channels x kShifts taps of one filter
// row: per vector of positions it takes kBlock + kShifts loads and does kBlock * kShifts fused multiply-adds; lanes are added at the end
// of a band. The columns that belong to no output are zero in grad_y.
// Bands are gathered into chunks by shape alone, with a partial sum for each chunk, added in order: deterministic.
// Cost: 2 N P Q K R S C FLOP; bound by arithmetic and first-level cache loads.
#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/partials.h"
#include "kernels/cpu/planes.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d_planar_weight.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_CONV2D_PLANAR_WEIGHT_ONCE
#define SEPIA_CONV2D_PLANAR_WEIGHT_ONCE
namespace sepia::kernels::cpu {

// The dot products of all output channels with the taps of one filter row (c, r) over a band.
struct PlanarDots {
  const float* grad_y;  // planes, grad_plane apart
  std::int64_t grad_plane;
  std::int64_t out_channels;
  const float* input;        // planes
  const std::int64_t* taps;  // kernel_w distances
  std::int64_t kernel_w;
  std::int64_t positions;
  float* sums;  // += at k * k_pitch + s * s_pitch
  std::int64_t k_pitch, s_pitch;
};

}  // namespace sepia::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

template <int kBlock, int kShifts>
HWY_NOINLINE void RunDots(const PlanarDots& t, std::int64_t k, std::int64_t s) {
  const Floats d;
  const float* grad[kBlock];
  const float* input[kShifts];
  V sum[kBlock][kShifts];
#pragma GCC unroll 8
  for (int b = 0; b < kBlock; ++b) {
    grad[b] = t.grad_y + (k + b) * t.grad_plane;
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) sum[b][i] = hn::Zero(d);
  }
  for (int i = 0; i < kShifts; ++i) input[i] = t.input + t.taps[s + i];
  for (std::int64_t position = 0; position < t.positions; position += kLanes) {
    V g[kBlock];
#pragma GCC unroll 8
    for (int b = 0; b < kBlock; ++b) g[b] = hn::Load(d, grad[b] + position);
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) {
      V x = hn::LoadU(d, input[i] + position);
      hold(x);  // three products use it, and most shifted loads cross a cache line
#pragma GCC unroll 8
      for (int b = 0; b < kBlock; ++b) sum[b][i] = hn::MulAdd(g[b], x, sum[b][i]);
    }
  }
#pragma GCC unroll 8
  for (int b = 0; b < kBlock; ++b) {
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) t.sums[(k + b) * t.k_pitch + (s + i) * t.s_pitch] += hn::GetLane(hn::SumOfLanes(d, sum[b][i]));
  }
}

// All channels against kShifts taps from s on.
template <int kShifts>
void RunShifts(const PlanarDots& t, std::int64_t s) {
  std::int64_t k = 0;
  if constexpr (kShifts == 7) {
    for (; k + 3 <= t.out_channels; k += 3) RunDots<3, kShifts>(t, k, s);
    for (; k + 2 <= t.out_channels; k += 2) RunDots<2, kShifts>(t, k, s);
  } else {
    if constexpr (kManyRegisters || kShifts == 1) {
      for (; k + 8 <= t.out_channels; k += 8) RunDots<8, kShifts>(t, k, s);
    }
    for (; k + 4 <= t.out_channels; k += 4) RunDots<4, kShifts>(t, k, s);
    for (; k + 2 <= t.out_channels; k += 2) RunDots<2, kShifts>(t, k, s);
  }
  for (; k < t.out_channels; ++k) RunDots<1, kShifts>(t, k, s);
}

void RunPlanarDots(const PlanarDots& t) {
  std::int64_t s = 0;
  if constexpr (kManyRegisters) {
    for (; s + 7 <= t.kernel_w; s += 7) RunShifts<7>(t, s);
  }
  for (; s + 3 <= t.kernel_w; s += 3) RunShifts<3>(t, s);
  for (; s < t.kernel_w; ++s) RunShifts<1>(t, s);
}

// sums[k] += sum of plane k.
void SumPlanes(const float* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  const Floats d;
  for (std::int64_t k = 0; k < channels; ++k) {
    V even = hn::Zero(d), odd = hn::Zero(d);
    for (std::int64_t i = 0; i < positions; i += 2 * kLanes) {
      even = hn::Add(even, hn::Load(d, planes + k * plane + i));
      odd = hn::Add(odd, hn::Load(d, planes + k * plane + i + kLanes));
    }
    sums[k] += hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  }
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(RunPlanarDots);
HWY_EXPORT(SumPlanes);

template <class T>
void conv2d_backward_weight_planar(const Conv2dBackwardWeight<T>& args) {
  const Conv2dShape& s = args.shape;
  const PlanarConv conv{s.batch,        s.height,   s.width,    s.in_channels, s.out_height(), s.out_width(),
                        s.out_channels, s.kernel_h, s.kernel_w, s.stride,      s.padding,      s.padding};
  constexpr std::int64_t kSlack = 2 * 16;
  constexpr std::int64_t kPositionsPerBand = 8192;  // planes stay in the second-level cache
  constexpr std::int64_t kPositionsPerDot = 2048;   // three of grad_y and one of x stay in the first-level cache
  const PlanarBands bands(conv, kPositionsPerBand);
  const PlaneLayout layout(conv, bands.rows, kSlack);
  const std::int64_t weights = conv.out_channels * conv.taps(), biases = args.grad_bias ? conv.out_channels : 0;
  const Chunks chunks = cut_chunks(conv.batch * bands.per_picture, 1, weights + biases);
  float* partials = scratch(Scratch::kPartials, chunks.count * (weights + biases));
  const std::int64_t in_picture = conv.in_height * conv.in_width * conv.in_channels;
  const std::int64_t out_picture = conv.out_height * conv.out_width * conv.out_channels;
  parallel_for(chunks.count, [&](std::int64_t chunk) {
    float* partial = partials + chunk * (weights + biases);
    std::fill_n(partial, weights + biases, 0.0F);
    float* input = scratch(Scratch::kPanel, layout.input_floats(conv.in_channels));
    float* grad_y = scratch(Scratch::kOutput, conv.out_channels * layout.out_plane);
    auto* distances = reinterpret_cast<std::int64_t*>(scratch(Scratch::kTaps, 2 * conv.kernel_w));
    for (std::int64_t index = chunks.begin(chunk); index < chunks.end(chunk); ++index) {
      const std::int64_t n = index / bands.per_picture, first = index % bands.per_picture * bands.rows;
      const std::int64_t rows = std::min(bands.rows, conv.out_height - first), positions = layout.positions(rows, conv.out_width);
      load_input_planes(conv, layout, args.prologue, args.x + n * in_picture, first, rows, input);
      load_output_planes(conv, layout, args.grad_y + n * out_picture, first, rows, grad_y);
      for (std::int64_t start = 0; start < positions; start += kPositionsPerDot) {
        for (std::int64_t c = 0; c < conv.in_channels; ++c) {
          for (std::int64_t r = 0; r < conv.kernel_h; ++r) {
            for (std::int64_t t = 0; t < conv.kernel_w; ++t) distances[t] = layout.tap(c, r, t);
            HWY_DYNAMIC_DISPATCH(RunPlanarDots)
            ({grad_y + start, layout.out_plane, conv.out_channels, input + start, distances, conv.kernel_w,
              std::min(kPositionsPerDot, positions - start), partial + r * conv.kernel_w * conv.in_channels + c, conv.taps(),
              conv.in_channels});
          }
        }
      }
      if (args.grad_bias) HWY_DYNAMIC_DISPATCH(SumPlanes)(grad_y, layout.out_plane, conv.out_channels, positions, partial + weights);
    }
  });
  combine_partials(partials, chunks.count, weights, biases, args.grad_weight, args.grad_bias, args.accumulate);
}

template void conv2d_backward_weight_planar(const Conv2dBackwardWeight<float>&);
template void conv2d_backward_weight_planar(const Conv2dBackwardWeight<bf16>&);

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
