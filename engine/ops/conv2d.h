// Dense 2-D convolution. Formula and gradients: kernels/conv2d.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct Conv2dParams {
  int stride = 1;
  int padding = 0;  ///< zeros on all four sides
  /// What follows is max_pool of 2x2 windows and stride 2, perhaps after a ReLU: where the device has a kernel for all of it (the CPU for few
  /// channels), the result is left pending (engine/autograd/variable.h) and max_pool carries it out, there and back.
  bool pooled = false;
  /// What follows is depthwise_conv, perhaps after a ReLU, and linear behind it: without a tape, and where the device has a kernel for all of it
  /// (the CPU for few inputs), the result is left pending and linear carries it out.
  bool separable = false;
  /// What follows is batch_norm in kBatch mode: where the device has a kernel for both (the CPU), the result comes with the statistics that
  /// it wants.
  bool normalised = false;
};

/// x (N, H, W, C), weight (K, R, S, C), bias (K) or an undefined Variable -> (N, P, Q, K). Applies a pending affine and ReLU of x
/// on load. Throws kUsage when shapes disagree or the kernel is larger than the padded picture.
Variable conv2d(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dParams& params);

}  // namespace sepia::ops
