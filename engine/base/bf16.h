// bfloat16: the upper half of an IEEE float. The one rounding function float -> bf16 of the whole project.
#pragma once

#include <bit>
#include <cstdint>

namespace sepia {

/// A bfloat16 number (1 sign, 8 exponent, 7 fraction bits). Storage only: arithmetic happens in float. All constexpr, so that
/// device code may call it too (nvcc's --expt-relaxed-constexpr).
struct bf16 {
  std::uint16_t bits = 0;

  bf16() = default;
  /// Rounds to nearest, ties to even; NaN stays NaN (quiet), values past the largest finite bf16 become infinite.
  constexpr explicit bf16(float value) : bits(round_from_float(value)) {}
  constexpr explicit operator float() const { return std::bit_cast<float>(static_cast<std::uint32_t>(bits) << 16); }

  static constexpr std::uint16_t round_from_float(float value) {
    const auto u = std::bit_cast<std::uint32_t>(value);
    if ((u & 0x7fffffffu) > 0x7f800000u) return static_cast<std::uint16_t>((u >> 16) | 0x0040u);
    return static_cast<std::uint16_t>((u + 0x7fffu + ((u >> 16) & 1u)) >> 16);
  }
};

}  // namespace sepia
