// Dense convolution (kernels/conv2d.h) with few input and 32, 64, ... output channels: the first layer of edgenet and xception.
// Vectors hold output channels, so inputs and outputs stay NHWC and nothing is gathered or transposed but the weights.
//
// The inputs of an output position under one filter row are kernel_w * in_channels consecutive numbers; tap j of filter row r at
// position q is row[r][q * stride * in_channels + j].
//   forward          tile of kTileRows positions x 2 vectors of channels: per tap 2 loads of weights, one broadcast input per
//                    position, 2 kTileRows fused multiply-adds
//                    in bf16 taps go in pairs, whose two products one instruction adds
//   backward weight  tile of up to kTaps taps x 2 vectors of channels over all positions of a band: per position 2 loads of
//                    grad_y, one broadcast input per tap
// Work is cut into bands of output rows by shape alone; gradients have a partial sum per chunk of bands, added in order: deterministic.
// Cost: 2 N P Q K R S C FLOP; with 3 channels about as many bytes of y as arithmetic can keep up with.
#include <algorithm>
#include <cstring>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/conv2d_rows.h"
#include "kernels/cpu/padded_band.h"
#include "kernels/cpu/partials.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/conv2d_direct.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/register_tile-inl.h"
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_CONV2D_DIRECT_ONCE
#define SEPIA_CONV2D_DIRECT_ONCE
namespace sepia::kernels::cpu {

// A band of output rows and the input rows it needs.
template <class In>
struct DirectBand {
  const In* input;             // first padded input row of the band
  std::int64_t row_pitch;      // elements between input rows
  std::int64_t row_step;       // elements between the input rows of neighbouring output rows
  std::int64_t step;           // elements between the inputs of neighbouring positions
  std::int64_t kernel_h, run;  // filter rows; taps in each
  std::int64_t rows, width;    // of output
  std::int64_t channels;       // of output: a multiple of 32
};

}  // namespace sepia::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

constexpr int kTaps = kManyRegisters ? 10 : 5;

// kCount positions from `input` on, channels [first, first + two vectors). Where pairs do not divide a filter row, the last one overlaps
// the pair before and has a zero weight there.
template <int kCount, class T>
HWY_INLINE void ForwardTile(const DirectBand<T>& band, const T* input, const float* weights, const float* bias, T* y) {
  const Floats d;
  const V start0 = bias ? hn::LoadU(d, bias) : hn::Zero(d), start1 = bias ? hn::LoadU(d, bias + kLanes) : hn::Zero(d);
  V sum[kCount][2];
#pragma GCC unroll 12
  for (int i = 0; i < kCount; ++i) sum[i][0] = start0, sum[i][1] = start1;
  // Positions in threes: three are one register with two simple addresses beside it.
  constexpr int kThrees = (kCount + 2) / 3;
  const std::int64_t position = band.step;
  for (std::int64_t r = 0; r < band.kernel_h; ++r) {
    const T* at[kThrees];
#pragma GCC unroll 4
    for (int i = 0; i < kThrees; ++i) at[i] = input + r * band.row_pitch + 3 * i * position;
    const auto step = [&](std::int64_t offset) HWY_ATTR {
      const V w0 = hn::LoadU(d, weights), w1 = hn::LoadU(d, weights + kLanes);
      weights += band.channels;
#pragma GCC unroll 12
      for (int i = 0; i < kCount; ++i) {
        V x = everywhere(at[i / 3] + offset + i % 3 * position);
        hold(x);
        sum[i][0] = add_product<T>(sum[i][0], w0, x);
        sum[i][1] = add_product<T>(sum[i][1], w1, x);
      }
    };
    for (std::int64_t steps = band.run / kTogether<T>; steps > 0; --steps) {
      step(0);
#pragma GCC unroll 4
      for (int i = 0; i < kThrees; ++i) at[i] += kTogether<T>;
    }
    if (band.run % kTogether<T> != 0) step(-1);
  }
#pragma GCC unroll 12
  for (int i = 0; i < kCount; ++i) {
    FullLanes{}.store(sum[i][0], y + i * band.channels);
    FullLanes{}.store(sum[i][1], y + i * band.channels + kLanes);
  }
}

template <class T>
void DirectForward(const DirectBand<T>& band, const float* weights, const float* bias, T* y) {
  constexpr std::int64_t kPair = 2 * kLanes;
  for (std::int64_t p = 0; p < band.rows; ++p) {
    const T* input = band.input + p * band.row_step;
    T* out = y + p * band.width * band.channels;
    for (std::int64_t k = 0; k < band.channels; k += kPair) {
      const float* first_bias = bias ? bias + k : nullptr;
      const auto tile = [&]<int kCount>(std::int64_t q) HWY_ATTR {
        ForwardTile<kCount>(band, input + q * band.step, weights + k, first_bias, out + q * band.channels + k);
      };
      for_tiles(band.width, tile);
    }
  }
}

