// Depthwise 2-D convolution. Formula and gradients: kernels/depthwise_conv.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct DepthwiseConvParams {
  int stride = 1;
  int padding = 1;  ///< zeros on all four sides
};

/// x (N, H, W, C), weight (R, S, C), bias (C) or an undefined Variable -> (N, P, Q, C). Applies a pending affine and ReLU of x on
/// load. Throws kUsage when shapes disagree or the kernel is larger than the padded picture.
Variable depthwise_conv(const Variable& x, const Variable& weight, const Variable& bias, const DepthwiseConvParams& params);

}  // namespace sepia::ops
