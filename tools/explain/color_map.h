// Numbers as colours, in equal steps for the eye.
#pragma once

#include <array>
#include <cstdint>

#include "tools/report/palette.h"

namespace sepia::tools {

enum class ColorMap : std::uint8_t {
  kSequential,  ///< from night to parchment: lightness grows with the value
  kDiverging,   ///< blue below the middle, red above it, paper in the middle
};

/// 256 colours at equal distances in OKLab (Ottosson 2020, "A perceptual color space for image processing").
const std::array<report::Rgb, 256>& colors_of(ColorMap map);

/// The colour at t, clamped to [0, 1].
report::Rgb color_at(ColorMap map, double t);

/// A colour in OKLab: lightness in [0, 1] and two opponent axes. Distances there are those that people see, roughly.
struct OkLab {
  double l = 0, a = 0, b = 0;
};
OkLab to_oklab(report::Rgb color);
report::Rgb from_oklab(const OkLab& color);

}  // namespace sepia::tools
