// Depthwise convolution, forward (kernels/depthwise_conv.h); backward is in depthwise_conv_backward.cpp.
//
// Vectors run over channels. A 3x3 filter takes tiles of several outputs of a row: each input vector of the tile is loaded once
// per filter row, goes through the prologue and is multiplied into the up to three outputs that it belongs to, all in registers.
// Outputs at the left and right border, and other filters, go one by one over the taps that lie inside: padding is never loaded.
// Tiles of all channels follow each other along the row, so that memory is read and written nearly in order.
//
// Cost: reads x once from memory (rows shared by neighbouring output rows come from cache), writes y; 2 R S FLOPs an output;
// bound by memory. Every output is computed alone, so results depend neither on threads nor on the cut.
#include "kernels/depthwise_conv.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/depthwise_conv.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"
#include "kernels/cpu/windows.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace {

/// Outputs of a tile: as many as registers hold beside three weights and an input.
constexpr int kTile = HWY_TARGET == HWY_AVX3 ? 8 : 4;

/// Where one output's window lies: `x` at its tap (0, 0), which may be outside; the taps rows x columns are inside.
struct Window {
  const float* x;
  std::int64_t row_step, channels;  ///< floats from row to row, from column to column
  Range rows, columns;
};

/// One output with any filter of width `kernel_w`. weight points at the channel's tap (0, 0).
template <class Lanes>
HWY_INLINE void convolve_one(Lanes lanes, const Act& act, const Window& at, const float* weight, std::int64_t kernel_w, V sum, float* y) {
  for (std::int64_t r = at.rows.begin; r < at.rows.end; ++r) {
    for (std::int64_t s = at.columns.begin; s < at.columns.end; ++s) {
      const V x = act.value(lanes.load(at.x + r * at.row_step + s * at.channels));
      sum = hn::MulAdd(x, lanes.load(weight + (r * kernel_w + s) * at.channels), sum);
    }
  }
  lanes.store(sum, y);
}

/// kTile neighbouring outputs of a row with a 3x3 filter, all columns inside; `at` is the first one's window.
template <int kStride, class Lanes>
HWY_INLINE void convolve_tile(Lanes lanes, const Act& act, const Window& at, const float* weight, V bias, float* y) {
  constexpr int kColumns = (kTile - 1) * kStride + 3;
  V sum[kTile];
#pragma GCC unroll 8
  for (int j = 0; j < kTile; ++j) sum[j] = bias;
  for (std::int64_t r = at.rows.begin; r < at.rows.end; ++r) {
    const float* const x = at.x + r * at.row_step;
    const float* const w = weight + 3 * r * at.channels;
    const V weights[3] = {lanes.load(w), lanes.load(w + at.channels), lanes.load(w + 2 * at.channels)};
#pragma GCC unroll 17
    for (int column = 0; column < kColumns; ++column) {
      const V value = act.value(lanes.load(x + column * at.channels));
#pragma GCC unroll 3
      for (int s = 0; s < 3; ++s) {
        const int j = (column - s) / kStride;
        if (column >= s && (column - s) % kStride == 0 && j < kTile) sum[j] = hn::MulAdd(value, weights[s], sum[j]);
      }
    }
  }
#pragma GCC unroll 8
  for (int j = 0; j < kTile; ++j) lanes.store(sum[j], y + j * at.channels);
}

/// Output row p of picture n. kStride is 0 for filters and strides that have no tiles.
template <int kStride>
void convolve_row(const DepthwiseConvForward<float>& a, const WindowAxis& vertical, const WindowAxis& horizontal, std::int64_t n,
                  std::int64_t p) {
  const DepthwiseConvShape& s = a.shape;
  const std::int64_t channels = s.channels, row_step = s.width * channels, out_w = horizontal.outputs;
  const float* const x_row = a.x + (n * s.height + p * s.stride - s.padding) * row_step - s.padding * channels;
  float* const y_row = a.y + (n * vertical.outputs + p) * out_w * channels;
  Window window{x_row, row_step, channels, vertical.taps(p), {0, s.kernel_w}};
  const auto bias = [&](auto lanes, std::int64_t c) HWY_ATTR { return a.bias ? lanes.load(a.bias + c) : splat(0.0f); };
  const auto one = [&](std::int64_t q) HWY_ATTR {
    window.columns = horizontal.taps(q);
    for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
      window.x = x_row + q * s.stride * channels + c;
      const Act act = load_act(a.prologue, lanes, c);
      convolve_one(lanes, act, window, a.weight + c, s.kernel_w, bias(lanes, c), y_row + q * channels + c);
    });
  };
  std::int64_t q = 0;
  if constexpr (kStride != 0) {
    const Range whole = horizontal.whole();
    if (whole.end - whole.begin >= kTile) {
      for (; q < whole.begin; ++q) one(q);
      while (q < whole.end) {
        q = std::min(q, whole.end - kTile);  // the last tile overlaps the one before: it computes the same numbers again
        for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
          window.x = x_row + q * kStride * channels + c;
          const Act act = load_act(a.prologue, lanes, c);
          convolve_tile<kStride>(lanes, act, window, a.weight + c, bias(lanes, c), y_row + q * channels + c);
        });
        q += kTile;
      }
    }
  }
  for (; q < out_w; ++q) one(q);
}

}  // namespace

void depthwise_conv_forward_vector(const DepthwiseConvForward<float>& a) {
  const DepthwiseConvShape& s = a.shape;
  const WindowAxis vertical{s.height, s.out_height(), s.kernel_h, s.stride, s.padding};
  const WindowAxis horizontal{s.width, s.out_width(), s.kernel_w, s.stride, s.padding};
  const bool three_by_three = s.kernel_h == 3 && s.kernel_w == 3;
  const auto row_function = three_by_three && s.stride == 1   ? convolve_row<1>
                            : three_by_three && s.stride == 2 ? convolve_row<2>
                                                              : convolve_row<0>;
  // A piece is a strip of rows of one picture: neighbouring strips both read the rows at their border, so strips are not thin.
  constexpr std::int64_t kStripFloats = 65536, kLeastRows = 8;
  const std::int64_t strip = std::max(kLeastRows, kStripFloats / (s.stride * s.width * s.channels));
  const std::int64_t strips = pieces_of(vertical.outputs, strip);
  parallel_for(s.batch * strips, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / strips, begin = piece % strips * strip, end = std::min(vertical.outputs, begin + strip);
    for (std::int64_t p = begin; p < end; ++p) row_function(a, vertical, horizontal, n, p);
  });
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(depthwise_conv_forward, DepthwiseConvForward)

}  // namespace sepia::kernels::cpu
#endif
