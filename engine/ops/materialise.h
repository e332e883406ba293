// Carrying out what is pending, and ReLU, which only makes something pending.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

/// x with all that is pending carried out in memory; x itself when nothing is. One pass over x.
Variable materialise(const Variable& x);

/// x with a pending convolution carried out; a pending affine and ReLU stay. How every op begins that can apply these on load
/// but cannot convolve.
Variable carried_out(const Variable& x);

/// max(x, 0), NaN kept. Only noted on the variable: the next op applies it on load, and the gradient is masked there from x, which
/// is in memory anyway. Nothing is computed and nothing is stored here.
Variable relu(const Variable& x);

}  // namespace sepia::ops
