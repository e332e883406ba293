// Depthwise convolution, backward (kernels/depthwise_conv.h): grad_x, grad_weight and grad_bias in one pass.
//
// The pass walks over the *inputs*. Input (h, w) meets the same grad_y[p, q] for its own gradient and for the filter's:
//     grad_x[h, w] += grad_y[p, q] * weight[r, s]        grad_weight[r, s] += grad_y[p, q] * act(x)[h, w]
// with p * stride + r - padding = h and q * stride + s - padding = w. For 3x3 filters with padding 1 a tile of neighbouring inputs
// and their gradients stay in registers while the filter rows that reach them go by; stride 2 is unrolled by the parity of w, and
// the parity of h picks the filter rows, so nothing is tested inside. grad_bias is the sum at tap (1, 1), which meets every output
// once. Other filters go input by input.
//
// Cost: reads x and grad_y once from memory, writes (or adds to) grad_x; 4 R S FLOPs an output; bound by memory. Pieces of work
// are strips of input rows of one picture, cut by shape alone; each owns its rows of grad_x and leaves its filter gradients in a
// place of its own; these are added in the order of the pieces, so results do not depend on the number of threads.
#include "kernels/depthwise_conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_conv_backward.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"
#include "kernels/cpu/windows.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace {

/// Inputs of a tile (a power of two): they, their gradients, three weights and three weight gradients stay in registers.
constexpr int kTile = HWY_TARGET == HWY_AVX3 ? 8 : 4;

/// What does not change during a call.
template <class T>
struct Job {
  const DepthwiseConvBackward<T>& a;
  WindowAxis vertical, horizontal;
  bool bias_at_centre;  ///< 3x3, padding 1, stride 1 or 2: tap (1, 1) meets every output once

  std::int64_t taps() const { return a.shape.kernel_h * a.shape.kernel_w; }
  /// Floats of a piece's gradients: one row of channels per tap and one for the bias, in whole cache lines.
  std::int64_t row_floats() const { return pieces_of(a.shape.channels, 16) * 16; }
  std::int64_t partial_floats() const { return (taps() + 1) * row_floats(); }
};

/// One input row: the outputs whose windows cover it, and where a piece keeps its gradients.
template <class T>
struct InputRow {
  const T* x;
  T* grad_x;        ///< may be null
  const T* grad_y;  ///< of the picture
  std::int64_t h;
  Range outputs;
  float* partial;
};

/// Asks for the vectors that the tile two further on will want, `kCount` columns from p: the order in which a tile touches memory,
/// channels outside and columns inside, is one that the processor does not foresee (measured: half the time of stride 1).
template <int kCount, class T>
HWY_INLINE void prefetch_tile(const T* p, std::int64_t channels) {
#pragma GCC unroll 8
  for (int j = 0; j < kCount; ++j) hwy::Prefetch(p + (2 * kTile + j) * channels);
}

template <class Lanes>
HWY_INLINE void add_to(Lanes lanes, float* p, V v) {
  lanes.store(hn::Add(lanes.load(p), v), p);
}

/// The input at column w of the row, any filter.
template <class T, class Lanes>
HWY_INLINE void one_input(const Job<T>& job, const InputRow<T>& row, Lanes lanes, std::int64_t w, std::int64_t c) {
  const DepthwiseConvShape& s = job.a.shape;
  const std::int64_t channels = s.channels, stride = job.row_floats();
  const Range columns = job.horizontal.outputs_over(w);
  const Act act = load_act(job.a.prologue, lanes, c);
  const V x = lanes.load(row.x + w * channels + c), value = act.value(x);
  V grad = splat(0.0f);
  for (std::int64_t p = row.outputs.begin; p < row.outputs.end; ++p) {
    for (std::int64_t q = columns.begin; q < columns.end; ++q) {
      const std::int64_t tap = (row.h + s.padding - p * s.stride) * s.kernel_w + w + s.padding - q * s.stride;
      const V g = lanes.load(row.grad_y + (p * job.horizontal.outputs + q) * channels + c);
      grad = hn::MulAdd(g, lanes.load(job.a.weight + tap * channels + c), grad);
      float* const weight_sum = row.partial + tap * stride + c;
      lanes.store(hn::MulAdd(g, value, lanes.load(weight_sum)), weight_sum);
      if (job.bias_at_centre && tap == 4) add_to(lanes, row.partial + 9 * stride + c, g);
    }
  }
  if (row.grad_x) store(lanes, act.pass(x, grad), row.grad_x + w * channels + c, job.a.accumulate_x);
}

