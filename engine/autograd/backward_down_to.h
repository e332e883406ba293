// A way back that ends early.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia {

/// backward() that ends once `last`, whose slot must retain, has its whole gradient: what was made before `last` gets none, or a
/// part, which is not to be read. The tape is gone afterwards as after backward(). Throws kUsage as backward() does, and when `last` is not on the tape or does not retain.
void backward_down_to(const Variable& root, Tensor seed, const Variable& last);

}  // namespace sepia
