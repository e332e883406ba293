// Softmax and cross-entropy, by their definition. Formulas and shapes: kernels/cross_entropy.h.
#pragma once

#include <algorithm>
#include <cmath>

#include "kernels/cross_entropy.h"

namespace sepia::kernels::reference {

/// log sum_k exp(z[k]), with the maximum taken out so that nothing overflows: log p[k] = z[k] - log_sum_exp(z).
template <class T>
Accumulator<T> log_sum_exp(const T* z, std::int64_t classes) {
  const Accumulator<T> largest = *std::max_element(z, z + classes);
  Accumulator<T> sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - largest);
  return largest + std::log(sum);
}

/// y[n,k] = exp(x[n,k] - max) / sum_k exp(x[n,k] - max).
template <class T>
void softmax_forward(const LaunchContext&, const SoftmaxForward<T>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* x = a.x + n * a.classes;
    T* y = a.y + n * a.classes;
    const Accumulator<T> largest = *std::max_element(x, x + a.classes);
    Accumulator<T> sum = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) sum += std::exp(x[k] - largest);
    for (std::int64_t k = 0; k < a.classes; ++k) y[k] = std::exp(x[k] - largest) / sum;
  }
}

/// grad_x[n,j] = y[n,j] * (grad_y[n,j] - sum_k grad_y[n,k] y[n,k]).
template <class T>
void softmax_backward(const LaunchContext&, const SoftmaxBackward<T>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* y = a.y + n * a.classes;
    const T* g = a.grad_y + n * a.classes;
    Accumulator<T> dot = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) dot += g[k] * y[k];
    for (std::int64_t j = 0; j < a.classes; ++j) store(a.grad_x[n * a.classes + j], y[j] * (g[j] - dot), a.accumulate);
  }
}

/// t[k] = (1 - smoothing) [k = label] + smoothing / K.
template <class A>
A smoothed_target(std::int64_t k, std::int64_t label, std::int64_t classes, double smoothing) {
  return static_cast<A>((k == label ? 1 - smoothing : 0) + smoothing / static_cast<double>(classes));
}

/// sum_n w[label_n], the number of rows when there are no class weights.
template <class A>
A total_weight(const std::int32_t* labels, std::int64_t rows, const A* class_weights) {
  A total = 0;
  for (std::int64_t n = 0; n < rows; ++n) total += class_weights ? class_weights[labels[n]] : 1;
  return total;
}

/// loss = sum_n sum_k w[k] t[n,k] (-log p[n,k]) / sum_n w[label_n]; also writes p.
template <class T>
void cross_entropy_forward(const LaunchContext& context, const CrossEntropyForward<T>& a) {
  using A = Accumulator<T>;
  softmax_forward(context, SoftmaxForward<T>{a.rows, a.classes, a.logits, a.probabilities});
  A sum = 0;
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* z = a.logits + n * a.classes;
    const A log_sum = log_sum_exp(z, a.classes);
    for (std::int64_t k = 0; k < a.classes; ++k) {
      const A weight = a.class_weights ? a.class_weights[k] : 1;
      const A target = smoothed_target<A>(k, a.labels[n], a.classes, a.smoothing);
      if (target != 0) sum += weight * target * (log_sum - z[k]);  // a class that is not asked for may have p = 0
    }
  }
  *a.loss = sum / total_weight(a.labels, a.rows, a.class_weights);
}

/// grad_z[n,j] = grad_loss / sum_n w[label_n] * ( p[n,j] sum_k w[k] t[n,k] - w[j] t[n,j] ).
template <class T>
void cross_entropy_backward(const LaunchContext&, const CrossEntropyBackward<T>& a) {
  using A = Accumulator<T>;
  const A factor = *a.grad_loss / total_weight(a.labels, a.rows, a.class_weights);
  const auto weighted_target = [&](std::int64_t n, std::int64_t k) {
    return (a.class_weights ? a.class_weights[k] : 1) * smoothed_target<A>(k, a.labels[n], a.classes, a.smoothing);
  };
  for (std::int64_t n = 0; n < a.rows; ++n) {
    A row_weight = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) row_weight += weighted_target(n, k);
    for (std::int64_t j = 0; j < a.classes; ++j) {
      const std::int64_t i = n * a.classes + j;
      store(a.grad_logits[i], factor * (a.probabilities[i] * row_weight - weighted_target(n, j)), a.accumulate);
    }
  }
}

}  // namespace sepia::kernels::reference
