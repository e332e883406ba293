// The sum of two branches of a network.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

/// a + b, shapes equal. Applies pending affines and ReLUs of both on load. Throws kUsage when shapes differ.
Variable add(const Variable& a, const Variable& b);

}  // namespace sepia::ops
