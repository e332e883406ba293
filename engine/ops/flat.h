// Whole-arena operations without a gradient: norms, the search for NaN, moving averages.
#pragma once

#include "engine/tensor/tensor.h"
#include "kernels/optimizer.h"

namespace sepia::ops {

/// Sum of squares of the elements, in double, by a fixed tree: the same for any number of threads.
double sum_of_squares(const Tensor& x);

/// Index of the first element that is NaN or infinite, or -1.
std::int64_t first_nonfinite(const Tensor& x);

/// Sum of (a - b)^2, in double, element by element on the host: for figures that are wanted now and then, not in every step.
double sum_of_squared_differences(const Tensor& a, const Tensor& b);

/// destination += weight * (source - destination); nothing when `control` is there and stopped.
void lerp(const Tensor& destination, const Tensor& source, double weight, const kernels::StepControl* control = nullptr);

/// Concludes a step's gradients before the kernels that move weights: see kernels::PrepareStep. `control` lies on the device.
void prepare_step(const Tensor& gradients, const Tensor& loss, double clip_grad, kernels::StepControl* control);

}  // namespace sepia::ops
