// Depthwise convolution, backward (kernels/depthwise_conv.h): grad_x, grad_weight and grad_bias in one pass.
//
// The pass walks over the *inputs*. Input (h, w) meets the same grad_y[p, q] for its own gradient and for the filter's:
//     grad_x[h, w] += grad_y[p, q] * weight[r, s]        grad_weight[r, s] += grad_y[p, q] * act(x)[h, w]
// with p * stride + r - padding = h and q * stride + s - padding = w. For 3x3 filters with padding 1 a tile of neighbouring inputs
// and their gradients stay in registers while the filter rows that reach them go by; stride 2 is unrolled by the parity of w, and
// the parity of h picks the filter rows, so nothing is tested inside. grad_bias is the sum at tap (1, 1), which meets every output
// once. Other filters go input by input. Where a batch norm wants the sums of grad_x and of grad_x (x - mean) over all inputs
// (DepthwiseConvBackwardSums), they are added up while both are in registers.
//
// Cost: reads x and grad_y once from memory, writes (or adds to) grad_x; 4 R S FLOPs an output; bound by memory. Pieces of work
// are strips of input rows of one picture, cut by shape alone; each owns its rows of grad_x and leaves its filter gradients in a
// place of its own; these are added in the order of the pieces, so results do not depend on the number of threads.
#include "kernels/depthwise_conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_conv_backward.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/depthwise_rows.h"
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
  explicit Job(const DepthwiseConvBackwardSums<T>& sums)
      : a(sums.convolution),
        vertical{a.shape.height, a.shape.out_height(), a.shape.kernel_h, a.shape.stride, a.shape.padding},
        horizontal{a.shape.width, a.shape.out_width(), a.shape.kernel_w, a.shape.stride, a.shape.padding},
        bias_at_centre(depthwise_backward_in_rows(a.shape)),
        mean(sums.mean) {}

  const DepthwiseConvBackward<T>& a;
  WindowAxis vertical, horizontal;
  bool bias_at_centre;  ///< 3x3, padding 1, stride 1 or 2: such filters have tiles, and tap (1, 1) meets every output once
  const float* mean;    ///< null: no sums of grad_x are wanted

  std::int64_t taps() const { return a.shape.kernel_h * a.shape.kernel_w; }
  /// Floats of a piece's sums: one row of channels per tap, one for the bias and the two of grad_x, in whole cache lines.
  std::int64_t row_floats() const { return pieces_of(a.shape.channels, 16) * 16; }
  std::int64_t partial_rows() const { return taps() + (mean ? 3 : 1); }
  std::int64_t partial_floats() const { return partial_rows() * row_floats(); }
};

/// One input row: the outputs whose windows cover it, and where a piece keeps its gradients.
template <class T>
struct InputRow {
  const T* x;
  T* grad_x;        ///< may be null
  OutputGradient<T> grad_y;  ///< of the picture
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

/// Stores the gradients of kWidth neighbouring inputs, and adds them to the piece's sums where these are wanted.
template <int kWidth, class T, class Lanes>
HWY_INLINE void store_gradients(const Job<T>& job, const InputRow<T>& row, Lanes lanes, const Act& act, std::int64_t w, std::int64_t c, const V* grad) {
  const std::int64_t channels = job.a.shape.channels, first = w * channels + c;
  if (!job.mean) {
#pragma GCC unroll 8
    for (int j = 0; j < kWidth; ++j) {
      const std::int64_t i = first + j * channels;
      store(lanes, act.pass(lanes.load(row.x + i), grad[j]), row.grad_x + i, job.a.accumulate_x);
    }
    return;
  }
  const bool adds = job.a.accumulate_x == Accumulate::kAdd;
  const V mean = lanes.load(job.mean + c);
  V sum_g = splat(0.0f), sum_gx = splat(0.0f);
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) {
    const std::int64_t i = first + j * channels;
    const V x = lanes.load(row.x + i), passed = act.pass(x, grad[j]);
    const V g = as_stored<T>(adds ? hn::Add(lanes.load(row.grad_x + i), passed) : passed);
    lanes.store(g, row.grad_x + i);
    sum_g = hn::Add(sum_g, g);
    sum_gx = hn::MulAdd(g, hn::Sub(x, mean), sum_gx);
  }
  float* const sums = row.partial + (job.taps() + 1) * job.row_floats() + c;
  add_to(lanes, sums, sum_g);
  add_to(lanes, sums + job.row_floats(), sum_gx);
}

