// Max pooling and global average pooling (kernels/pooling.h), vectorised over channels, one piece of work per strip of rows.
//
// Cost: bound by memory. Forward reads x once (overlapping windows find it in cache) and writes y and one byte of index per
// output; backward reads grad_y, index and, behind a ReLU, y, and writes grad_x once. No atomics: every element of grad_x is
// gathered, or written by the one window that it belongs to.
#include "kernels/pooling.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pooling.cpp"
#include <hwy/foreach_target.h>

#include "kernels/cpu/vector-inl.h"
#include "kernels/cpu/windows.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace {

HWY_INLINE WindowAxis axis(const MaxPoolShape& s, std::int64_t size, std::int64_t outputs) {
  return {size, outputs, s.kernel, s.stride, s.padding};
}

/// Asks for `count` elements that lie 8 KiB ahead of p. Rows of windows touch several streams of memory at once in small steps, which
/// the processor does not foresee well (measured: half to a third of the time of layers that do not fit in cache).
template <class T>
HWY_INLINE void prefetch_ahead(const T* p, std::int64_t count) {
  constexpr std::int64_t kAhead = 8192 / sizeof(T), kCacheLine = 64 / sizeof(T);
  for (std::int64_t i = 0; i < count; i += kCacheLine) hwy::Prefetch(p + kAhead + i);
}

/// One window on one vector of channels. `x` points at tap (0, 0), which may lie outside; the taps in `rows` x `columns` do not.
template <class T, class Lanes>
HWY_INLINE Contest pool_window(Lanes lanes, const Act& act, const T* x, std::int64_t row_step, std::int64_t channels,
                               std::int64_t kernel, Range rows, Range columns) {
  const auto first = static_cast<std::int32_t>(rows.begin * kernel + columns.begin);
  Contest contest{splat(-std::numeric_limits<float>::infinity()), hn::Set(Ints(), first)};
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t s = columns.begin; s < columns.end; ++s) {
      contest.offer(act.value(lanes.load(x + r * row_step + s * channels)), r * kernel + s);
    }
  }
  return contest;
}

/// The same for a window of kKernel x kKernel that lies inside: no loops left.
template <int kKernel, class T, class Lanes>
HWY_INLINE Contest pool_whole_window(Lanes lanes, const Act& act, const T* x, std::int64_t row_step, std::int64_t channels) {
  Contest contest{act.value(lanes.load(x)), hn::Zero(Ints())};
#pragma GCC unroll 9
  for (int tap = 1; tap < kKernel * kKernel; ++tap) {
    contest.offer(act.value(lanes.load(x + tap / kKernel * row_step + tap % kKernel * channels)), tap);
  }
  return contest;
}

template <class T>
struct PoolRow {
  const T* x;  ///< at tap (0, 0) of the first window, which may be outside
  T* y;
  std::uint8_t* index;
  Prologue<T> prologue;
  std::int64_t row_step, channels;
  Range rows;  ///< of taps inside
  WindowAxis horizontal;
};

/// One output row; kKernel is 0 for kernels that have no unrolled version. Who wins is only followed where kIndex says that it is wanted.
template <int kKernel, bool kIndex, class T>
void pool_row(PoolRow<T> row) {
  const Range whole = row.rows.begin == 0 && row.rows.end == kKernel ? row.horizontal.whole() : Range{0, 0};
  const std::int64_t kernel = row.horizontal.kernel, step = row.horizontal.stride * row.channels;
  for (std::int64_t q = 0; q < row.horizontal.outputs; ++q, row.x += step, row.y += row.channels) {
    const bool unrolled = q >= whole.begin && q < whole.end;
    const Range columns = unrolled ? Range{0, kernel} : row.horizontal.taps(q);
    for (std::int64_t r = 0; r < std::min(kernel, row.horizontal.stride); ++r) prefetch_ahead(row.x + r * row.row_step, step);
    prefetch_ahead(row.y, row.channels);
    for_vectors(row.channels, [=](auto lanes, std::int64_t c) HWY_ATTR {
      const Act act = load_act(row.prologue, lanes, c);
      Contest contest;
      if constexpr (kKernel != 0) {
        if (unrolled) contest = pool_whole_window<kKernel>(lanes, act, row.x + c, row.row_step, row.channels);
      }
      if (!unrolled) contest = pool_window(lanes, act, row.x + c, row.row_step, row.channels, kernel, row.rows, columns);
      lanes.store(contest.best, row.y + c);
      if constexpr (kIndex) lanes.store_bytes(contest.winner, row.index + q * row.channels + c);
    });
  }
}

