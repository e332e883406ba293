// Pictures as bytes to network input.
#pragma once

#include <array>

#include "engine/tensor/tensor.h"

namespace sepia::ops {

/// Per-channel normalisation: (pixel / 255 - mean) / std.
struct Normalisation {
  std::array<double, 3> mean{0.4914, 0.4822, 0.4465};
  std::array<double, 3> std{0.2023, 0.1994, 0.2010};
  bool operator==(const Normalisation&) const = default;
};

/// pixels (N, H, W, 3) u8 -> (N, H, W, 3) of `dtype` on the same device. Throws kUsage when a std is not positive.
Tensor images_to_input(const Tensor& pixels, const Normalisation& normalisation, DType dtype);

}  // namespace sepia::ops