/// The input at column w of the row, any filter.
template <class T, class Lanes>
HWY_INLINE void one_input(const Job<T>& job, const InputRow<T>& row, Lanes lanes, std::int64_t w, std::int64_t c) {
  const DepthwiseConvShape& s = job.a.shape;
  const std::int64_t channels = s.channels, stride = job.row_floats();
  const Range columns = job.horizontal.outputs_over(w);
  const Act act = load_act(job.a.prologue, lanes, c);
  const V value = act.value(lanes.load(row.x + w * channels + c));
  V grad = splat(0.0f);
  for (std::int64_t p = row.outputs.begin; p < row.outputs.end; ++p) {
    for (std::int64_t q = columns.begin; q < columns.end; ++q) {
      const std::int64_t tap = (row.h + s.padding - p * s.stride) * s.kernel_w + w + s.padding - q * s.stride;
      const V g = lanes.load(row.grad_y.rows + ((p - row.grad_y.first) * job.horizontal.outputs + q) * channels + c);
      grad = hn::MulAdd(g, lanes.load(job.a.weight + tap * channels + c), grad);
      float* const weight_sum = row.partial + tap * stride + c;
      lanes.store(hn::MulAdd(g, value, lanes.load(weight_sum)), weight_sum);
      if (job.bias_at_centre && tap == 4) add_to(lanes, row.partial + 9 * stride + c, g);
    }
  }
  if (row.grad_x) store_gradients<1>(job, row, lanes, act, w, c, &grad);
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
  const T* const grad_y = row.grad_y.rows + (first_output - row.grad_y.first * out_w) * channels + c;
  prefetch_tile<kWidth / kStride>(grad_y + (row.outputs.end - 1) * out_w * channels, channels);
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
    const T* const g_row = grad_y + p * out_w * channels;
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
  if (grad_x) store_gradients<kWidth>(job, row, lanes, act, w, c, grad);
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

/// Adds row `index` of the pieces' sums in order, times factor[c] where there is one.
template <class T>
HWY_INLINE void reduce(const Job<T>& job, const float* partials, std::int64_t pieces, std::int64_t index, float* result, Accumulate accumulate,
                       const float* factor = nullptr) {
  if (!result) return;
  for_vectors(job.a.shape.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
    const float* p = partials + index * job.row_floats() + c;
    V sum = splat(0.0f);
    for (std::int64_t piece = 0; piece < pieces; ++piece, p += job.partial_floats()) sum = hn::Add(sum, lanes.load(p));
    store(lanes, factor ? hn::Mul(sum, lanes.load(factor + c)) : sum, result + c, accumulate);
  });
}

template <class T>
void rows_of_picture(const Job<T>& job, std::int64_t n, std::int64_t begin, std::int64_t end, const OutputGradient<T>& grad_y, float* sums) {
  const DepthwiseConvShape& s = job.a.shape;
  const auto row_function = !job.bias_at_centre ? input_row<0, T> : s.stride == 1 ? input_row<1, T> : input_row<2, T>;
  for (std::int64_t h = begin; h < end; ++h) {
    const std::int64_t row = (n * s.height + h) * s.width * s.channels;
    row_function(job, {job.a.x + row, job.a.grad_x ? job.a.grad_x + row : nullptr, grad_y, h, job.vertical.outputs_over(h), sums});
  }
}

template <class T>
void combine(const DepthwiseConvBackwardSums<T>& args, const float* sums, std::int64_t pieces) {
  const Job<T> job(args);
  const DepthwiseConvBackward<T>& a = args.convolution;
  parallel_for(job.partial_rows(), [&](std::int64_t index) HWY_ATTR {
    const std::int64_t taps = job.taps();
    if (index < taps) reduce(job, sums, pieces, index, a.grad_weight ? a.grad_weight + index * a.shape.channels : nullptr, a.accumulate_weight);
    else if (index == taps) reduce(job, sums, pieces, index, a.grad_bias, a.accumulate_weight);
    else if (index == taps + 1) reduce(job, sums, pieces, index, args.sum_g, Accumulate::kWrite);
    else reduce(job, sums, pieces, index, args.sum_g_xhat, Accumulate::kWrite, args.inv_std);
  });
}

}  // namespace

