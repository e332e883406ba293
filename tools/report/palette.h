// The colours of everything that sepia draws, by what they mean.
//
// Sepia-tinted and safe for colour-blind readers: hues that meet in one picture differ in lightness too (checked by a test
// under simulated deuteranopia and protanopia), and series differ in marker as well. Each meaning has a colour for light
// and one for dark pages; files that stand alone (SVG, PNG) use the light ones.
#pragma once

#include <cstdint>
#include <string>

namespace sepia::report {

/// What a colour stands for.
enum class Ink : std::uint8_t {
  kPaper,      ///< background
  kText,       ///< titles and values
  kMuted,      ///< tick labels, notes
  kGrid,       ///< grid lines
  kAxis,       ///< axis lines and ticks
  kReference,  ///< chance levels and other lines to compare with
  kAccent,     ///< what the reader should look at first
  kTrain,
  kVal,
  kTest,
  kReal,
  kFake,
  kRamp0,  ///< kRamp0..kRamp7: a sequence in lightness, from the first layer to the last
  kRamp1,
  kRamp2,
  kRamp3,
  kRamp4,
  kRamp5,
  kRamp6,
  kRamp7,
};
inline constexpr int kInkCount = static_cast<int>(Ink::kRamp7) + 1;
inline constexpr int kRampSteps = 8;

/// 8 bits a channel, sRGB.
struct Rgb {
  std::uint8_t r = 0, g = 0, b = 0;
};

Rgb light_color(Ink ink);
Rgb dark_color(Ink ink);

/// A short name that serves as CSS class and variable: "train", "ramp3".
std::string ink_name(Ink ink);

/// "#5a4030".
std::string hex(Rgb color);

/// The step of the ramp for item `index` of `count`, spread over the whole ramp.
Ink ramp_ink(int index, int count);

/// CSS that gives the classes of inline SVG (f-NAME fill, k-NAME stroke) and the variables --NAME their light and dark colours.
std::string palette_css();

}  // namespace sepia::report
