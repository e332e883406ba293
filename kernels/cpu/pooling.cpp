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

/// One window on one vector of channels. `x` points at tap (0, 0), which may lie outside; the taps in `rows` x `columns` do not.
template <class Lanes>
HWY_INLINE void pool_window(Lanes lanes, const Act& act, const float* x, std::int64_t row_step, std::int64_t channels, std::int64_t kernel,
                            Range rows, Range columns, float* y, std::uint8_t* index) {
  V best = splat(-std::numeric_limits<float>::infinity());
  VInt winner = hn::Set(Ints(), static_cast<std::int32_t>(rows.begin * kernel + columns.begin));
  for (std::int64_t r = rows.begin; r < rows.end; ++r) {
    for (std::int64_t s = columns.begin; s < columns.end; ++s) {
      const V value = act.value(lanes.load(x + r * row_step + s * channels));
      const auto wins = hn::Or(hn::Gt(value, best), hn::IsNaN(value));
      best = hn::IfThenElse(wins, value, best);
      winner = hn::IfThenElse(hn::RebindMask(Ints(), wins), hn::Set(Ints(), static_cast<std::int32_t>(r * kernel + s)), winner);
    }
  }
  lanes.store(best, y);
  if (index) lanes.store_bytes(winner, index);
}

/// The same for the common 2x2 window that lies inside: no loops left.
template <class Lanes>
HWY_INLINE void pool_window_2x2(Lanes lanes, const Act& act, const float* x, std::int64_t row_step, std::int64_t channels, float* y,
                                std::uint8_t* index) {
  V best = act.value(lanes.load(x));
  VInt winner = hn::Zero(Ints());
  const auto offer = [&](const float* p, std::int32_t code) HWY_ATTR {
    const V value = act.value(lanes.load(p));
    const auto wins = hn::Or(hn::Gt(value, best), hn::IsNaN(value));
    best = hn::IfThenElse(wins, value, best);
    winner = hn::IfThenElse(hn::RebindMask(Ints(), wins), hn::Set(Ints(), code), winner);
  };
  offer(x + channels, 1);
  offer(x + row_step, 2);
  offer(x + row_step + channels, 3);
  lanes.store(best, y);
  if (index) lanes.store_bytes(winner, index);
}

/// Output rows in one piece of work: about kPieceFloats of input.
HWY_INLINE std::int64_t rows_per_piece(std::int64_t row_floats, std::int64_t rows) {
  return std::clamp<std::int64_t>(kPieceFloats / std::max<std::int64_t>(1, row_floats), 1, std::max<std::int64_t>(1, rows));
}

/// grad_y where the window's winner has this code and its ReLU was open.
template <class Lanes>
HWY_INLINE V won(Lanes lanes, const MaxPoolBackward<float>& a, std::int64_t i, std::int64_t code) {
  const auto here = hn::Eq(lanes.load_bytes(a.index + i), hn::Set(Ints(), static_cast<std::int32_t>(code)));
  const V g = hn::IfThenElseZero(hn::RebindMask(Floats(), here), lanes.load(a.grad_y + i));
  return a.relu ? hn::IfThenZeroElse(hn::Le(lanes.load(a.y + i), splat(0.0f)), g) : g;
}

/// Windows that do not overlap and leave no gap inside: each output row writes the input rows that it covers, and the remainder
/// below and to the right is no window's.
void max_pool_backward_2x2(const MaxPoolBackward<float>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), channels = s.channels, row_step = s.width * channels;
  const std::int64_t row_pairs = (s.height + 1) / 2;
  parallel_for(s.batch * row_pairs, [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t n = piece / row_pairs, p = piece % row_pairs;
    float* const top = a.grad_x + (n * s.height + 2 * p) * row_step;
    const auto clear = [&](float* row, std::int64_t from) HWY_ATTR {
      if (a.accumulate == Accumulate::kWrite) std::fill(row + from, row + row_step, 0.0f);
    };
    if (p == out_h) return clear(top, 0);
    const std::int64_t out_row = (n * out_h + p) * out_w * channels;
    for (std::int64_t q = 0; q < out_w; ++q) {
      for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
        const std::int64_t i = out_row + q * channels + c;
        float* const x = top + 2 * q * channels + c;
        const VInt code = lanes.load_bytes(a.index + i);
        V g = lanes.load(a.grad_y + i);
        if (a.relu) g = hn::IfThenZeroElse(hn::Le(lanes.load(a.y + i), splat(0.0f)), g);
        const auto put = [&](float* destination, std::int32_t tap) HWY_ATTR {
          const auto here = hn::RebindMask(Floats(), hn::Eq(code, hn::Set(Ints(), tap)));
          store(lanes, hn::IfThenElseZero(here, g), destination, a.accumulate);
        };
        put(x, 0);
        put(x + channels, 1);
        put(x + row_step, 2);
        put(x + row_step + channels, 3);
      });
    }
    clear(top, 2 * out_w * channels);
    clear(top + row_step, 2 * out_w * channels);
  });
}

}  // namespace

