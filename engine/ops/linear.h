// Linear map over the last extent; on (N, H, W, C) activations it is the pointwise (1x1) convolution. kernels/linear.h has the maths.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct LinearParams {
  /// What follows is batch_norm in kBatch mode: where the device has a kernel for both (the CPU), the result comes with the statistics that
  /// it wants (engine/autograd/variable.h).
  bool normalised = false;
};

/// x (..., I), weight (O, I), bias (O) or an undefined Variable -> (..., O). Applies a pending affine and ReLU of x on load.
/// With a pending depthwise convolution x it is the pointwise one behind it: both are carried out here (kernels/separable_conv.h).
/// Throws kUsage when shapes disagree.
Variable linear(const Variable& x, const Variable& weight, const Variable& bias, const LinearParams& params = {});

}  // namespace sepia::ops
