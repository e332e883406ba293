// Linear map of rows, by its definition. Formulas and shapes: kernels/linear.h.
#pragma once

#include <vector>

#include "engine/base/parallel_for.h"
#include "kernels/linear.h"
#include "kernels/reference/indexing.h"

namespace sepia::kernels::reference {

/// y[m,o] = bias[o] + sum_i act(x)[m,i] * weight[o,i].
template <class T>
void linear_forward(const LaunchContext&, const LinearForward<T>& a) {
  const std::int64_t rows = a.shape.rows, in = a.shape.in_features, out = a.shape.out_features;
  parallel_for(rows, [&](std::int64_t m) {
    for (std::int64_t o = 0; o < out; ++o) {
      Accumulator<T> sum = a.bias ? a.bias[o] : 0;
      for (std::int64_t i = 0; i < in; ++i) sum += prologue_value(a.prologue, a.x[m * in + i], i) * a.weight[o * in + i];
      a.y[m * out + o] = sum;
    }
  });
}

/// grad_x[m,i] = mask * sum_o grad_y[m,o] * weight[o,i].
template <class T>
void linear_backward_input(const LaunchContext&, const LinearBackwardInput<T>& a) {
  const std::int64_t rows = a.shape.rows, in = a.shape.in_features, out = a.shape.out_features;
  parallel_for(rows, [&](std::int64_t m) {
    std::vector<Accumulator<T>> sum(in);
    for (std::int64_t o = 0; o < out; ++o) {
      const Accumulator<T> g = a.grad_y[m * out + o];
      for (std::int64_t i = 0; i < in; ++i) sum[i] += g * a.weight[o * in + i];
    }
    for (std::int64_t i = 0; i < in; ++i) {
      store(a.grad_x[m * in + i], mask_open(a.prologue, a.x, m * in + i, i) ? sum[i] : 0, a.accumulate);
    }
  });
}

/// grad_weight[o,i] = sum_m grad_y[m,o] * act(x)[m,i];  grad_bias[o] = sum_m grad_y[m,o].
template <class T>
void linear_backward_weight(const LaunchContext&, const LinearBackwardWeight<T>& a) {
  const std::int64_t rows = a.shape.rows, in = a.shape.in_features, out = a.shape.out_features;
  parallel_for(out, [&](std::int64_t o) {
    std::vector<Accumulator<T>> sum(in);
    Accumulator<T> bias_sum = 0;
    for (std::int64_t m = 0; m < rows; ++m) {
      const Accumulator<T> g = a.grad_y[m * out + o];
      bias_sum += g;
      for (std::int64_t i = 0; i < in; ++i) sum[i] += g * prologue_value(a.prologue, a.x[m * in + i], i);
    }
    for (std::int64_t i = 0; i < in; ++i) store(a.grad_weight[o * in + i], sum[i], a.accumulate);
    if (a.grad_bias) store(a.grad_bias[o], bias_sum, a.accumulate);
  });
}

}  // namespace sepia::kernels::reference
