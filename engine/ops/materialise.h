// Carrying out what is pending, and ReLU, which only makes something pending.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

/// x with its pending affine and ReLU carried out in memory; x itself when nothing is pending. One pass over x.
Variable materialise(const Variable& x);

/// max(x, 0), NaN kept. Only noted on the variable: the next op applies it on load, and the gradient is masked there from x, which
/// is in memory anyway. Nothing is computed and nothing is stored here.
Variable relu(const Variable& x);

}  // namespace sepia::ops
