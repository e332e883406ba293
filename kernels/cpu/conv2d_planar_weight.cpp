// Gradients of weights and bias of a dense convolution with few channels, vectorised over the width (planes.h).
//
//   grad_weight[k, r, s, c] = sum over positions i of grad_y_k[i] * x_c[i + distance(c, r, s)]
// is a dot product of two planes for each (k, c, r, s). A register tile holds kBlock output channels x kShifts taps of one filter
// row: per vector of positions it takes kBlock + kShifts loads and does kBlock * kShifts fused multiply-adds; lanes are added at the end
// of a band. The columns that belong to no output are zero in grad_y.
// In bf16 a vector holds twice as many positions, and its products are added in pairs.
// Bands are gathered into chunks by shape alone, with a partial sum for each chunk, added in order: deterministic.
// Cost: 2 N P Q K R S C FLOP; bound by arithmetic and first-level cache loads.
#include <algorithm>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/conv2d_planar.h"
#include "kernels/cpu/partials.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d_planar_weight.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_CONV2D_PLANAR_WEIGHT_ONCE
#define SEPIA_CONV2D_PLANAR_WEIGHT_ONCE
namespace sepia::kernels::cpu {

// The dot products of all output channels with the taps of one filter row (c, r) over a band.
template <class T>
struct PlanarDots {
  const T* grad_y;  // planes, grad_plane apart
  std::int64_t grad_plane;
  std::int64_t out_channels;
  const T* input;            // planes
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

// A vector of positions: floats, or twice as many bf16 numbers as pairs.
HWY_INLINE V positions_at(const float* p) { return hn::LoadU(Floats(), p); }
HWY_INLINE V positions_at(const bf16* p) { return hn::LoadU(Floats(), reinterpret_cast<const float*>(p)); }
template <class T>
constexpr std::int64_t kStep = kLanes * static_cast<std::int64_t>(sizeof(float) / sizeof(T));
template <class T>
HWY_INLINE V add_products(V sum, V x, V y) {
  if constexpr (std::is_same_v<T, bf16>) return add_products_of_pairs(sum, x, y);
  else return hn::MulAdd(x, y, sum);
}

template <int kBlock, int kShifts, class T>
HWY_NOINLINE void RunDots(const PlanarDots<T>& t, std::int64_t k, std::int64_t s) {
  const Floats d;
  const T* grad[kBlock];
  const T* input[kShifts];
  V sum[kBlock][kShifts];
#pragma GCC unroll 8
  for (int b = 0; b < kBlock; ++b) {
    grad[b] = t.grad_y + (k + b) * t.grad_plane;
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) sum[b][i] = hn::Zero(d);
  }
  for (int i = 0; i < kShifts; ++i) input[i] = t.input + t.taps[s + i];
  for (std::int64_t position = 0; position < t.positions; position += kStep<T>) {
    V g[kBlock];
#pragma GCC unroll 8
    for (int b = 0; b < kBlock; ++b) g[b] = positions_at(grad[b] + position);
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) {
      V x = positions_at(input[i] + position);
      hold(x);  // three products use it, and most shifted loads cross a cache line
#pragma GCC unroll 8
      for (int b = 0; b < kBlock; ++b) sum[b][i] = add_products<T>(sum[b][i], g[b], x);
    }
  }
#pragma GCC unroll 8
  for (int b = 0; b < kBlock; ++b) {
#pragma GCC unroll 8
    for (int i = 0; i < kShifts; ++i) t.sums[(k + b) * t.k_pitch + (s + i) * t.s_pitch] += hn::GetLane(hn::SumOfLanes(d, sum[b][i]));
  }
}