// sums[tap][channel] += over the band, for kCount taps whose input starts at `input` and two vectors of channels.
template <int kCount, class T>
HWY_NOINLINE void WeightTile(const DirectBand<float>& band, const float* input, const T* grad_y, float* sums) {
  const Floats d;
  V sum[kCount][2];
#pragma GCC unroll 10
  for (int t = 0; t < kCount; ++t) {
    sum[t][0] = sum[t][1] = hn::Zero(d);
  }
  for (std::int64_t p = 0; p < band.rows; ++p) {
    const float* x_at = input + p * band.row_step;
    const T* g_at = grad_y + p * band.width * band.channels;
    for (std::int64_t q = 0; q < band.width; ++q, x_at += band.step, g_at += band.channels) {
      const V g0 = FullLanes{}.load(g_at), g1 = FullLanes{}.load(g_at + kLanes);
#pragma GCC unroll 10
      for (int t = 0; t < kCount; ++t) {
        V x = hn::Set(d, x_at[t]);
        hold(x);
        sum[t][0] = hn::MulAdd(g0, x, sum[t][0]);
        sum[t][1] = hn::MulAdd(g1, x, sum[t][1]);
      }
    }
  }
#pragma GCC unroll 10
  for (int t = 0; t < kCount; ++t) {
    float* to = sums + t * band.channels;
    hn::StoreU(hn::Add(hn::LoadU(d, to), sum[t][0]), d, to);
    hn::StoreU(hn::Add(hn::LoadU(d, to + kLanes), sum[t][1]), d, to + kLanes);
  }
}

// Tiles of kCount taps while they fit, then smaller ones.
template <int kCount, class T>
void WeightTaps(const DirectBand<float>& band, const float* row, const T* grad_y, std::int64_t j, float* sums) {
  for (; j + kCount <= band.run; j += kCount) WeightTile<kCount>(band, row + j, grad_y, sums + j * band.channels);
  if constexpr (kCount > 1) {
    if (j < band.run) WeightTaps<kCount - 1>(band, row, grad_y, j, sums);
  }
}

// sums is (taps, channels).
template <class T>
void DirectWeight(const DirectBand<float>& band, const T* grad_y, float* sums) {
  constexpr std::int64_t kPair = 2 * kLanes;
  for (std::int64_t k = 0; k < band.channels; k += kPair) {
    for (std::int64_t r = 0; r < band.kernel_h; ++r) {
      WeightTaps<kTaps>(band, band.input + r * band.row_pitch, grad_y + k, 0, sums + r * band.run * band.channels + k);
    }
  }
}

// What is dispatched is no template: F for float, H for bf16.
void DirectForwardF(const DirectBand<float>& band, const float* weights, const float* bias, float* y) { DirectForward(band, weights, bias, y); }
void DirectForwardH(const DirectBand<bf16>& band, const float* weights, const float* bias, bf16* y) { DirectForward(band, weights, bias, y); }
void DirectWeightF(const DirectBand<float>& band, const float* grad_y, float* sums) { DirectWeight(band, grad_y, sums); }
void DirectWeightH(const DirectBand<float>& band, const bf16* grad_y, float* sums) { DirectWeight(band, grad_y, sums); }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(DirectForwardF);
HWY_EXPORT(DirectForwardH);
HWY_EXPORT(DirectWeightF);
HWY_EXPORT(DirectWeightH);

namespace {

// How the output rows of a picture are cut: a band of y or grad_y is a quarter of a MiB.
struct DirectBands {
  explicit DirectBands(const Conv2dShape& s)
      : rows(std::clamp<std::int64_t>((1 << 16) / (s.out_width() * s.out_channels), 1, s.out_height())),
        per_picture(pieces_of(s.out_height(), rows)) {}

