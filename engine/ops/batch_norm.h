// Batch normalisation over all but the last extent. Formula and gradients: kernels/batch_norm.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

enum class BatchNormMode : std::uint8_t {
  kBatch,    ///< training: normalise by this batch's statistics and leave them in the step buffers
  kRunning,  ///< evaluation and frozen layers: normalise by the running statistics, leave everything as it is
};

/// What a batch-norm layer holds besides gamma and beta; all (C), accumulator type. A training step writes the step buffers only;
/// the optimiser's commit moves the running statistics towards them together with the weights, so a step happens whole or not at all.
struct BatchNormBuffers {
  Tensor running_mean, running_variance;
  Tensor step_mean, step_variance;  ///< this batch's mean and unbiased variance, written in kBatch mode
  double eps = 1e-5;
};

/// x (..., C), gamma (C), beta (C) -> the same tensor with the affine pending: no pass over x besides the statistics, and none for these
/// where the op that made x has left them (ops::Conv2dParams, LinearParams). Throws kUsage when shapes disagree, or in kBatch mode with a
/// single value per channel (its variance means nothing).
Variable batch_norm(const Variable& x, const Variable& gamma, const Variable& beta, const BatchNormBuffers& buffers, BatchNormMode mode);

}  // namespace sepia::ops