template <bool kIndex, class T>
auto pool_row_of(std::int64_t kernel) {
  return kernel == 2 ? pool_row<2, kIndex, T> : kernel == 3 ? pool_row<3, kIndex, T> : pool_row<0, kIndex, T>;
}

/// Output rows in one piece of work: about kPieceFloats of input.
HWY_INLINE std::int64_t rows_per_piece(std::int64_t row_floats, std::int64_t rows) {
  return std::clamp<std::int64_t>(kPieceFloats / std::max<std::int64_t>(1, row_floats), 1, std::max<std::int64_t>(1, rows));
}

/// grad_y where the window's winner has this code and its ReLU was open.
template <class T, class Lanes>
HWY_INLINE V won(Lanes lanes, const MaxPoolBackward<T>& a, std::int64_t i, std::int64_t code) {
  const auto here = hn::Eq(lanes.load_bytes(a.index + i), hn::Set(Ints(), static_cast<std::int32_t>(code)));
  const V g = hn::IfThenElseZero(hn::RebindMask(Floats(), here), lanes.load(a.grad_y + i));
  return a.relu ? hn::IfThenZeroElse(hn::Le(lanes.load(a.y + i), splat(0.0f)), g) : g;
}

/// A row of 2x2 windows and the two input rows that they cover.
template <class T>
struct PairOfRows {
  const T *grad_y, *y;  ///< y is null without a ReLU
  const std::uint8_t* index;
  T *top, *bottom;
  std::int64_t outputs, channels;
};

template <Accumulate kAccumulate, class T>
void scatter_row_2x2(PairOfRows<T> row) {
  const std::int64_t channels = row.channels;
  for (std::int64_t q = 0; q < row.outputs; ++q) {
    prefetch_ahead(row.top + 2 * q * channels, 2 * channels);
    prefetch_ahead(row.bottom + 2 * q * channels, 2 * channels);
    prefetch_ahead(row.grad_y + q * channels, channels);
    if (row.y) prefetch_ahead(row.y + q * channels, channels);
    for_vectors(channels, [=](auto lanes, std::int64_t c) HWY_ATTR {
      const std::int64_t i = q * channels + c, left = 2 * q * channels + c, right = left + channels;
      const VInt winner = lanes.load_bytes(row.index + i);
      V g = lanes.load(row.grad_y + i);
      if (row.y) g = hn::IfThenZeroElse(hn::Le(lanes.load(row.y + i), splat(0.0f)), g);
      const auto put = [=](T* destination, std::int32_t tap) HWY_ATTR {
        const auto here = hn::RebindMask(Floats(), hn::Eq(winner, hn::Set(Ints(), tap)));
        store(lanes, hn::IfThenElseZero(here, g), destination, kAccumulate);
      };
      put(row.top + left, 0);
      put(row.top + right, 1);
      put(row.bottom + left, 2);
      put(row.bottom + right, 3);
    });
  }
}

