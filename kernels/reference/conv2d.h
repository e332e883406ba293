// Dense 2-D convolution, by its definition. Formulas and shapes: kernels/conv2d.h.
#pragma once

#include <vector>

#include "engine/base/parallel_for.h"
#include "kernels/conv2d.h"
#include "kernels/reference/indexing.h"

namespace sepia::kernels::reference {

/// y[n,p,q,k] = bias[k] + sum_{r,s,c} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * weight[k,r,s,c].
template <class T>
void conv2d_forward(const LaunchContext&, const Conv2dForward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.in_channels}, weight_at{s.kernel_h, s.kernel_w, s.in_channels};
  const Nhwc y_at{out_h, out_w, s.out_channels};
  parallel_for(s.batch * out_h, [&](std::int64_t row) {
    const std::int64_t n = row / out_h, p = row % out_h;
    for (std::int64_t q = 0; q < out_w; ++q) {
      for (std::int64_t k = 0; k < s.out_channels; ++k) {
        Accumulator<T> sum = a.bias ? a.bias[k] : 0;
        for (std::int64_t r = 0; r < s.kernel_h; ++r) {
          for (std::int64_t t = 0; t < s.kernel_w; ++t) {
            const std::int64_t h = p * s.stride + r - s.padding, w = q * s.stride + t - s.padding;
            if (!inside(h, s.height) || !inside(w, s.width)) continue;
            for (std::int64_t c = 0; c < s.in_channels; ++c) {
              sum += prologue_value(a.prologue, a.x[x_at(n, h, w, c)], c) * a.weight[weight_at(k, r, t, c)];
            }
          }
        }
        a.y[y_at(n, p, q, k)] = sum;
      }
    }
  });
}

/// grad_x[n,h,w,c] = mask * sum over (p,r), (q,s) that meet at (h,w), and k, of grad_y[n,p,q,k] * weight[k,r,s,c].
template <class T>
void conv2d_backward_input(const LaunchContext&, const Conv2dBackwardInput<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.in_channels}, weight_at{s.kernel_h, s.kernel_w, s.in_channels};
  const Nhwc y_at{out_h, out_w, s.out_channels};
  parallel_for(s.batch * s.height, [&](std::int64_t row) {
    const std::int64_t n = row / s.height, h = row % s.height;
    std::vector<Accumulator<T>> sum(s.in_channels);
    for (std::int64_t w = 0; w < s.width; ++w) {
      sum.assign(s.in_channels, 0);
      for (std::int64_t r = 0; r < s.kernel_h; ++r) {
        for (std::int64_t t = 0; t < s.kernel_w; ++t) {
          const std::int64_t p = output_with_tap_at(h, r, s.stride, s.padding, out_h);
          const std::int64_t q = output_with_tap_at(w, t, s.stride, s.padding, out_w);
          if (p < 0 || q < 0) continue;
          for (std::int64_t k = 0; k < s.out_channels; ++k) {
            const Accumulator<T> g = a.grad_y[y_at(n, p, q, k)];
            for (std::int64_t c = 0; c < s.in_channels; ++c) sum[c] += g * a.weight[weight_at(k, r, t, c)];
          }
        }
      }
      for (std::int64_t c = 0; c < s.in_channels; ++c) {
        const std::int64_t i = x_at(n, h, w, c);
        store(a.grad_x[i], mask_open(a.prologue, a.x, i, c) ? sum[c] : 0, a.accumulate);
      }
    }
  });
}

/// grad_weight[k,r,s,c] = sum_{n,p,q} grad_y[n,p,q,k] * act(x)[n, p*stride + r - padding, ..];  grad_bias[k] = sum_{n,p,q} grad_y[n,p,q,k].
template <class T>
void conv2d_backward_weight(const LaunchContext&, const Conv2dBackwardWeight<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.in_channels}, weight_at{s.kernel_h, s.kernel_w, s.in_channels};
  const Nhwc y_at{out_h, out_w, s.out_channels};
  parallel_for(s.out_channels, [&](std::int64_t k) {
    std::vector<Accumulator<T>> sum(s.kernel_h * s.kernel_w * s.in_channels);  // the filter of output channel k
    Accumulator<T> bias_sum = 0;
    for (std::int64_t n = 0; n < s.batch; ++n) {
      for (std::int64_t p = 0; p < out_h; ++p) {
        for (std::int64_t q = 0; q < out_w; ++q) {
          const Accumulator<T> g = a.grad_y[y_at(n, p, q, k)];
          bias_sum += g;
          for (std::int64_t r = 0; r < s.kernel_h; ++r) {
            for (std::int64_t t = 0; t < s.kernel_w; ++t) {
              const std::int64_t h = p * s.stride + r - s.padding, w = q * s.stride + t - s.padding;
              if (!inside(h, s.height) || !inside(w, s.width)) continue;
              for (std::int64_t c = 0; c < s.in_channels; ++c) {
                sum[weight_at(0, r, t, c)] += g * prologue_value(a.prologue, a.x[x_at(n, h, w, c)], c);
              }
            }
          }
        }
      }
    }
    const std::int64_t filter_size = std::ssize(sum);
    for (std::int64_t i = 0; i < filter_size; ++i) store(a.grad_weight[k * filter_size + i], sum[i], a.accumulate);
    if (a.grad_bias) store(a.grad_bias[k], bias_sum, a.accumulate);
  });
}

}  // namespace sepia::kernels::reference