template <class T>
void depthwise_conv_backward_sums_vector(const DepthwiseConvBackwardSums<T>& args) {
  const Job<T> job(args);
  const DepthwiseConvShape& s = job.a.shape;
  constexpr std::int64_t kStripFloats = 65536, kLeastRows = 16;
  const std::int64_t strip = std::max(kLeastRows, kStripFloats / (s.width * s.channels));
  const std::int64_t strips = pieces_of(s.height, strip), pieces = s.batch * strips;
  float* const partials = scratch(Scratch::kPartials, pieces * job.partial_floats());
  parallel_for(pieces, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / strips, begin = piece % strips * strip, end = std::min(s.height, begin + strip);
    float* const partial = partials + piece * job.partial_floats();
    std::fill(partial, partial + job.partial_floats(), 0.0f);
    const T* const grad_y = job.a.grad_y + n * job.vertical.outputs * job.horizontal.outputs * s.channels;
    rows_of_picture(job, n, begin, end, {grad_y, 0}, partial);
    if (!job.bias_at_centre && job.a.grad_bias && begin == 0) add_bias(job, grad_y, partial + job.taps() * job.row_floats());
  });
  combine(args, partials, pieces);
}
template <class T>
void depthwise_conv_backward_vector(const DepthwiseConvBackward<T>& a) {
  depthwise_conv_backward_sums_vector(DepthwiseConvBackwardSums<T>{a, nullptr, nullptr, nullptr, nullptr});
}

SEPIA_EXPORT_TYPES(depthwise_conv_backward, DepthwiseConvBackward)
SEPIA_EXPORT_TYPES(depthwise_conv_backward_sums, DepthwiseConvBackwardSums)

// What is dispatched is no template: F for float, H for bf16.
void BackwardRowsF(const DepthwiseConvBackwardSums<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end, const OutputGradient<float>& grad_y,
                   float* sums) {
  rows_of_picture(Job<float>(args), n, begin, end, grad_y, sums);
}
void BackwardRowsH(const DepthwiseConvBackwardSums<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end, const OutputGradient<bf16>& grad_y,
                   float* sums) {
  rows_of_picture(Job<bf16>(args), n, begin, end, grad_y, sums);
}
void CombineF(const DepthwiseConvBackwardSums<float>& args, const float* sums, std::int64_t pieces) { combine(args, sums, pieces); }
void CombineH(const DepthwiseConvBackwardSums<bf16>& args, const float* sums, std::int64_t pieces) { combine(args, sums, pieces); }
std::int64_t SumFloatsF(const DepthwiseConvBackwardSums<float>& args) { return Job<float>(args).partial_floats(); }
std::int64_t SumFloatsH(const DepthwiseConvBackwardSums<bf16>& args) { return Job<bf16>(args).partial_floats(); }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(depthwise_conv_backward, DepthwiseConvBackward)
SEPIA_DISPATCH(depthwise_conv_backward_sums, DepthwiseConvBackwardSums)

HWY_EXPORT(BackwardRowsF);
HWY_EXPORT(BackwardRowsH);
HWY_EXPORT(CombineF);
HWY_EXPORT(CombineH);
HWY_EXPORT(SumFloatsF);
HWY_EXPORT(SumFloatsH);

void depthwise_conv_backward_rows(const DepthwiseConvBackwardSums<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                                  const OutputGradient<float>& grad_y, float* sums) {
  HWY_DYNAMIC_DISPATCH(BackwardRowsF)(args, n, begin, end, grad_y, sums);
}
void depthwise_conv_backward_rows(const DepthwiseConvBackwardSums<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                                  const OutputGradient<bf16>& grad_y, float* sums) {
  HWY_DYNAMIC_DISPATCH(BackwardRowsH)(args, n, begin, end, grad_y, sums);
}
void depthwise_backward_combine(const DepthwiseConvBackwardSums<float>& args, const float* sums, std::int64_t pieces) {
  HWY_DYNAMIC_DISPATCH(CombineF)(args, sums, pieces);
}
void depthwise_backward_combine(const DepthwiseConvBackwardSums<bf16>& args, const float* sums, std::int64_t pieces) {
  HWY_DYNAMIC_DISPATCH(CombineH)(args, sums, pieces);
}
std::int64_t depthwise_backward_floats(const DepthwiseConvBackwardSums<float>& args) { return HWY_DYNAMIC_DISPATCH(SumFloatsF)(args); }
std::int64_t depthwise_backward_floats(const DepthwiseConvBackwardSums<bf16>& args) { return HWY_DYNAMIC_DISPATCH(SumFloatsH)(args); }

}  // namespace sepia::kernels::cpu
#endif
