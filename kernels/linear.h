// Linear map of rows; with rows = N*H*W it is the pointwise (1x1) convolution of NHWC activations.
//
//   y[m, o] = bias[o] + sum_i act(x)[m, i] * weight[o, i]
//
//   x (M, I)   weight (O, I)   bias (O) or null   y (M, O)
//   grad_x[m, i]      = mask * sum_o grad_y[m, o] * weight[o, i]
//   grad_weight[o, i] = sum_m grad_y[m, o] * act(x)[m, i]
//   grad_bias[o]      = sum_m grad_y[m, o]
// The prologue's channels are the columns i. grad_x is the gradient at the prologue's affine output.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/launch.h"

namespace sepia::kernels {

struct LinearShape {
  std::int64_t rows = 0, in_features = 0, out_features = 0;
};

template <class T>
struct LinearForward {
  LinearShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* weight;
  const Accumulator<T>* bias;  ///< may be null
  T* y;
};

/// LinearForward, and of y what the batch norm behind it wants (kernels/batch_norm.h).
template <class T>
struct LinearForwardStatistics {
  LinearForward<T> forward;
  BatchStatistics<T> statistics;  ///< of the columns of y
};

template <class T>
struct LinearBackwardInput {
  LinearShape shape;
  const T* grad_y;
  const T* weight;
  const T* x;            ///< for the mask; read only when prologue.relu
  Prologue<T> prologue;
  T* grad_x;
  Accumulate accumulate;
};

template <class T>
struct LinearBackwardWeight {
  LinearShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* grad_y;
  Accumulator<T>* grad_weight;
  Accumulator<T>* grad_bias;  ///< may be null
  Accumulate accumulate;
};

}  // namespace sepia::kernels