  std::int64_t rows, per_picture;
};

void direct_forward(const DirectBand<float>& band, const float* weights, const float* bias, float* y) {
  HWY_DYNAMIC_DISPATCH(DirectForwardF)(band, weights, bias, y);
}
void direct_forward(const DirectBand<bf16>& band, const float* weights, const float* bias, bf16* y) {
  HWY_DYNAMIC_DISPATCH(DirectForwardH)(band, weights, bias, y);
}
void direct_weight(const DirectBand<float>& band, const float* grad_y, float* sums) { HWY_DYNAMIC_DISPATCH(DirectWeightF)(band, grad_y, sums); }
void direct_weight(const DirectBand<float>& band, const bf16* grad_y, float* sums) { HWY_DYNAMIC_DISPATCH(DirectWeightH)(band, grad_y, sums); }

template <class In, class T>
DirectBand<In> direct_band(const Conv2dShape& s, const InputRows<T>& rows_of_input, std::int64_t n, std::int64_t first, std::int64_t rows, Scratch slot) {
  const PaddedBand<In> input = padded_band<In>(s, rows_of_input, n, first * s.stride, (rows - 1) * s.stride + s.kernel_h, slot);
  return {
      input.data,    input.row_pitch, s.stride * input.row_pitch, s.stride * s.in_channels, s.kernel_h, s.kernel_w * s.in_channels, rows,
      s.out_width(), s.out_channels};
}

// Filters (channels, taps) as (taps, channels).
const float* filters_by_tap(const Conv2dShape& s, const float* weight, Scratch slot) {
  const std::int64_t taps = s.kernel_h * s.kernel_w * s.in_channels;
  float* filters = scratch(slot, taps * s.out_channels);
  transpose(s.out_channels, taps, weight, taps, filters, s.out_channels);
  return filters;
}

// In bf16 as (pairs of taps, channels), 32 bits each, with zero where the last pair of a filter row overlaps the one before.
const float* filters_by_tap(const Conv2dShape& s, const bf16* weight, Scratch slot) {
  const std::int64_t run = s.kernel_w * s.in_channels, pairs = pieces_of(run, 2);
  float* filters = scratch(slot, s.kernel_h * pairs * s.out_channels);
  auto* to = reinterpret_cast<std::uint32_t*>(filters);
  for (std::int64_t r = 0; r < s.kernel_h; ++r) {
    for (std::int64_t j = 0; j < run; j += 2) {
      for (std::int64_t k = 0; k < s.out_channels; ++k) {
        const bf16* row = weight + (k * s.kernel_h + r) * run;
        const bool whole = j + 1 < run;
        *to++ = whole ? row[j].bits | std::uint32_t{row[j + 1].bits} << 16 : std::uint32_t{row[j].bits} << 16;
      }
    }
  }
  return filters;
}

}  // namespace

template <class T>
Conv2dRows<T>::Conv2dRows(const Conv2dForward<T>& args, Scratch filters) : args_(args), input_(args), filters_(filters_by_tap(args.shape, args.weight, filters)) {}

template <class T>
void Conv2dRows<T>::run(std::int64_t n, std::int64_t begin, std::int64_t end, T* out, Scratch input) const {
  direct_forward(direct_band<T>(args_.shape, input_, n, begin, end - begin, input), filters_, args_.bias, out);
}

template <class T>
void conv2d_forward_direct(const Conv2dForward<T>& args, PieceStatistics* statistics) {
  const Conv2dShape& s = args.shape;
  const DirectBands bands(s);
  const Conv2dRows<T> rows(args, Scratch::kWeights);
  if (statistics) statistics->start(s.batch * bands.per_picture);
  parallel_for(s.batch * bands.per_picture, [&](std::int64_t index) {
    const std::int64_t n = index / bands.per_picture, begin = index % bands.per_picture * bands.rows, end = std::min(begin + bands.rows, s.out_height());
    T* const y = args.y + (n * s.out_height() + begin) * s.out_width() * s.out_channels;
    rows.run(n, begin, end, y, Scratch::kPanel);
    if (statistics) statistics->add(index, (end - begin) * s.out_width(), y);
  });
}

template <class T>
void conv2d_backward_weight_direct(const Conv2dBackwardWeight<T>& args) {
  const Conv2dShape& s = args.shape;
  const DirectBands bands(s);
  const std::int64_t filters = s.out_channels, taps = s.kernel_h * s.kernel_w * s.in_channels;
  const std::int64_t weights = filters * taps, biases = args.grad_bias ? filters : 0;
  const Chunks chunks = cut_chunks(s.batch * bands.per_picture, 1, weights + biases);
  float* partials = scratch(Scratch::kPartials, chunks.count * (weights + biases));
  const InputRows<T> input(args);
  parallel_for(chunks.count, [&](std::int64_t chunk) {
    float* partial = partials + chunk * (weights + biases);
    std::fill_n(partial + weights, biases, 0.0F);
    float* sums = scratch(Scratch::kOutput, weights);
    std::fill_n(sums, weights, 0.0F);
    for (std::int64_t index = chunks.begin(chunk); index < chunks.end(chunk); ++index) {
      const std::int64_t n = index / bands.per_picture, first = index % bands.per_picture * bands.rows;
      const DirectBand<float> band = direct_band<float>(s, input, n, first, std::min(bands.rows, s.out_height() - first), Scratch::kPanel);
      const T* grad_y = args.grad_y + (n * s.out_height() + first) * s.out_width() * filters;
      direct_weight(band, grad_y, sums);
      if (args.grad_bias) add_column_sums({band.rows * band.width, filters, filters}, grad_y, partial + weights);
    }
    transpose(taps, filters, sums, filters, partial, taps);
  });
  combine_partials(partials, chunks.count, weights, biases, args.grad_weight, args.grad_bias, args.accumulate);
}

template class Conv2dRows<float>;
template class Conv2dRows<bf16>;
template void conv2d_forward_direct(const Conv2dForward<float>&, PieceStatistics*);
template void conv2d_forward_direct(const Conv2dForward<bf16>&, PieceStatistics*);
template void conv2d_backward_weight_direct(const Conv2dBackwardWeight<float>&);
template void conv2d_backward_weight_direct(const Conv2dBackwardWeight<bf16>&);

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
