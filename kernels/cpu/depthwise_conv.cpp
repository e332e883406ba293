// Depthwise convolution, forward (kernels/depthwise_conv.h); backward is in depthwise_conv_backward.cpp.
//
// Vectors run over channels. A 3x3 filter takes tiles of several outputs of a row: each input vector of the tile is loaded once
// per filter row, goes through the prologue and is multiplied into the up to three outputs that it belongs to, all in registers.
// Padding is never loaded. Tiles of all channels follow each other along the row, so that memory is read and written nearly in
// order, with what the tile after next wants asked for ahead. Other filters go output by output over the taps that lie inside.
//
// Cost: reads x once from memory (rows shared by neighbouring output rows come from cache), writes y; 2 R S FLOPs an output;
// bound by memory. Every output is computed alone, so results depend neither on threads nor on the cut.
#include "kernels/depthwise_conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_conv.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/depthwise_rows.h"
#include "kernels/cpu/vector-inl.h"
#include "kernels/cpu/windows.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace {

/// Outputs of a tile (a power of two): as many as registers hold beside three weights and an input.
constexpr int kTile = HWY_TARGET == HWY_AVX3 ? 8 : 4;

/// Where one output's window lies: `x` at its tap (0, 0), which may be outside; the taps rows x columns are inside.
template <class T>
struct Window {
  const T* x;
  std::int64_t row_step, channels;  ///< elements from row to row, from column to column
  Range rows, columns;
};

/// One output with any filter of width `kernel_w`. weight points at the channel's tap (0, 0).
template <class T, class Lanes>
HWY_INLINE void convolve_one(Lanes lanes, const Act& act, const Window<T>& at, const T* weight, std::int64_t kernel_w, V sum, T* y) {
  for (std::int64_t r = at.rows.begin; r < at.rows.end; ++r) {
    for (std::int64_t s = at.columns.begin; s < at.columns.end; ++s) {
      const V x = act.value(lanes.load(at.x + r * at.row_step + s * at.channels));
      sum = hn::MulAdd(x, lanes.load(weight + (r * kernel_w + s) * at.channels), sum);
    }
  }
  lanes.store(sum, y);
}

/// Asks for what the tile after next will want of the rows that no earlier output row has read, and of y where it is as large as x.
/// The order in which a tile touches memory, channels outside and columns inside, is one that the processor does not foresee
/// (measured: less than half the time at stride 1 and 128 channels).
template <int kStride, int kWidth, class T>
HWY_INLINE void prefetch_tile(const Window<T>& at, const T* y) {
#pragma GCC unroll 2
  for (int row = 1; row <= kStride; ++row) {
    const T* const x = at.x + (at.rows.end - row) * at.row_step;
#pragma GCC unroll 16
    for (int column = 0; column < kWidth * kStride; ++column) hwy::Prefetch(x + (2 * kTile * kStride + column) * at.channels);
  }
  if constexpr (kStride == 1) {
#pragma GCC unroll 8
    for (int j = 0; j < kWidth; ++j) hwy::Prefetch(y + (2 * kTile + j) * at.channels);
  }
}

