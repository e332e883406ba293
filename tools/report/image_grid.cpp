#include "tools/report/image_grid.h"

#include <algorithm>

#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kMargin = 14, kGap = 10, kCaption = 18;

// The caption shortened until it fits the cell.
std::string fitting(const std::string& caption, double width, const TextStyle& style) {
  std::string text = clean_utf8(caption);
  for (std::size_t keep = 64; keep > 4 && text_width(text, style) > width; keep -= 2) text = shorten_middle(caption, keep);
  return text;
}

}  // namespace

Figure draw_image_grid(const ImageGrid& grid) {
  std::size_t columns = grid.column_labels.size(), pictures = 0;
  bool captions = false;
  for (const auto& row : grid.rows) {
    columns = std::max(columns, row.size());
    for (const GridCell& cell : row) {
      captions = captions || !cell.caption.empty();
      pictures += cell.picture.width > 0;
    }
  }
  const double left = kMargin + (grid.row_labels.empty() ? 0 : 22);
  const double top = kMargin + (grid.title.empty() ? 0 : 26) + (grid.column_labels.empty() ? 0 : 20);
  const double row_height = grid.cell + (captions ? kCaption : 0) + kGap;
  const auto n_rows = static_cast<double>(grid.rows.size()), n_columns = static_cast<double>(columns);
  Figure figure;
  figure.width = std::max(left + n_columns * (grid.cell + kGap) - kGap + kMargin, 2 * kMargin + text_width(grid.title, {.size = 14, .bold = true}));
  figure.height = top + n_rows * row_height - kGap + kMargin;
  figure.alt = (grid.title.empty() ? std::string("Pictures") : grid.title) + ": " + std::to_string(pictures) +
               (pictures == 1 ? " picture." : " pictures.");
  figure.draw = [grid, left, top, row_height](Canvas& canvas) {
    if (!grid.title.empty()) canvas.text({left, kMargin + 14}, grid.title, {.size = 14, .bold = true});
    for (std::size_t c = 0; c < grid.column_labels.size(); ++c) {
      canvas.text({left + static_cast<double>(c) * (grid.cell + kGap) + grid.cell / 2, top - 8}, grid.column_labels[c],
                  {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
    }
    for (std::size_t r = 0; r < grid.rows.size(); ++r) {
      const double y = top + static_cast<double>(r) * row_height;
      if (r < grid.row_labels.size()) {
        canvas.text({left - 10, y + grid.cell / 2}, fitting(grid.row_labels[r], grid.cell, {.size = 11}),
                    {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle, .angle = 90});
      }
      for (std::size_t c = 0; c < grid.rows[r].size(); ++c) {
        const GridCell& cell = grid.rows[r][c];
        const double x = left + static_cast<double>(c) * (grid.cell + kGap);
        if (cell.picture.width > 0 && cell.picture.height > 0) {
          const double scale = grid.cell / std::max(cell.picture.width, cell.picture.height);
          const double width = scale * cell.picture.width, height = scale * cell.picture.height;
          canvas.image({x + (grid.cell - width) / 2, y + (grid.cell - height) / 2, width, height}, cell.picture);
        }
        const TextStyle style{.size = 10, .ink = cell.ink, .anchor = Anchor::kMiddle};
        if (!cell.caption.empty()) canvas.text({x + grid.cell / 2, y + grid.cell + 13}, fitting(cell.caption, grid.cell, style), style);
      }
    }
  };
  return figure;
}

}  // namespace sepia::report
