// Batch normalisation, by its definition. Formulas and shapes: kernels/batch_norm.h. All sums run over the rows in order.
#pragma once

#include <cmath>

#include "kernels/batch_norm.h"

namespace sepia::kernels::reference {

/// mean[c] = 1/M sum_m x[m,c], then variance[c] = 1/M sum_m (x[m,c] - mean[c])^2: two passes, so that nothing cancels.
/// unbiased_variance = variance * M / (M - 1).
template <class T>
void batch_norm_statistics(const LaunchContext&, const BatchNormStatistics<T>& a) {
  const auto [rows, channels] = a.shape;
  const auto count = static_cast<Accumulator<T>>(rows);
  for (std::int64_t c = 0; c < channels; ++c) a.mean[c] = a.variance[c] = 0;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) a.mean[c] += a.x[m * channels + c];
  }
  for (std::int64_t c = 0; c < channels; ++c) a.mean[c] /= count;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const Accumulator<T> centred = a.x[m * channels + c] - a.mean[c];
      a.variance[c] += centred * centred;
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    a.variance[c] /= count;
    if (a.unbiased_variance) a.unbiased_variance[c] = rows > 1 ? a.variance[c] * count / (count - 1) : a.variance[c];
  }
}

/// inv_std = 1 / sqrt(variance + eps), scale = gamma * inv_std, shift = beta - mean * scale.
template <class T>
void batch_norm_affine(const LaunchContext&, const BatchNormAffine<T>& a) {
  for (std::int64_t c = 0; c < a.channels; ++c) {
    a.inv_std[c] = 1 / std::sqrt(a.variance[c] + static_cast<Accumulator<T>>(a.eps));
    a.scale[c] = a.gamma[c] * a.inv_std[c];
    a.shift[c] = a.beta[c] - a.mean[c] * a.scale[c];
  }
}

/// sum_g[c] = sum_m g[m,c], sum_g_xhat[c] = sum_m g[m,c] * x_hat[m,c], with x_hat = (x - mean) * inv_std.
template <class T>
void batch_norm_backward_sums(const LaunchContext&, const BatchNormBackwardSums<T>& a) {
  const auto [rows, channels] = a.shape;
  for (std::int64_t c = 0; c < channels; ++c) a.sum_g[c] = a.sum_g_xhat[c] = 0;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) {
      const Accumulator<T> g = a.grad_y[m * channels + c];
      const Accumulator<T> x_hat = (a.x[m * channels + c] - a.mean[c]) * a.inv_std[c];
      a.sum_g[c] += g;
      a.sum_g_xhat[c] += g * x_hat;
    }
  }
}

/// grad_x = scale * (g - sum_g / M - x_hat * sum_g_xhat / M); grad_x = scale * g when frozen (sums null).
template <class T>
void batch_norm_backward_input(const LaunchContext&, const BatchNormBackwardInput<T>& a) {
  const auto [rows, channels] = a.shape;
  const auto count = static_cast<Accumulator<T>>(rows);
  const bool frozen = a.sum_g == nullptr;
  for (std::int64_t m = 0; m < rows; ++m) {
    for (std::int64_t c = 0; c < channels; ++c) {
      Accumulator<T> g = a.grad_y[m * channels + c];
      if (!frozen) {
        const Accumulator<T> x_hat = (a.x[m * channels + c] - a.mean[c]) * a.inv_std[c];
        g -= a.sum_g[c] / count + x_hat * a.sum_g_xhat[c] / count;
      }
      store(a.grad_x[m * channels + c], a.scale[c] * g, a.accumulate);
    }
  }
}

}  // namespace sepia::kernels::reference