/// Windows that do not overlap: each output row writes the two input rows that it covers; an odd row below and an odd column to
/// the right belong to no window.
template <class T>
void max_pool_backward_2x2(const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), channels = s.channels, row_step = s.width * channels;
  const std::int64_t row_pairs = (s.height + 1) / 2, covered = 2 * out_w * channels;
  const bool write = a.accumulate == Accumulate::kWrite;
  parallel_for(s.batch * row_pairs, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / row_pairs, p = piece % row_pairs, out = (n * out_h + p) * out_w * channels;
    T *const top = a.grad_x + (n * s.height + 2 * p) * row_step, *const bottom = top + row_step;
    if (p == out_h) {
      if (write) std::fill(top, bottom, T{});
      return;
    }
    const PairOfRows<T> rows{a.grad_y + out, a.relu ? a.y + out : nullptr, a.index + out, top, bottom, out_w, channels};
    write ? scatter_row_2x2<Accumulate::kWrite>(rows) : scatter_row_2x2<Accumulate::kAdd>(rows);
    if (write) {
      std::fill(top + covered, bottom, T{});
      std::fill(bottom + covered, bottom + row_step, T{});
    }
  });
}

/// Any windows: row h of the input gathers what it won.
template <class T>
void gather_row(const MaxPoolBackward<T> a, const WindowAxis vertical, const WindowAxis horizontal, std::int64_t n, std::int64_t h) {
  const std::int64_t channels = a.shape.channels;
  const Range rows = vertical.outputs_over(h);
  T* grad_x = a.grad_x + (n * vertical.size + h) * horizontal.size * channels;
  for (std::int64_t w = 0; w < horizontal.size; ++w, grad_x += channels) {
    const Range columns = horizontal.outputs_over(w);
    const std::int64_t newest = ((n * vertical.outputs + rows.end - 1) * horizontal.outputs + columns.begin) * channels;
    prefetch_ahead(grad_x, channels);
    prefetch_ahead(a.grad_y + newest, channels);
    if (a.relu) prefetch_ahead(a.y + newest, channels);
    for_vectors(channels, [=](auto lanes, std::int64_t c) HWY_ATTR {
      V sum = splat(0.0f);
      for (std::int64_t p = rows.begin; p < rows.end; ++p) {
        const std::int64_t first_tap = (h + vertical.padding - p * vertical.stride) * vertical.kernel + w + horizontal.padding;
        const std::int64_t out = (n * vertical.outputs + p) * horizontal.outputs;
        for (std::int64_t q = columns.begin; q < columns.end; ++q) {
          sum = hn::Add(sum, won(lanes, a, (out + q) * channels + c, first_tap - q * horizontal.stride));
        }
      }
      store(lanes, sum, grad_x + c, a.accumulate);
    });
  }
}

}  // namespace

template <class T>
void max_pool_forward_vector(const MaxPoolForward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), channels = s.channels, row_step = s.width * channels;
  const std::int64_t out_rows = s.batch * out_h, grain = rows_per_piece(s.stride * row_step, out_rows);
  const WindowAxis vertical = axis(s, s.height, out_h), horizontal = axis(s, s.width, out_w);
  const auto row_function = a.index ? pool_row_of<true, T>(s.kernel) : pool_row_of<false, T>(s.kernel);
  parallel_for(pieces_of(out_rows, grain), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t end = std::min(out_rows, (piece + 1) * grain);
    for (std::int64_t row = piece * grain; row < end; ++row) {
      const std::int64_t n = row / out_h, p = row % out_h, out = row * out_w * channels;
      const T* const x = a.x + (n * s.height + p * s.stride - s.padding) * row_step - s.padding * channels;
      row_function({x, a.y + out, a.index ? a.index + out : nullptr, a.prologue, row_step, channels, vertical.taps(p), horizontal});
    }
  });
}

template <class T>
void max_pool_backward_vector(const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  if (s.kernel == 2 && s.stride == 2 && s.padding == 0) return max_pool_backward_2x2(a);
  const std::int64_t in_rows = s.batch * s.height, grain = rows_per_piece(s.width * s.channels, in_rows);
  const WindowAxis vertical = axis(s, s.height, s.out_height()), horizontal = axis(s, s.width, s.out_width());
  parallel_for(pieces_of(in_rows, grain), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t end = std::min(in_rows, (piece + 1) * grain);
    for (std::int64_t row = piece * grain; row < end; ++row) gather_row(a, vertical, horizontal, row / s.height, row % s.height);
  });
}

