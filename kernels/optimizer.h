// Kernels over flat arenas: all parameters, gradients and moments of a model lie in one buffer each, so an optimiser step is one
// launch. A = Accumulator<T> is the type of master weights and moments.
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

/// Adam (Kingma and Ba 2015) and AdamW (Loshchilov and Hutter 2019), as torch.optim computes them, for step t = 1, 2, ...:
///   AdamW: w -= lr * weight_decay * w, g' = gradient_scale * g        Adam: g' = gradient_scale * g + weight_decay * w
///   m = beta1 m + (1 - beta1) g'             v = beta2 v + (1 - beta2) g'^2
///   w -= lr / (1 - beta1^t) * m / ( sqrt(v) / sqrt(1 - beta2^t) + eps )
template <class T>
struct AdamStep {
  std::int64_t count;
  Accumulator<T>* weight;
  const Accumulator<T>* gradient;
  Accumulator<T>* m;
  Accumulator<T>* v;
  double lr, beta1, beta2, eps, weight_decay;
  bool decoupled;  ///< true: AdamW
  std::int64_t step;
  double gradient_scale;  ///< 1, or the clipping factor
  T* shadow;              ///< bf16 copy of the new weights, written in the same pass; null when T is the master type
};

/// SGD with momentum as torch.optim.SGD (dampening 0): g' = gradient_scale g + weight_decay w; b = momentum b + g' (b = g' at
/// the first step); w -= lr * (nesterov ? g' + momentum b : b). momentum_buffer may be null when momentum is 0.
template <class T>
struct SgdStep {
  std::int64_t count;
  Accumulator<T>* weight;
  const Accumulator<T>* gradient;
  Accumulator<T>* momentum_buffer;
  double lr, momentum, weight_decay;
  bool nesterov, first_step;
  double gradient_scale;
  T* shadow;
};

/// *result = sum of squares, in double, by a fixed tree over chunks. For gradient norms.
template <class T>
struct SumOfSquares {
  std::int64_t count;
  const Accumulator<T>* x;
  double* result;
};

/// *result = index of the first element that is NaN or infinite, or -1.
template <class T>
struct FindNonfinite {
  std::int64_t count;
  const Accumulator<T>* x;
  std::int64_t* result;
};

/// destination += weight * (source - destination): exponential moving averages of weights, running statistics of batch norm.
template <class T>
struct Lerp {
  std::int64_t count;
  const Accumulator<T>* source;
  Accumulator<T>* destination;
  double weight;
};

}  // namespace sepia::kernels
