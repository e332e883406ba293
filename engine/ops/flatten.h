// Rows of features out of pictures of channels.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

/// (N, ...) -> (N, product of the rest), the same memory. Features come in NHWC order (h, w, c); files written by PyTorch expect
/// (c, h, w), which engine/io converts in the weights that follow.
Variable flatten(const Variable& x);

}  // namespace sepia::ops
