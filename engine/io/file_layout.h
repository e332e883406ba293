// From sepia's layouts in memory to PyTorch's in files and back, by the tag that each parameter carries. Nowhere else are
// layouts converted, and no model is known here.
//
//   tag                   memory              file
//   kPlain                as is               as is
//   kOihw                 (K, R, S, C)        (K, C, R, S)
//   kDepthwise            (R, S, C)           (C, 1, R, S)
//   kPointwise            (O, I)              (O, I, 1, 1)
//   kLinearAfterFlatten   (O, H * W * C)      (O, C * H * W)
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "engine/nn/parameter.h"

namespace sepia {

/// The shape that a parameter has in files.
std::vector<std::int64_t> file_shape(const nn::Parameter& parameter);

/// Copies a parameter's elements (all of them, element_bytes each) from memory order to file order. kInternal when a span does not
/// have the parameter's size.
void to_file_layout(const nn::Parameter& parameter, std::size_t element_bytes, std::span<const std::byte> memory,
                    std::span<std::byte> file);
/// The inverse.
void from_file_layout(const nn::Parameter& parameter, std::size_t element_bytes, std::span<const std::byte> file,
                      std::span<std::byte> memory);

}  // namespace sepia
