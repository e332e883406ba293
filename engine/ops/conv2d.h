// Dense 2-D convolution. Formula and gradients: kernels/conv2d.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct Conv2dParams {
  int stride = 1;
  int padding = 0;  ///< zeros on all four sides
};

/// x (N, H, W, C), weight (K, R, S, C), bias (K) or an undefined Variable -> (N, P, Q, K). Applies a pending affine and ReLU of x
/// on load. Throws kUsage when shapes disagree or the kernel is larger than the padded picture.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dParams& params);

}  // namespace sepia::ops