void max_pool_forward_vector(const MaxPoolForward<float>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), channels = s.channels, row_step = s.width * channels;
  const std::int64_t out_rows = s.batch * out_h, grain = rows_per_piece(s.stride * row_step, out_rows);
  const bool two_by_two = s.kernel == 2 && s.padding == 0;
  const WindowAxis vertical = axis(s, s.height, out_h), horizontal = axis(s, s.width, out_w);
  parallel_for(pieces_of(out_rows, grain), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t end = std::min(out_rows, (piece + 1) * grain);
    for (std::int64_t row = piece * grain; row < end; ++row) {
      const std::int64_t n = row / out_h, p = row % out_h;
      const Range rows = vertical.taps(p);
      const float* const x_row = a.x + (n * s.height + p * s.stride - s.padding) * row_step;
      for (std::int64_t q = 0; q < out_w; ++q) {
        const Range columns = horizontal.taps(q);
        const float* const x = x_row + (q * s.stride - s.padding) * channels;
        const std::int64_t out = (row * out_w + q) * channels;
        for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
          const Act act = load_act(a.prologue, lanes, c);
          std::uint8_t* const index = a.index ? a.index + out + c : nullptr;
          if (two_by_two) {
            pool_window_2x2(lanes, act, x + c, row_step, channels, a.y + out + c, index);
          } else {
            pool_window(lanes, act, x + c, row_step, channels, s.kernel, rows, columns, a.y + out + c, index);
          }
        });
      }
    }
  });
}

void max_pool_backward_vector(const MaxPoolBackward<float>& a) {
  const MaxPoolShape& s = a.shape;
  if (s.kernel == 2 && s.stride == 2 && s.padding == 0) return max_pool_backward_2x2(a);
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), channels = s.channels, row_step = s.width * channels;
  const std::int64_t in_rows = s.batch * s.height, grain = rows_per_piece(row_step, in_rows);
  const WindowAxis vertical = axis(s, s.height, out_h), horizontal = axis(s, s.width, out_w);
  parallel_for(pieces_of(in_rows, grain), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t end = std::min(in_rows, (piece + 1) * grain);
    for (std::int64_t row = piece * grain; row < end; ++row) {
      const std::int64_t n = row / s.height, h = row % s.height;
      const Range over_h = vertical.outputs_over(h);
      for (std::int64_t w = 0; w < s.width; ++w) {
        const Range over_w = horizontal.outputs_over(w);
        for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
          V sum = splat(0.0f);
          for (std::int64_t p = over_h.begin; p < over_h.end; ++p) {
            const std::int64_t r = h + s.padding - p * s.stride;
            for (std::int64_t q = over_w.begin; q < over_w.end; ++q) {
              const std::int64_t code = r * s.kernel + w + s.padding - q * s.stride;
              sum = hn::Add(sum, won(lanes, a, ((n * out_h + p) * out_w + q) * channels + c, code));
            }
          }
          store(lanes, sum, a.grad_x + row * row_step + w * channels + c, a.accumulate);
        });
      }
    }
  });
}

/// A piece is one picture: its positions are added in order, so the sum does not depend on threads.
void global_avg_pool_forward_vector(const GlobalAvgPoolForward<float>& a) {
  const V share = splat(1.0f / static_cast<float>(a.positions));
  parallel_for(a.batch, [&](std::int64_t n) HWY_ATTR {
    const float* const x = a.x + n * a.positions * a.channels;
    for_vectors(a.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
      const Act act = load_act(a.prologue, lanes, c);
      V even = splat(0.0f), odd = splat(0.0f);
      std::int64_t i = 0;
      for (; i + 2 <= a.positions; i += 2) {
        even = hn::Add(even, act.value(lanes.load(x + i * a.channels + c)));
        odd = hn::Add(odd, act.value(lanes.load(x + (i + 1) * a.channels + c)));
      }
      if (i < a.positions) even = hn::Add(even, act.value(lanes.load(x + i * a.channels + c)));
      lanes.store(hn::Mul(hn::Add(even, odd), share), a.y + n * a.channels + c);
    });
  });
}

void global_avg_pool_backward_vector(const GlobalAvgPoolBackward<float>& a) {
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
