// A depthwise convolution and the pointwise (1x1) convolution behind it in one pass: the depthwise output, written as u below, is
// never in memory as a whole. (Depthwise-separable convolution: Sifre 2014; Chollet 2017, "Xception".) NHWC.
//
//   u[n, p, q, c] = depthwise_bias[c] + sum_{r, s} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * depthwise_weight[r, s, c]
//   y[n, p, q, o] = pointwise_bias[o] + sum_c u[n, p, q, c] * pointwise_weight[o, c]
//
//   x (N, H, W, C)   depthwise_weight (R, S, C)   depthwise_bias (C) or null
//   pointwise_weight (O, C)   pointwise_bias (O) or null   y (N, P, Q, O)
// act, P and Q are those of kernels/depthwise_conv.h; u is rounded to T, as if depthwise_conv_forward had written it for linear_forward
// (kernels/linear.h) to read. There is no backward kernel: backward makes u again and calls those of the two.
#pragma once

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

}  // namespace sepia::kernels
