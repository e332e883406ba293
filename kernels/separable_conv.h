// A depthwise convolution and the pointwise (1x1) convolution behind it in one pass: the depthwise output, written as u below, is
// never in memory as a whole. (Depthwise-separable convolution: Sifre 2014; Chollet 2017, "Xception".) NHWC.
//
//   u[n, p, q, c] = depthwise_bias[c] + sum_{r, s} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * depthwise_weight[r, s, c]
//   y[n, p, q, o] = pointwise_bias[o] + sum_c u[n, p, q, c] * pointwise_weight[o, c]
//
//   x (N, H, W, C)   depthwise_weight (R, S, C)   depthwise_bias (C) or null
//   pointwise_weight (O, C)   pointwise_bias (O) or null   y (N, P, Q, O)
// act, P and Q are those of kernels/depthwise_conv.h; u is rounded to T, as if depthwise_conv_forward had written it for linear_forward
// (kernels/linear.h) to read. Backward, neither u nor its gradient in memory as a whole:
//   grad_pointwise_weight[o, c] = sum_{n, p, q} grad_y[n, p, q, o] * u[n, p, q, c]     grad_pointwise_bias[o] = sum_{n, p, q} grad_y[n, p, q, o]
//   grad_u[n, p, q, c] = sum_o grad_y[n, p, q, o] * pointwise_weight[o, c]             the rest is depthwise_conv_backward of grad_u
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/depthwise_conv.h"
#include "kernels/launch.h"

namespace sepia::kernels {

template <class T>
struct SeparableConvForward {
  DepthwiseConvShape shape;
  std::int64_t out_features = 0;
  const T* x;
  Prologue<T> prologue;
  const T* depthwise_weight;
  const Accumulator<T>* depthwise_bias;  ///< may be null
  const T* pointwise_weight;
  const Accumulator<T>* pointwise_bias;  ///< may be null
  T* y;
};

/// SeparableConvForward, and of y what the batch norm behind it wants (kernels/batch_norm.h).
template <class T>
struct SeparableConvForwardStatistics {
  SeparableConvForward<T> forward;
  BatchStatistics<T> statistics;  ///< of the channels of y
};

template <class T>
struct SeparableConvBackwardInput {
  std::int64_t out_features = 0;
  const T* grad_y;
  const T* pointwise_weight;
  DepthwiseConvBackwardSums<T> depthwise;  ///< its grad_y is made here; mean null: no sums of grad_x are wanted
};

template <class T>
struct SeparableConvBackwardWeight {
  DepthwiseConvShape shape;
  std::int64_t out_features = 0;
  const T* x;
  Prologue<T> prologue;
  const T* depthwise_weight;
  const Accumulator<T>* depthwise_bias;  ///< may be null
  const T* grad_y;
  Accumulator<T>* grad_pointwise_weight;
  Accumulator<T>* grad_pointwise_bias;  ///< may be null
  Accumulate accumulate;
};

}  // namespace sepia::kernels
