// Figures of pictures and maps: a grid, a legend that says what the colours stand for, and notes below.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/explain/map_picture.h"
#include "tools/report/canvas.h"
#include "tools/report/image_grid.h"

namespace sepia::tools {

struct Sheet {
  report::ImageGrid grid;
  std::optional<ColorScale> scale;  ///< the legend's; without, each picture has its own scale
  std::string legend;               ///< what the numbers at the legend are
  std::vector<std::string> notes;   ///< lines below, broken where they are too long
};

/// Lays it out: the legend on the right, notes below over the whole width.
report::Figure draw_sheet(const Sheet& sheet);

/// `text` cut at spaces into lines of at most `width` in that style; a word that is longer keeps its line to itself.
std::vector<std::string> broken(const std::string& text, double width, const report::TextStyle& style);

}  // namespace sepia::tools
