// Depthwise 2-D convolution, by its definition. Formulas and shapes: kernels/depthwise_conv.h.
#pragma once

#include <vector>

#include "engine/base/parallel_for.h"
#include "kernels/depthwise_conv.h"
#include "kernels/reference/indexing.h"

namespace sepia::kernels::reference {

/// y[n,p,q,c] = bias[c] + sum_{r,s} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * weight[r,s,c].
template <class T>
void depthwise_conv_forward(const LaunchContext&, const DepthwiseConvForward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.channels}, y_at{out_h, out_w, s.channels}, weight_at{s.kernel_h, s.kernel_w, s.channels};
  parallel_for(s.batch * out_h, [&](std::int64_t row) {
    const std::int64_t n = row / out_h, p = row % out_h;
    for (std::int64_t q = 0; q < out_w; ++q) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        Accumulator<T> sum = a.bias ? a.bias[c] : 0;
        for (std::int64_t r = 0; r < s.kernel_h; ++r) {
          for (std::int64_t t = 0; t < s.kernel_w; ++t) {
            const std::int64_t h = p * s.stride + r - s.padding, w = q * s.stride + t - s.padding;
            if (!inside(h, s.height) || !inside(w, s.width)) continue;
            sum += prologue_value(a.prologue, a.x[x_at(n, h, w, c)], c) * a.weight[weight_at(0, r, t, c)];
          }
        }
        a.y[y_at(n, p, q, c)] = sum;
      }
    }
  });
}

/// grad_x[n,h,w,c] = mask * sum over (p,r), (q,s) that meet at (h,w) of grad_y[n,p,q,c] * weight[r,s,c].
template <class T>
void depthwise_conv_backward_input(const DepthwiseConvBackward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.channels}, y_at{out_h, out_w, s.channels}, weight_at{s.kernel_h, s.kernel_w, s.channels};
  parallel_for(s.batch * s.height, [&](std::int64_t row) {
    const std::int64_t n = row / s.height, h = row % s.height;
    for (std::int64_t w = 0; w < s.width; ++w) {
      for (std::int64_t c = 0; c < s.channels; ++c) {
        Accumulator<T> sum = 0;
        for (std::int64_t r = 0; r < s.kernel_h; ++r) {
          for (std::int64_t t = 0; t < s.kernel_w; ++t) {
            const std::int64_t p = output_with_tap_at(h, r, s.stride, s.padding, out_h);
            const std::int64_t q = output_with_tap_at(w, t, s.stride, s.padding, out_w);
            if (p < 0 || q < 0) continue;
            sum += a.grad_y[y_at(n, p, q, c)] * a.weight[weight_at(0, r, t, c)];
          }
        }
        const std::int64_t i = x_at(n, h, w, c);
        store(a.grad_x[i], mask_open(a.prologue, a.x, i, c) ? sum : 0, a.accumulate_x);
      }
    }
  });
}

/// grad_weight[r,s,c] = sum_{n,p,q} grad_y[n,p,q,c] * act(x)[n, p*stride + r - padding, q*stride + s - padding, c].
template <class T>
void depthwise_conv_backward_weight(const DepthwiseConvBackward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width();
  const Nhwc x_at{s.height, s.width, s.channels}, y_at{out_h, out_w, s.channels}, weight_at{s.kernel_h, s.kernel_w, s.channels};
  parallel_for(s.kernel_h * s.kernel_w, [&](std::int64_t tap) {
    const std::int64_t r = tap / s.kernel_w, t = tap % s.kernel_w;
    std::vector<Accumulator<T>> sum(s.channels);
    for (std::int64_t n = 0; n < s.batch; ++n) {
      for (std::int64_t p = 0; p < out_h; ++p) {
        for (std::int64_t q = 0; q < out_w; ++q) {
          const std::int64_t h = p * s.stride + r - s.padding, w = q * s.stride + t - s.padding;
          if (!inside(h, s.height) || !inside(w, s.width)) continue;
          for (std::int64_t c = 0; c < s.channels; ++c) {
            sum[c] += a.grad_y[y_at(n, p, q, c)] * prologue_value(a.prologue, a.x[x_at(n, h, w, c)], c);
          }
        }
      }
    }
    for (std::int64_t c = 0; c < s.channels; ++c) store(a.grad_weight[weight_at(0, r, t, c)], sum[c], a.accumulate_weight);
  });
}

/// grad_bias[c] = sum_{n,p,q} grad_y[n,p,q,c].
template <class T>
void depthwise_conv_backward_bias(const DepthwiseConvBackward<T>& a) {
  const auto& s = a.shape;
  const std::int64_t positions = s.batch * s.out_height() * s.out_width();
  std::vector<Accumulator<T>> sum(s.channels);
  for (std::int64_t i = 0; i < positions; ++i) {
    for (std::int64_t c = 0; c < s.channels; ++c) sum[c] += a.grad_y[i * s.channels + c];
  }
  for (std::int64_t c = 0; c < s.channels; ++c) store(a.grad_bias[c], sum[c], a.accumulate_weight);
}

/// The three gradients, each only where it is wanted.
template <class T>
void depthwise_conv_backward(const LaunchContext&, const DepthwiseConvBackward<T>& a) {
  if (a.grad_x) depthwise_conv_backward_input(a);
  if (a.grad_weight) depthwise_conv_backward_weight(a);
  if (a.grad_bias) depthwise_conv_backward_bias(a);
}

}  // namespace sepia::kernels::reference
