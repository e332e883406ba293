// Softmax and cross-entropy (kernels/cross_entropy.h). A batch has a few dozen rows of a few logits: plain loops on one thread,
// with all sums in double since they cost nothing here.
#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/kernels.h"

namespace sepia::kernels::cpu {
namespace {

/// Largest logit of a row and log of the sum of exponentials above it: log p[k] = z[k] - largest - log_sum.
struct RowMaximum {
  double largest, log_sum;
};

RowMaximum row_maximum(const float* z, std::int64_t classes) {
  const double largest = *std::max_element(z, z + classes);
  double sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(z[k] - largest);
  return {largest, std::log(sum)};
}

double log_probability(const RowMaximum& row, float logit) {
  return logit - row.largest - row.log_sum;
}

/// w[k] t[k]: the weighted, smoothed target of class k in a row labelled `label`.
template <class Args>
double weighted_target(const Args& a, std::int32_t label, std::int64_t k) {
  const double target = (k == label ? 1 - a.smoothing : 0.0) + a.smoothing / static_cast<double>(a.classes);
  return a.class_weights ? a.class_weights[k] * target : target;
}

/// sum_n w[label_n]
template <class Args>
double total_weight(const Args& a) {
  if (!a.class_weights) return static_cast<double>(a.rows);
  double total = 0;
  for (std::int64_t n = 0; n < a.rows; ++n) total += a.class_weights[a.labels[n]];
  return total;
}

}  // namespace

void softmax_forward(const LaunchContext&, const SoftmaxForward<float>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const float* x = a.x + n * a.classes;
    const RowMaximum row = row_maximum(x, a.classes);
    for (std::int64_t k = 0; k < a.classes; ++k) a.y[n * a.classes + k] = static_cast<float>(std::exp(log_probability(row, x[k])));
  }
}

void softmax_backward(const LaunchContext&, const SoftmaxBackward<float>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const float* y = a.y + n * a.classes;
    const float* g = a.grad_y + n * a.classes;
    double dot = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) dot += static_cast<double>(g[k]) * y[k];
    for (std::int64_t j = 0; j < a.classes; ++j) {
      store(a.grad_x[n * a.classes + j], static_cast<float>(y[j] * (g[j] - dot)), a.accumulate);
    }
  }
}

void cross_entropy_forward(const LaunchContext&, const CrossEntropyForward<float>& a) {
  double sum = 0;
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const float* z = a.logits + n * a.classes;
    const RowMaximum row = row_maximum(z, a.classes);
    for (std::int64_t k = 0; k < a.classes; ++k) {
      const double log_p = log_probability(row, z[k]);
      const double target = weighted_target(a, a.labels[n], k);
      if (target != 0) sum -= target * log_p;  // log p may be -inf where nothing is asked for
      a.probabilities[n * a.classes + k] = static_cast<float>(std::exp(log_p));
    }
  }
  *a.loss = static_cast<float>(sum / total_weight(a));
}

void cross_entropy_backward(const LaunchContext&, const CrossEntropyBackward<float>& a) {
  const double factor = *a.grad_loss / total_weight(a);
  for (std::int64_t n = 0; n < a.rows; ++n) {
    double row_weight = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) row_weight += weighted_target(a, a.labels[n], k);
    for (std::int64_t j = 0; j < a.classes; ++j) {
      const std::int64_t i = n * a.classes + j;
      const double grad = factor * (a.probabilities[i] * row_weight - weighted_target(a, a.labels[n], j));
      store(a.grad_logits[i], static_cast<float>(grad), a.accumulate);
    }
  }
}

}  // namespace sepia::kernels::cpu