/// kWidth neighbouring outputs of a row, 3x3 filter, padding at most 1: `at` is the first one's window; only its first column may
/// lie outside (no_first), and the last column of the last window (no_last).
template <int kStride, int kWidth, class T, class Lanes>
HWY_INLINE void convolve_tile(Lanes lanes, const Act& act, const Window<T>& at, bool no_first, bool no_last, const T* weight, V bias,
                              T* y) {
  constexpr int kColumns = (kWidth - 1) * kStride + 3;
  prefetch_tile<kStride, kWidth>(at, y);
  V sum[kWidth];
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) sum[j] = bias;
  for (std::int64_t r = at.rows.begin; r < at.rows.end; ++r) {
    const T* const x = at.x + r * at.row_step;
    const T* const w = weight + 3 * r * at.channels;
    const V weights[3] = {lanes.load(w), lanes.load(w + at.channels), lanes.load(w + 2 * at.channels)};
#pragma GCC unroll 17
    for (int column = 0; column < kColumns; ++column) {
      const bool outside = (column == 0 && no_first) || (column == kColumns - 1 && no_last);
      const V value = outside ? splat(0.0f) : act.value(lanes.load(x + column * at.channels));
#pragma GCC unroll 3
      for (int s = 0; s < 3; ++s) {
        const int j = (column - s) / kStride;
        if (column >= s && (column - s) % kStride == 0 && j < kWidth) sum[j] = hn::MulAdd(value, weights[s], sum[j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kWidth; ++j) lanes.store(sum[j], y + j * at.channels);
}

/// One output row.
template <class T>
struct OutputRow {
  const DepthwiseConvForward<T>& a;
  const WindowAxis& horizontal;
  const T* x;  ///< at tap (0, 0) of the first window, which may be outside
  T* y;
  Range rows;  ///< of taps inside

  std::int64_t channels() const { return a.shape.channels; }
  Window<T> window(std::int64_t q, std::int64_t c) const {
    return {x + q * a.shape.stride * channels() + c, a.shape.width * channels(), channels(), rows, horizontal.taps(q)};
  }
  template <class Lanes>
  HWY_INLINE V bias(Lanes lanes, std::int64_t c) const {
    return a.bias ? lanes.load(a.bias + c) : splat(0.0f);
  }
};

/// The row in tiles of kWidth, or narrower ones if it is narrower. The last tile overlaps the one before where they do not fit: it
/// computes the same numbers again.
template <int kStride, int kWidth, class T>
void row_in_tiles(const OutputRow<T>& row) {
  const std::int64_t out_w = row.horizontal.outputs;
  if constexpr (kWidth > 1) {
    if (out_w < kWidth) return row_in_tiles<kStride, kWidth / 2>(row);
  }
  for (std::int64_t q = 0; q < out_w; q += kWidth) {
    q = std::min(q, out_w - kWidth);
    const bool no_first = row.horizontal.taps(q).begin > 0, no_last = row.horizontal.taps(q + kWidth - 1).end < 3;
    for_vectors(row.channels(), [&](auto lanes, std::int64_t c) HWY_ATTR {
      const Act act = load_act(row.a.prologue, lanes, c);
      convolve_tile<kStride, kWidth>(lanes, act, row.window(q, c), no_first, no_last, row.a.weight + c, row.bias(lanes, c),
                                     row.y + q * row.channels() + c);
    });
  }
}

/// The row one by one, any filter.
template <class T>
void row_of_any_filter(const OutputRow<T>& row) {
  for (std::int64_t q = 0; q < row.horizontal.outputs; ++q) {
    for_vectors(row.channels(), [&](auto lanes, std::int64_t c) HWY_ATTR {
      const Act act = load_act(row.a.prologue, lanes, c);
      convolve_one(lanes, act, row.window(q, c), row.a.weight + c, row.a.shape.kernel_w, row.bias(lanes, c),
                   row.y + q * row.channels() + c);
    });
  }
}

template <class T>
void rows_of_picture(const DepthwiseConvForward<T>& a, std::int64_t n, std::int64_t begin, std::int64_t end, T* out) {
  const DepthwiseConvShape& s = a.shape;
  const WindowAxis vertical{s.height, s.out_height(), s.kernel_h, s.stride, s.padding};
  const WindowAxis horizontal{s.width, s.out_width(), s.kernel_w, s.stride, s.padding};
  const bool tiles = s.kernel_h == 3 && s.kernel_w == 3 && s.padding <= 1 && s.stride <= 2;
  const auto row_function = !tiles ? row_of_any_filter<T> : s.stride == 1 ? row_in_tiles<1, kTile, T> : row_in_tiles<2, kTile, T>;
  for (std::int64_t p = begin; p < end; ++p, out += horizontal.outputs * s.channels) {
    const T* const x = a.x + ((n * s.height + p * s.stride - s.padding) * s.width - s.padding) * s.channels;
    row_function({a, horizontal, x, out, vertical.taps(p)});
  }
}

}  // namespace

template <class T>
void depthwise_conv_forward_vector(const DepthwiseConvForward<T>& a) {
  const DepthwiseConvShape& s = a.shape;
  // A piece is a strip of rows of one picture: neighbouring strips both read the rows at their border, so strips are not thin.
  constexpr std::int64_t kStripFloats = 65536, kLeastRows = 8;
  const std::int64_t strip = std::max(kLeastRows, kStripFloats / (s.stride * s.width * s.channels));
  const std::int64_t strips = pieces_of(s.out_height(), strip);
  parallel_for(s.batch * strips, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / strips, begin = piece % strips * strip, end = std::min(s.out_height(), begin + strip);
    rows_of_picture(a, n, begin, end, a.y + (n * s.out_height() + begin) * s.out_width() * s.channels);
  });
}

SEPIA_EXPORT_TYPES(depthwise_conv_forward, DepthwiseConvForward)

void DepthwiseRowsF(const DepthwiseConvForward<float>& a, std::int64_t n, std::int64_t begin, std::int64_t end, float* out) {
  rows_of_picture(a, n, begin, end, out);
}
void DepthwiseRowsH(const DepthwiseConvForward<bf16>& a, std::int64_t n, std::int64_t begin, std::int64_t end, bf16* out) {
  rows_of_picture(a, n, begin, end, out);
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(depthwise_conv_forward, DepthwiseConvForward)

HWY_EXPORT(DepthwiseRowsF);
HWY_EXPORT(DepthwiseRowsH);

void depthwise_conv_rows(const DepthwiseConvForward<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end, float* out) {
  HWY_DYNAMIC_DISPATCH(DepthwiseRowsF)(args, n, begin, end, out);
}
void depthwise_conv_rows(const DepthwiseConvForward<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end, bf16* out) {
  HWY_DYNAMIC_DISPATCH(DepthwiseRowsH)(args, n, begin, end, out);
}

}  // namespace sepia::kernels::cpu
#endif
