// Softmax and cross-entropy (kernels/cross_entropy.h). A batch has a few dozen rows of a few logits: plain loops on one thread,
// with all sums in double since they cost nothing here.
#include "kernels/cross_entropy.h"

#include <algorithm>
#include <cmath>

#include "kernels/cpu/kernels.h"

namespace sepia::kernels::cpu {
namespace {

template <class T>
double number(T value) {
  return static_cast<double>(static_cast<float>(value));
}

/// Largest logit of a row and log of the sum of exponentials above it: log p[k] = z[k] - largest - log_sum.
struct RowMaximum {
  double largest, log_sum;
};

template <class T>
RowMaximum row_maximum(const T* z, std::int64_t classes) {
  double largest = number(z[0]);
  for (std::int64_t k = 1; k < classes; ++k) largest = std::max(largest, number(z[k]));
  double sum = 0;
  for (std::int64_t k = 0; k < classes; ++k) sum += std::exp(number(z[k]) - largest);
  return {largest, std::log(sum)};
}

double log_probability(const RowMaximum& row, double logit) {
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

template <class T>
void softmax_forward_of(const SoftmaxForward<T>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* x = a.x + n * a.classes;
    const RowMaximum row = row_maximum(x, a.classes);
    for (std::int64_t k = 0; k < a.classes; ++k) a.y[n * a.classes + k] = static_cast<T>(static_cast<float>(std::exp(log_probability(row, number(x[k])))));
  }
}

template <class T>
void softmax_backward_of(const SoftmaxBackward<T>& a) {
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* y = a.y + n * a.classes;
    const T* g = a.grad_y + n * a.classes;
    double dot = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) dot += number(g[k]) * number(y[k]);
    for (std::int64_t j = 0; j < a.classes; ++j) {
      store(a.grad_x[n * a.classes + j], static_cast<float>(number(y[j]) * (number(g[j]) - dot)), a.accumulate);
    }
  }
}

template <class T>
void cross_entropy_forward_of(const CrossEntropyForward<T>& a) {
  double sum = 0;
  for (std::int64_t n = 0; n < a.rows; ++n) {
    const T* z = a.logits + n * a.classes;
    const RowMaximum row = row_maximum(z, a.classes);
    for (std::int64_t k = 0; k < a.classes; ++k) {
      const double log_p = log_probability(row, number(z[k]));
      const double target = weighted_target(a, a.labels[n], k);
      if (target != 0) sum -= target * log_p;  // log p may be -inf where nothing is asked for
      a.probabilities[n * a.classes + k] = static_cast<T>(static_cast<float>(std::exp(log_p)));
    }
  }
  *a.loss = static_cast<float>(sum / total_weight(a));
}

template <class T>
void cross_entropy_backward_of(const CrossEntropyBackward<T>& a) {
  const double factor = *a.grad_loss / total_weight(a);
  for (std::int64_t n = 0; n < a.rows; ++n) {
    double row_weight = 0;
    for (std::int64_t k = 0; k < a.classes; ++k) row_weight += weighted_target(a, a.labels[n], k);
    for (std::int64_t j = 0; j < a.classes; ++j) {
      const std::int64_t i = n * a.classes + j;
      const double grad = factor * (number(a.probabilities[i]) * row_weight - weighted_target(a, a.labels[n], j));
      store(a.grad_logits[i], static_cast<float>(grad), a.accumulate);
    }
  }
}

}  // namespace

void softmax_forward(const LaunchContext&, const SoftmaxForward<float>& a) { softmax_forward_of(a); }
void softmax_forward(const LaunchContext&, const SoftmaxForward<bf16>& a) { softmax_forward_of(a); }
void softmax_backward(const LaunchContext&, const SoftmaxBackward<float>& a) { softmax_backward_of(a); }
void softmax_backward(const LaunchContext&, const SoftmaxBackward<bf16>& a) { softmax_backward_of(a); }
void cross_entropy_forward(const LaunchContext&, const CrossEntropyForward<float>& a) { cross_entropy_forward_of(a); }
void cross_entropy_forward(const LaunchContext&, const CrossEntropyForward<bf16>& a) { cross_entropy_forward_of(a); }
void cross_entropy_backward(const LaunchContext&, const CrossEntropyBackward<float>& a) { cross_entropy_backward_of(a); }
void cross_entropy_backward(const LaunchContext&, const CrossEntropyBackward<bf16>& a) { cross_entropy_backward_of(a); }

}  // namespace sepia::kernels::cpu
