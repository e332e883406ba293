// Elements of files to the type that a model computes in (private to engine/io).
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "engine/base/dtype.h"

namespace sepia::detail {

/// IEEE 754 binary16 to float, exactly; subnormals, infinities and NaN included.
float half_to_float(std::uint16_t bits);

/// Elements of a floating type as another one (kF32 or kF64), rounded to nearest. The source may lie at any address.
/// Nothing when `from` is no floating type.
std::optional<std::vector<std::byte>> convert_elements(std::span<const std::byte> elements, DType from, DType to);

/// Index of the first NaN or infinity of kF32 or kF64 elements.
std::optional<std::size_t> first_nonfinite(std::span<const std::byte> elements, DType dtype);

}  // namespace sepia::detail
