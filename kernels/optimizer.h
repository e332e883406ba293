// Kernels over flat arenas: all parameters, gradients and moments of a model lie in one buffer each, so an optimiser step is one
// launch. A = Accumulator<T> is the type of master weights and moments.
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

/// What a whole step, recorded once and started again and again (GraphCalls), reads and writes on the device in place of arguments
/// that would be frozen in the recording. The host sets lr before a step and reads the rest after it. On a step in which a gradient
/// or the loss is not finite, and from then on, no kernel that has this control moves anything.
struct StepControl {
  double lr;              ///< the learning rate of this step
  double gradient_scale;  ///< the clipping factor of this step
  std::int64_t step;      ///< steps taken, this one included: 1 at the first
  std::int64_t nonfinite;  ///< -1 while all is finite; else what prepare_step found first, see there
  double loss;            ///< of this step
  double norm;            ///< Euclidean norm of this step's gradient
};

/// Whether a kernel under this control (null: none) must leave everything as it is.
constexpr bool stopped(const StepControl* control) { return control && control->nonfinite >= 0; }

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
  const StepControl* control = nullptr;  ///< device word; set: lr is a factor to control's, step and gradient_scale are control's
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
  const StepControl* control = nullptr;  ///< as in AdamStep; first_step is control's step == 1
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
  const StepControl* control = nullptr;  ///< set: nothing is done when it is stopped
};

/// The head of a step under control, from the gradient g (count elements, flat) and the loss:
///   loss = *loss      norm = sqrt(sum_i g[i]^2) in double      gradient_scale = clip_grad > 0 ? min(1, clip_grad / (norm + 1e-6)) : 1
///   nonfinite = the first i with g[i] not finite; else count when the loss is not finite; left alone once it is >= 0
///   step = step + 1 unless nonfinite >= 0 now
/// norm and gradient_scale mean nothing when nonfinite is in [0, count).
template <class T>
struct PrepareStep {
  std::int64_t count;
  const Accumulator<T>* gradients;
  const Accumulator<T>* loss;
  double clip_grad;  ///< largest norm; 0: no clipping
  StepControl* control;
};

/// The last lines of prepare_step, common to all backends, once g is summed up and searched (first_nonfinite: -1, none).
constexpr void conclude_step(StepControl& control, double loss, double norm, std::int64_t first_nonfinite, std::int64_t count,
                             double clip_grad) {
  const bool finite_loss = loss - loss == 0;
  control.loss = loss;
  control.norm = norm;
  const double largest = clip_grad / (norm + 1e-6);
  control.gradient_scale = clip_grad > 0 && largest < 1 ? largest : 1;
  if (control.nonfinite >= 0) return;
  control.nonfinite = first_nonfinite >= 0 || finite_loss ? first_nonfinite : count;
  if (control.nonfinite < 0) ++control.step;
}

/// The arguments of an optimiser step with control's numbers in their places.
template <class T>
constexpr AdamStep<T> resolved(AdamStep<T> a) {
  if (!a.control) return a;
  a.lr *= a.control->lr;
  a.step = a.control->step;
  a.gradient_scale = a.control->gradient_scale;
  return a;
}
template <class T>
constexpr SgdStep<T> resolved(SgdStep<T> a) {
  if (!a.control) return a;
  a.lr *= a.control->lr;
  a.first_step = a.control->step == 1;
  a.gradient_scale = a.control->gradient_scale;
  return a;
}

}  // namespace sepia::kernels
