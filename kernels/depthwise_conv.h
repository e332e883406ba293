// Depthwise 2-D convolution: every channel has a filter of its own (the first half of a depthwise-separable convolution,
// Sifre 2014; Chollet 2017, "Xception"). NHWC.
//
//   y[n, p, q, c] = bias[c] + sum_{r, s} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * weight[r, s, c]
//
//   x (N, H, W, C)   weight (R, S, C)   bias (C) or null   y (N, P, Q, C)
// Backward, one kernel for all, since all read the same tiles:
//   grad_x[n, h, w, c]   = mask * sum_{r, s: (h + padding - r) = p*stride, ...} grad_y[n, p, q, c] * weight[r, s, c]
//   grad_weight[r, s, c] = sum_{n, p, q} grad_y[n, p, q, c] * act(x)[n, p*stride + r - padding, ...]
//   grad_bias[c]         = sum_{n, p, q} grad_y[n, p, q, c]
// grad_x is the gradient at the prologue's affine output (masked where its ReLU was closed).
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

struct DepthwiseConvShape {
  std::int64_t batch = 0, height = 0, width = 0, channels = 0;
  std::int64_t kernel_h = 3, kernel_w = 3, stride = 1, padding = 1;

  constexpr std::int64_t out_height() const { return (height + 2 * padding - kernel_h) / stride + 1; }
  constexpr std::int64_t out_width() const { return (width + 2 * padding - kernel_w) / stride + 1; }
};

template <class T>
struct DepthwiseConvForward {
  DepthwiseConvShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* weight;
  const Accumulator<T>* bias;  ///< may be null
  T* y;
};

template <class T>
struct DepthwiseConvBackward {
  DepthwiseConvShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* weight;
  const T* grad_y;
  T* grad_x;  ///< may be null: not wanted
  Accumulate accumulate_x;
  Accumulator<T>* grad_weight;  ///< may be null: not wanted
  Accumulator<T>* grad_bias;    ///< may be null
  Accumulate accumulate_weight;  ///< for weight and bias
};

/// The backward pass where x is the input of a batch norm, whose scale and shift are the prologue's: grad_x as it then stands is that batch
/// norm's grad_y, and the sums that its backward wants of it (BatchNormBackwardSums, kernels/batch_norm.h) are made while it is written.
template <class T>
struct DepthwiseConvBackwardSums {
  DepthwiseConvBackward<T> convolution;  ///< grad_x not null
  const Accumulator<T>* mean;            ///< (C), as the four below
  const Accumulator<T>* inv_std;
  Accumulator<T>* sum_g;
  Accumulator<T>* sum_g_xhat;
};

}  // namespace sepia::kernels
