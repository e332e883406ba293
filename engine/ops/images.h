// Pictures as bytes to network input.
#pragma once

#include <array>
#include <cstdint>
#include <string>

#include "engine/autograd/variable.h"

namespace sepia::ops {

/// What of a picture a network is shown. Part of the model, and stored in its file.
enum class InputKind : std::uint8_t {
  kRgb,       ///< (pixel / 255 - mean) / std, per channel
  kResidual,  ///< clamp(20 (v - blur(v)), -3, 3), v = pixel / 255, blur the 3x3 binomial filter with reflected borders; no mean, no std
};
/// "rgb", "residual"; throws kUsage otherwise.
InputKind input_kind_from_name(const std::string& name);
const char* input_kind_name(InputKind kind);

/// How bytes become a network's input.
struct Normalisation {
  std::array<double, 3> mean{0.4914, 0.4822, 0.4465};
  std::array<double, 3> std{0.2023, 0.1994, 0.2010};
  InputKind kind = InputKind::kRgb;
  bool operator==(const Normalisation&) const = default;
};

/// A residual input: mean 0 and std 1, which say that nothing else is done.
inline constexpr Normalisation kResidualInput{{0, 0, 0}, {1, 1, 1}, InputKind::kResidual};

/// pixels (N, H, W, 3) u8 -> (N, H, W, 3) of `dtype` on the same device. Throws kUsage when a std is not positive.
Tensor images_to_input(const Tensor& pixels, const Normalisation& normalisation, DType dtype);
/// The same as a constant for a network's first layer: left in bytes where the device's convolutions normalise as they load (the CPU, of
/// InputKind::kRgb), so that `pixels` must not change until that layer has run, both ways; elsewhere images_to_input.
Variable pictures(const Tensor& pixels, const Normalisation& normalisation, DType dtype);

}  // namespace sepia::ops
