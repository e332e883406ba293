// destination = source or destination += source, on any device: the one sum that the tape itself needs.
#pragma once

#include "engine/tensor/tensor.h"
#include "kernels/launch.h"

namespace sepia {

/// Shapes may differ as long as the number of elements agrees; types must be equal.
void accumulate_into(const Tensor& destination, const Tensor& source, kernels::Accumulate accumulate);

}  // namespace sepia