/// kWidth inputs from column w (even when the stride is 2), 3x3 filter, padding 1. Outputs that do not exist load as zero.
template <int kStride, int kWidth, class T, class Lanes>
HWY_INLINE void tile_of_inputs(const Job<T>& job, const InputRow<T>& row, Lanes lanes, std::int64_t w, std::int64_t c) {
  constexpr int kOutputs = kStride == 1 ? kWidth + 2 : kWidth / 2 + 1;
  HWY_ALIGN static constexpr T kZeros[kLanes] = {};
  const std::int64_t channels = job.a.shape.channels, stride = job.row_floats(), out_w = job.horizontal.outputs;
  const std::int64_t first_output = kStride == 1 ? w - 1 : w / 2;
  const T* const x = row.x + w * channels + c;
  T* const grad_x = row.grad_x ? row.grad_x + w * channels + c : nullptr;
  prefetch_tile<kWidth>(x, channels);
  prefetch_tile<kWidth / kStride>(row.grad_y + ((row.outputs.end - 1) * out_w + first_output) * channels + c, channels);
  if (grad_x) prefetch_tile<kWidth>(grad_x, channels);

  const Act act = load_act(job.a.prologue, lanes, c);
  V value[kWidth], grad[kWidth];
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) {
    value[j] = act.value(lanes.load(x + j * channels));
    grad[j] = splat(0.0f);
  }
  for (std::int64_t p = row.outputs.begin; p < row.outputs.end; ++p) {
    const std::int64_t r = row.h + 1 - p * kStride;
    const T* const g_row = row.grad_y + (p * out_w + first_output) * channels + c;
    const T* const w_row = job.a.weight + 3 * r * channels + c;
    float* const sum_row = row.partial + 3 * r * stride + c;
    const V weight[3] = {lanes.load(w_row), lanes.load(w_row + channels), lanes.load(w_row + 2 * channels)};
    V sum[3] = {lanes.load(sum_row), lanes.load(sum_row + stride), lanes.load(sum_row + 2 * stride)};
    V centre = splat(0.0f);
#pragma GCC unroll 10
    for (int k = 0; k < kOutputs; ++k) {
      const bool exists = (kStride == 2 || k > 0 || w > 0) && (k < kOutputs - 1 || first_output + k < out_w);
      const V g = lanes.load(exists ? g_row + k * channels : kZeros);
#pragma GCC unroll 3
      for (int s = 0; s < 3; ++s) {
        // Output first_output + k meets with its tap s the input w + j.
        const int j = kStride == 1 ? k + s - 2 : 2 * k + s - 1;
        if (j >= 0 && j < kWidth) {
          grad[j] = hn::MulAdd(g, weight[s], grad[j]);
          sum[s] = hn::MulAdd(g, value[j], sum[s]);
          if (s == 1) centre = hn::Add(centre, g);
        }
      }
    }
#pragma GCC unroll 3
    for (int s = 0; s < 3; ++s) lanes.store(sum[s], sum_row + s * stride);
    if (r == 1) add_to(lanes, row.partial + 9 * stride + c, centre);
  }
  if (!grad_x) return;
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) {
    store(lanes, act.pass(lanes.load(x + j * channels), grad[j]), grad_x + j * channels, job.a.accumulate_x);
  }
}

/// Tiles of kWidth from column w as far as they go, then narrower ones; returns the first column that is left.
template <int kStride, int kWidth, class T>
std::int64_t tiles(const Job<T>& job, const InputRow<T>& row, std::int64_t w) {
  for (; w + kWidth <= job.a.shape.width; w += kWidth) {
    for_vectors(job.a.shape.channels, [&](auto lanes, std::int64_t c) HWY_ATTR { tile_of_inputs<kStride, kWidth>(job, row, lanes, w, c); });
  }
  if constexpr (kWidth > kStride) return tiles<kStride, kWidth / 2>(job, row, w);
  return w;
}

