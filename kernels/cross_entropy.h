// Softmax and cross-entropy over rows of logits (N, K). Rows are few and short; all sums run in the accumulator type.
//
//   p[n, k] = exp(z[n, k] - max_k z) / sum_k exp(z[n, k] - max_k z)
//   target  t[n, k] = (1 - smoothing) [k = label_n] + smoothing / K
//   loss    = sum_n sum_k w[k] t[n, k] (-log p[n, k]) / sum_n w[label_n]                      (w = 1 without class weights)
//   grad_z[n, j] = grad_loss / sum_n w[label_n] * ( p[n, j] sum_k w[k] t[n, k] - w[j] t[n, j] )
// This is torch.nn.functional.cross_entropy(weight=w, label_smoothing=smoothing, reduction="mean").
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

template <class T>
struct SoftmaxForward {
  std::int64_t rows, classes;
  const T* x;
  T* y;
};

/// grad_x[n, j] = y[n, j] * (grad_y[n, j] - sum_k grad_y[n, k] y[n, k]).
template <class T>
struct SoftmaxBackward {
  std::int64_t rows, classes;
  const T* y;
  const T* grad_y;
  T* grad_x;
  Accumulate accumulate;
};

template <class T>
struct CrossEntropyForward {
  std::int64_t rows, classes;
  const T* logits;
  const std::int32_t* labels;             ///< (N), each in [0, K)
  const Accumulator<T>* class_weights;    ///< (K) or null
  double smoothing;                       ///< in [0, 1)
  Accumulator<T>* loss;                   ///< one number
  T* probabilities;                       ///< (N, K): the softmax, kept for backward
};

template <class T>
struct CrossEntropyBackward {
  std::int64_t rows, classes;
  const T* probabilities;
  const std::int32_t* labels;
  const Accumulator<T>* class_weights;
  double smoothing;
  const Accumulator<T>* grad_loss;  ///< one number, the gradient at the loss
  T* grad_logits;
  Accumulate accumulate;
};

}  // namespace sepia::kernels
