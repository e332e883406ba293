// Optimiser steps and checks over flat arrays, by their definition. Formulas: kernels/optimizer.h.
#pragma once

#include <cmath>

#include "kernels/optimizer.h"

namespace sepia::kernels::reference {

/// One step of Adam or AdamW: moments, bias correction, update; then the copy in the activations' type where one is kept.
template <class T>
void adam_step(const LaunchContext&, const AdamStep<T>& arguments) {
  using A = Accumulator<T>;
  if (stopped(arguments.control)) return;
  const AdamStep<T> a = resolved(arguments);
  const A beta1 = a.beta1, beta2 = a.beta2, one_minus_beta1 = 1 - a.beta1, one_minus_beta2 = 1 - a.beta2, eps = a.eps;
  const auto t = static_cast<double>(a.step);
  const A step_size = a.lr / (1 - std::pow(a.beta1, t));
  const A sqrt_correction2 = std::sqrt(1 - std::pow(a.beta2, t));
  const A scale = a.gradient_scale, decay = a.weight_decay, decoupled_decay = a.lr * a.weight_decay;
  for (std::int64_t i = 0; i < a.count; ++i) {
    A g = scale * a.gradient[i];
    if (a.decoupled) a.weight[i] -= decoupled_decay * a.weight[i];
    if (!a.decoupled) g += decay * a.weight[i];
    a.m[i] = beta1 * a.m[i] + one_minus_beta1 * g;
    a.v[i] = beta2 * a.v[i] + one_minus_beta2 * g * g;
    a.weight[i] -= step_size * a.m[i] / (std::sqrt(a.v[i]) / sqrt_correction2 + eps);
    if (a.shadow) a.shadow[i] = a.weight[i];
  }
}

/// One step of SGD: g' = scale g + decay w; b = momentum b + g' (b = g' at first); w -= lr * (nesterov ? g' + momentum b : b).
template <class T>
void sgd_step(const LaunchContext&, const SgdStep<T>& arguments) {
  using A = Accumulator<T>;
  if (stopped(arguments.control)) return;
  const SgdStep<T> a = resolved(arguments);
  const A lr = a.lr, momentum = a.momentum, decay = a.weight_decay, scale = a.gradient_scale;
  for (std::int64_t i = 0; i < a.count; ++i) {
    A update = scale * a.gradient[i] + decay * a.weight[i];
    if (a.momentum_buffer) {
      A& b = a.momentum_buffer[i];
      b = a.first_step ? update : momentum * b + update;
      update = a.nesterov ? update + momentum * b : b;
    }
    a.weight[i] -= lr * update;
    if (a.shadow) a.shadow[i] = a.weight[i];
  }
}

/// *result = sum_i x[i]^2, in double.
template <class T>
void sum_of_squares(const LaunchContext&, const SumOfSquares<T>& a) {
  double sum = 0;
  for (std::int64_t i = 0; i < a.count; ++i) sum += static_cast<double>(a.x[i]) * static_cast<double>(a.x[i]);
  *a.result = sum;
}

/// *result = the first i with x[i] NaN or infinite, or -1.
template <class T>
void find_nonfinite(const LaunchContext&, const FindNonfinite<T>& a) {
  *a.result = -1;
  for (std::int64_t i = 0; i < a.count && *a.result < 0; ++i) {
    if (!std::isfinite(a.x[i])) *a.result = i;
  }
}

/// destination[i] += weight * (source[i] - destination[i]).
template <class T>
void lerp(const LaunchContext&, const Lerp<T>& a) {
  if (stopped(a.control)) return;
  const Accumulator<T> weight = a.weight;
  for (std::int64_t i = 0; i < a.count; ++i) a.destination[i] += weight * (a.source[i] - a.destination[i]);
}

/// Norm, clipping factor and check of a step's gradient and loss, into *control.
template <class T>
void prepare_step(const LaunchContext& context, const PrepareStep<T>& a) {
  double squares = 0;
  std::int64_t first_nonfinite = -1;
  sum_of_squares(context, SumOfSquares<T>{a.count, a.gradients, &squares});
  find_nonfinite(context, FindNonfinite<T>{a.count, a.gradients, &first_nonfinite});
  conclude_step(*a.control, static_cast<double>(*a.loss), std::sqrt(squares), first_nonfinite, a.count, a.clip_grad);
}

}  // namespace sepia::kernels::reference