/// kStride is 0 for filters that have no tiles.
template <int kStride, class T>
void input_row(const Job<T>& job, const InputRow<T>& row) {
  std::int64_t w = 0;
  if constexpr (kStride != 0) w = tiles<kStride, kTile>(job, row, w);
  for (; w < job.a.shape.width; ++w) {
    for_vectors(job.a.shape.channels, [&](auto lanes, std::int64_t c) HWY_ATTR { one_input(job, row, lanes, w, c); });
  }
}

/// Sum of all of a picture's grad_y, for filters whose taps do not give it.
template <class T>
HWY_INLINE void add_bias(const Job<T>& job, const T* grad_y, float* sum) {
  const std::int64_t positions = job.vertical.outputs * job.horizontal.outputs, channels = job.a.shape.channels;
  for (std::int64_t i = 0; i < positions; ++i) {
    for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR { add_to(lanes, sum + c, lanes.load(grad_y + i * channels + c)); });
  }
}

/// Adds the pieces' sums in order, for one tap or the bias.
template <class T>
HWY_INLINE void reduce(const Job<T>& job, const float* partials, std::int64_t pieces, std::int64_t tap, float* result) {
  if (!result) return;
  for_vectors(job.a.shape.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
    const float* p = partials + tap * job.row_floats() + c;
    V sum = splat(0.0f);
    for (std::int64_t piece = 0; piece < pieces; ++piece, p += job.partial_floats()) sum = hn::Add(sum, lanes.load(p));
    store(lanes, sum, result + c, job.a.accumulate_weight);
  });
}

}  // namespace

template <class T>
void depthwise_conv_backward_vector(const DepthwiseConvBackward<T>& a) {
  const DepthwiseConvShape& s = a.shape;
  const bool tiles = s.kernel_h == 3 && s.kernel_w == 3 && s.padding == 1 && s.stride <= 2;
  const Job<T> job{
      a, {s.height, s.out_height(), s.kernel_h, s.stride, s.padding}, {s.width, s.out_width(), s.kernel_w, s.stride, s.padding}, tiles};
  const auto row_function = !tiles ? input_row<0, T> : s.stride == 1 ? input_row<1, T> : input_row<2, T>;
  constexpr std::int64_t kStripFloats = 65536, kLeastRows = 16;
  const std::int64_t strip = std::max(kLeastRows, kStripFloats / (s.width * s.channels));
  const std::int64_t strips = pieces_of(s.height, strip), pieces = s.batch * strips;
  float* const partials = scratch(Scratch::kPartials, pieces * job.partial_floats());
  parallel_for(pieces, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / strips, begin = piece % strips * strip, end = std::min(s.height, begin + strip);
    float* const partial = partials + piece * job.partial_floats();
    std::fill(partial, partial + job.partial_floats(), 0.0f);
    const T* const grad_y = a.grad_y + n * job.vertical.outputs * job.horizontal.outputs * s.channels;
    for (std::int64_t h = begin; h < end; ++h) {
      const std::int64_t row = (n * s.height + h) * s.width * s.channels;
      row_function(job, {a.x + row, a.grad_x ? a.grad_x + row : nullptr, grad_y, h, job.vertical.outputs_over(h), partial});
    }
    if (!job.bias_at_centre && a.grad_bias && begin == 0) add_bias(job, grad_y, partial + job.taps() * job.row_floats());
  });
  parallel_for(job.taps() + 1, [&](std::int64_t tap) HWY_ATTR {
    float* const weight = a.grad_weight ? a.grad_weight + tap * s.channels : nullptr;
    reduce(job, partials, pieces, tap, tap == job.taps() ? a.grad_bias : weight);
  });
}

SEPIA_EXPORT_TYPES(depthwise_conv_backward, DepthwiseConvBackward)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(depthwise_conv_backward, DepthwiseConvBackward)

}  // namespace sepia::kernels::cpu
#endif
