// Time as nested boxes: each box is as wide as its share of the time, and what happens inside it hangs below it (an icicle, which is a
// flame graph upside down).
#pragma once

#include <string>
#include <vector>

#include "tools/report/canvas.h"

namespace sepia::report {

/// A stretch of time. Children follow each other from its left edge in their order; what they leave over is its own time.
struct FlameBox {
  std::string name;    ///< stands in the box where it fits
  std::string hint{};  ///< shown under the pointer (SVG)
  double value = 0;    ///< at least the sum of its children's
  Ink ink = Ink::kGrid;
  std::vector<FlameBox> children{};
};

/// What a colour means.
struct FlameKey {
  std::string name;
  Ink ink = Ink::kGrid;
};

/// One axis of time with its boxes; `boxes` follow each other from the left.
struct FlamePanel {
  std::string title, subtitle;
  std::string unit;  ///< of values, shown at the axis: "ms"
  std::vector<FlameBox> boxes;
};

/// The panels below each other, each over the whole width with a scale of its own, and the key of the colours at the end. A name that its
/// box is too narrow for is cut short or left out; no two texts overlap.
Figure flame_chart(std::vector<FlamePanel> panels, std::vector<FlameKey> key, std::string alt);

}  // namespace sepia::report