// All channels against kShifts taps from s on.
template <int kShifts, class T>
void RunShifts(const PlanarDots<T>& t, std::int64_t s) {
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

template <class T>
void RunAllDots(const PlanarDots<T>& t) {
  std::int64_t s = 0;
  if constexpr (kManyRegisters) {
    for (; s + 7 <= t.kernel_w; s += 7) RunShifts<7>(t, s);
  }
  for (; s + 3 <= t.kernel_w; s += 3) RunShifts<3>(t, s);
  for (; s < t.kernel_w; ++s) RunShifts<1>(t, s);
}

// sums[k] += sum of plane k.
template <class T>
void SumAllPlanes(const T* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  const Floats d;
  const V ones = std::is_same_v<T, bf16> ? hn::BitCast(d, hn::Set(Words(), 0x3f803f80u)) : splat(1.0F);
  for (std::int64_t k = 0; k < channels; ++k) {
    V even = hn::Zero(d), odd = hn::Zero(d);
    for (std::int64_t i = 0; i < positions; i += 2 * kStep<T>) {
      even = add_products<T>(even, positions_at(planes + k * plane + i), ones);
      odd = add_products<T>(odd, positions_at(planes + k * plane + i + kStep<T>), ones);
    }
    sums[k] += hn::GetLane(hn::SumOfLanes(d, hn::Add(even, odd)));
  }
}

// What is dispatched is no template: F for float, H for bf16.
void RunPlanarDotsF(const PlanarDots<float>& t) { RunAllDots(t); }
void RunPlanarDotsH(const PlanarDots<bf16>& t) { RunAllDots(t); }
void SumPlanesF(const float* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  SumAllPlanes(planes, plane, channels, positions, sums);
}
void SumPlanesH(const bf16* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  SumAllPlanes(planes, plane, channels, positions, sums);
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(RunPlanarDotsF);
HWY_EXPORT(RunPlanarDotsH);
HWY_EXPORT(SumPlanesF);
HWY_EXPORT(SumPlanesH);

namespace {

void run_dots(const PlanarDots<float>& dots) { HWY_DYNAMIC_DISPATCH(RunPlanarDotsF)(dots); }
void run_dots(const PlanarDots<bf16>& dots) { HWY_DYNAMIC_DISPATCH(RunPlanarDotsH)(dots); }
void sum_planes(const float* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  HWY_DYNAMIC_DISPATCH(SumPlanesF)(planes, plane, channels, positions, sums);
}
void sum_planes(const bf16* planes, std::int64_t plane, std::int64_t channels, std::int64_t positions, float* sums) {
  HWY_DYNAMIC_DISPATCH(SumPlanesH)(planes, plane, channels, positions, sums);
}

}  // namespace

template <class T>
void planar_backward_weight(const Conv2dBackwardWeight<T>& args, const std::function<void(const Band&, const PlaneLayout&, T* planes)>& load) {
  const PlanarConv conv = forward_correlation(args.shape);
  constexpr std::int64_t kSlack = 4 * 16;  // vectors of positions may reach beyond the last one
  constexpr std::int64_t kPositionsPerBand = 8192;  // planes stay in the second-level cache
  constexpr std::int64_t kPositionsPerDot = 2048;   // three of grad_y and one of x stay in the first-level cache
  const PlanarBands bands(conv, kPositionsPerBand);
  const PlaneLayout layout(conv, bands.rows, kSlack);
  const std::int64_t weights = conv.out_channels * conv.taps(), biases = args.grad_bias ? conv.out_channels : 0;
  const Chunks chunks = cut_chunks(conv.batch * bands.per_picture, 1, weights + biases);
  float* partials = scratch(Scratch::kPartials, chunks.count * (weights + biases));
  const InputRows<T> rows(args);
  parallel_for(chunks.count, [&](std::int64_t chunk) {
    float* partial = partials + chunk * (weights + biases);
    std::fill_n(partial, weights + biases, 0.0F);
    T* input = scratch_of<T>(Scratch::kPanel, layout.input_floats(conv.in_channels));
    T* grad_y = scratch_of<T>(Scratch::kOutput, conv.out_channels * layout.out_plane);
    auto* distances = reinterpret_cast<std::int64_t*>(scratch(Scratch::kTaps, 2 * conv.kernel_w));
    for (std::int64_t index = chunks.begin(chunk); index < chunks.end(chunk); ++index) {
      const Band band = bands.band(index);
      const std::int64_t positions = layout.positions(band.rows, conv.out_width);
      load_input_planes(conv, layout, rows, band, input);
      load(band, layout, grad_y);
      for (std::int64_t start = 0; start < positions; start += kPositionsPerDot) {
        for (std::int64_t c = 0; c < conv.in_channels; ++c) {
          for (std::int64_t r = 0; r < conv.kernel_h; ++r) {
            for (std::int64_t t = 0; t < conv.kernel_w; ++t) distances[t] = layout.tap(c, r, t);
            run_dots(PlanarDots<T>{grad_y + start, layout.out_plane, conv.out_channels, input + start, distances, conv.kernel_w,
              std::min(kPositionsPerDot, positions - start), partial + r * conv.kernel_w * conv.in_channels + c, conv.taps(),
              conv.in_channels});
          }
        }
      }
      if (args.grad_bias) sum_planes(grad_y, layout.out_plane, conv.out_channels, positions, partial + weights);
    }
  });
  combine_partials(partials, chunks.count, weights, biases, args.grad_weight, args.grad_bias, args.accumulate);
}

template <class T>
void conv2d_backward_weight_planar(const Conv2dBackwardWeight<T>& args) {
  const PlanarConv conv = forward_correlation(args.shape);
  planar_backward_weight<T>(args, [&](const Band& band, const PlaneLayout& layout, T* planes) {
    const T* picture = args.grad_y + band.picture * conv.out_height * conv.out_width * conv.out_channels;
    load_output_planes(conv, layout, picture, band.first, band.rows, planes);
  });
}

template void planar_backward_weight(const Conv2dBackwardWeight<float>&, const std::function<void(const Band&, const PlaneLayout&, float*)>&);
template void planar_backward_weight(const Conv2dBackwardWeight<bf16>&, const std::function<void(const Band&, const PlaneLayout&, bf16*)>&);
template void conv2d_backward_weight_planar(const Conv2dBackwardWeight<float>&);
template void conv2d_backward_weight_planar(const Conv2dBackwardWeight<bf16>&);

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
