// Depthwise 2-D convolution. Formula and gradients: kernels/depthwise_conv.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct DepthwiseConvParams {
  int stride = 1;
  int padding = 1;  ///< zeros on all four sides
  /// A linear map of the output does not keep it for the way back but makes it again there: less memory, one more forward pass of it.
  bool recompute = false;
};

/// x (N, H, W, C), weight (R, S, C), bias (C) or an undefined Variable -> (N, P, Q, C). Applies a pending affine and ReLU of x on
/// load. Throws kUsage when shapes disagree or the kernel is larger than the padded picture.
/// With `recompute`, and whenever no gradient is wanted, the result is left pending (engine/autograd/variable.h).
Variable depthwise_conv(const Variable& x, const Variable& weight, const Variable& bias, const DepthwiseConvParams& params);

}  // namespace sepia::ops