/// The means of kVectors vectors of channels, from channel c on, of one picture. Their sums are independent, which hides the latency of the
/// additions.
template <int kVectors, class T, class Lanes>
HWY_INLINE void average_columns(Lanes lanes, const GlobalAvgPoolForward<T>& a, const T* x, std::int64_t c, T* y) {
  Act act[kVectors];
  V even[kVectors], odd[kVectors];
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) {
    act[v] = load_act(a.prologue, lanes, c + v * kLanes);
    even[v] = odd[v] = splat(0.0f);
  }
  const auto add = [&](V* sums, const T* row) HWY_ATTR {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) sums[v] = hn::Add(sums[v], act[v].value(lanes.load(row + v * kLanes)));
  };
  std::int64_t i = 0;
  for (; i + 2 <= a.positions; i += 2, x += 2 * a.channels) {
    add(even, x);
    add(odd, x + a.channels);
  }
  if (i < a.positions) add(even, x);
  const V share = splat(1.0f / static_cast<float>(a.positions));
#pragma GCC unroll 4
  for (int v = 0; v < kVectors; ++v) lanes.store(hn::Mul(hn::Add(even[v], odd[v]), share), y + v * kLanes);
}

/// A piece is one picture: its positions are added in order, so the sum does not depend on threads.
template <class T>
void global_avg_pool_forward_vector(const GlobalAvgPoolForward<T>& a) {
  parallel_for(a.batch, [&](std::int64_t n) HWY_ATTR {
    constexpr int kTogether = kManyRegisters ? 4 : 2;
    const T* const x = a.x + n * a.positions * a.channels;
    T* const y = a.y + n * a.channels;
    std::int64_t c = 0;
    for (; c + kTogether * kLanes <= a.channels; c += kTogether * kLanes) average_columns<kTogether>(FullLanes{}, a, x + c, c, y + c);
    for_vectors(a.channels - c, [&](auto lanes, std::int64_t i) HWY_ATTR { average_columns<1>(lanes, a, x + c + i, c + i, y + c + i); });
  });
}

template <class T>
void global_avg_pool_backward_vector(const GlobalAvgPoolBackward<T>& a) {
  const V share = splat(1.0f / static_cast<float>(a.positions));
  parallel_for(a.batch, [&](std::int64_t n) HWY_ATTR {
    for (std::int64_t i = 0; i < a.positions; ++i) {
      const std::int64_t row = (n * a.positions + i) * a.channels;
      for_vectors(a.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
        V g = hn::Mul(lanes.load(a.grad_y + n * a.channels + c), share);
        if (a.prologue.relu) g = load_act(a.prologue, lanes, c).pass(lanes.load(a.x + row + c), g);
        store(lanes, g, a.grad_x + row + c, a.accumulate);
      });
    }
  });
}

SEPIA_EXPORT_TYPES(max_pool_forward, MaxPoolForward)
SEPIA_EXPORT_TYPES(max_pool_backward, MaxPoolBackward)
SEPIA_EXPORT_TYPES(global_avg_pool_forward, GlobalAvgPoolForward)
SEPIA_EXPORT_TYPES(global_avg_pool_backward, GlobalAvgPoolBackward)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(max_pool_forward, MaxPoolForward)
SEPIA_DISPATCH(max_pool_backward, MaxPoolBackward)
SEPIA_DISPATCH(global_avg_pool_forward, GlobalAvgPoolForward)
SEPIA_DISPATCH(global_avg_pool_backward, GlobalAvgPoolBackward)

}  // namespace sepia::kernels::cpu
#endif
