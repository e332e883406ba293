// Sheets of pictures with captions (Figure 1 of the document).
#pragma once

#include <string>
#include <vector>

#include "data/image.h"
#include "tools/report/canvas.h"

namespace sepia::report {

/// One cell. An empty picture leaves its place free.
struct GridCell {
  Image picture;
  std::string caption;  ///< below the picture, cut in its middle when too long
  Ink ink = Ink::kMuted;
};

struct ImageGrid {
  std::string title;
  std::vector<std::vector<GridCell>> rows;  ///< rows may differ in length
  std::vector<std::string> row_labels;      ///< left of each row, read upwards; may be empty
  std::vector<std::string> column_labels;   ///< above each column; may be empty
  double cell = 160;                        ///< side of a cell in pixels; pictures keep their proportions inside
};

/// Lays the sheet out.
Figure draw_image_grid(const ImageGrid& grid);

}  // namespace sepia::report
