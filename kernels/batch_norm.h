// Batch normalisation over rows, per channel (Ioffe and Szegedy 2015). x is (M, C) with M = N*H*W.
//
//   mean[c] = 1/M sum_m x[m, c]      variance[c] = 1/M sum_m (x[m, c] - mean[c])^2        (biased)
//   y[m, c] = gamma[c] * (x[m, c] - mean[c]) * inv_std[c] + beta[c],   inv_std = 1 / sqrt(variance + eps)
//           = scale[c] * x[m, c] + shift[c]                              scale = gamma inv_std, shift = beta - mean scale
// Only the statistics are computed from x; y itself is left to the consumers as a Prologue. Statistics come from sums centred
// per tile and merged by Chan's formula (Chan, Golub, LeVeque 1983), since E[x^2] - E[x]^2 cancels.
// Backward, with g the gradient at y and x_hat = (x - mean) inv_std:
//   grad_beta = sum_m g         grad_gamma = sum_m g x_hat
//   grad_x    = scale * (g - grad_beta / M - x_hat grad_gamma / M)       batch statistics
//   grad_x    = scale * g                                               frozen (running statistics)
// One pass for the two sums, one pass for grad_x.
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

struct BatchNormShape {
  std::int64_t rows = 0, channels = 0;
};

template <class T>
struct BatchNormStatistics {
  BatchNormShape shape;
  const T* x;
  Accumulator<T>* mean;
  Accumulator<T>* variance;           ///< biased: what normalises
  Accumulator<T>* unbiased_variance;  ///< variance * M / (M - 1): what running statistics take up (M = 1: variance); may be null
};

/// The same of the rows that another kernel writes, taken while it has them (the fused kernels named ..._statistics): of the numbers as
/// they are stored, over all positions. What batch_norm_statistics would find, but for the order of sums.
template <class T>
struct BatchStatistics {
  Accumulator<T>* mean;
  Accumulator<T>* variance;
  Accumulator<T>* unbiased_variance;  ///< may be null
};

/// scale, shift and inv_std from statistics (of the batch or running ones). All arrays (C).
template <class T>
struct BatchNormAffine {
  std::int64_t channels;
  const Accumulator<T>* mean;
  const Accumulator<T>* variance;
  const Accumulator<T>* gamma;
  const Accumulator<T>* beta;
  double eps;
  Accumulator<T>* scale;
  Accumulator<T>* shift;
  Accumulator<T>* inv_std;
};

/// sum_g and sum_g_xhat, the gradients of beta and gamma. Written, never added: the caller needs them alone for grad_x.
template <class T>
struct BatchNormBackwardSums {
  BatchNormShape shape;
  const T* x;
  const T* grad_y;
  const Accumulator<T>* mean;
  const Accumulator<T>* inv_std;
  Accumulator<T>* sum_g;
  Accumulator<T>* sum_g_xhat;
};

template <class T>
struct BatchNormBackwardInput {
  BatchNormShape shape;
  const T* x;
  const T* grad_y;
  const Accumulator<T>* mean;
  const Accumulator<T>* inv_std;
  const Accumulator<T>* scale;
  const Accumulator<T>* sum_g;       ///< null when frozen: grad_x = scale * g
  const Accumulator<T>* sum_g_xhat;  ///< null when frozen
  T* grad_x;                         ///< may be the same memory as grad_y when accumulate is kWrite
  Accumulate accumulate;
};

}  // namespace sepia::kernels
