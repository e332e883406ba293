// Max pooling and global average pooling. Formulas and gradients: kernels/pooling.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct MaxPoolParams {
  int kernel = 2;
  int stride = 2;
  int padding = 0;  ///< at most kernel / 2; padding never wins
  /// TensorFlow's padding='same' in place of `padding`: P = ceil(H / stride), and as much padding as that needs, the odd row or
  /// column at the end, so that a 3x3 window of stride 2 pads an even side at the end only. For windows that overlap.
  bool same = false;
};

/// x (N, H, W, C) -> (N, P, Q, C). Applies a pending affine and ReLU on load, and carries out a pending dense convolution in one kernel where
/// windows are 2x2, 2 apart and without padding. Keeps one byte per output for backward, not x.
/// Throws kUsage when the window is larger than the padded picture, kernel > 16, or `same` would pad rows and columns differently.
Variable max_pool(const Variable& x, const MaxPoolParams& params);

/// x (N, H, W, C) -> (N, C), the mean over positions. Applies a pending affine and ReLU on load.
Variable global_avg_pool(const Variable& x);

}  // namespace sepia::ops
