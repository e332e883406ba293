// Max pooling and global average pooling, by their definition. Formulas and shapes: kernels/pooling.h.
#pragma once

#include <cmath>
#include <limits>

#include "engine/base/parallel_for.h"
#include "kernels/pooling.h"
#include "kernels/reference/indexing.h"

namespace sepia::kernels::reference {

/// y[n,p,q,c] = max of act(x) over the window; the first maximum in scan order wins, NaN wins over all.
template <class T>
void max_pool_forward(const LaunchContext&, const MaxPoolForward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.channels}, y_at{out_h, out_w, s.channels};
  parallel_for(s.batch * out_h, [&](std::int64_t row) {
    const std::int64_t n = row / out_h, p = row % out_h;
    for (std::int64_t q = 0; q < out_w; ++q) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        auto best = -std::numeric_limits<Accumulator<T>>::infinity();
        std::int64_t winner = -1;
        for (std::int64_t r = 0; r < s.kernel; ++r) {
          for (std::int64_t t = 0; t < s.kernel; ++t) {
            const std::int64_t h = p * s.stride + r - s.padding, w = q * s.stride + t - s.padding;
            if (!inside(h, s.height) || !inside(w, s.width)) continue;
            const auto value = prologue_value(a.prologue, a.x[x_at(n, h, w, c)], c);
            if (winner < 0 || value > best || std::isnan(value)) {
              best = value;
              winner = r * s.kernel + t;
            }
          }
        }
        a.y[y_at(n, p, q, c)] = best;
        if (a.index) a.index[y_at(n, p, q, c)] = static_cast<std::uint8_t>(winner);
      }
    }
  });
}

/// grad_x[n,h,w,c] = sum of grad_y over the windows that (h,w) won and whose ReLU, if there is one, was open.
template <class T>
void max_pool_backward(const LaunchContext&, const MaxPoolBackward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.channels}, y_at{out_h, out_w, s.channels};
  parallel_for(s.batch * s.height, [&](std::int64_t row) {
    const std::int64_t n = row / s.height, h = row % s.height;
    for (std::int64_t w = 0; w < s.width; ++w) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        Accumulator<T> sum = 0;
        for (std::int64_t r = 0; r < s.kernel; ++r) {
          for (std::int64_t t = 0; t < s.kernel; ++t) {
            const std::int64_t p = output_with_tap_at(h, r, s.stride, s.padding, out_h);
            const std::int64_t q = output_with_tap_at(w, t, s.stride, s.padding, out_w);
            if (p < 0 || q < 0) continue;
            const std::int64_t i = y_at(n, p, q, c);
            if (a.index[i] == r * s.kernel + t && (!a.relu || relu_passes(a.y[i]))) sum += a.grad_y[i];
          }
        }
        store(a.grad_x[x_at(n, h, w, c)], sum, a.accumulate);
      }
    }
  });
}

/// y[n,c] = 1/positions sum_i act(x)[n,i,c].
template <class T>
void global_avg_pool_forward(const LaunchContext&, const GlobalAvgPoolForward<T>& a) {
  for (std::int64_t n = 0; n < a.batch; ++n) {
    for (std::int64_t c = 0; c < a.channels; ++c) {
      Accumulator<T> sum = 0;
      for (std::int64_t i = 0; i < a.positions; ++i) {
        sum += prologue_value(a.prologue, a.x[(n * a.positions + i) * a.channels + c], c);
      }
      a.y[n * a.channels + c] = sum / static_cast<Accumulator<T>>(a.positions);
    }
  }
}

/// grad_x[n,i,c] = mask * grad_y[n,c] / positions.
template <class T>
void global_avg_pool_backward(const LaunchContext&, const GlobalAvgPoolBackward<T>& a) {
  for (std::int64_t n = 0; n < a.batch; ++n) {
    for (std::int64_t i = 0; i < a.positions; ++i) {
      for (std::int64_t c = 0; c < a.channels; ++c) {
        const std::int64_t at = (n * a.positions + i) * a.channels + c;
        const Accumulator<T> share = a.grad_y[n * a.channels + c] / static_cast<Accumulator<T>>(a.positions);
        store(a.grad_x[at], mask_open(a.prologue, a.x, at, c) ? share : 0, a.accumulate);
      }
    }
  }
}

}  // namespace sepia::kernels::reference
