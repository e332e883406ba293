#include "tools/explain/sheet.h"

#include <algorithm>
#include <sstream>

#include "tools/report/text.h"

namespace sepia::tools {
namespace {

using report::Canvas;
using report::Ink;
using report::Rect;
using report::TextStyle;

constexpr double kMargin = 14, kBarWidth = 14, kLineHeight = 15;
constexpr TextStyle kNote{.size = 10.5, .ink = Ink::kMuted};
constexpr TextStyle kTick{.size = 10, .ink = Ink::kMuted};

struct Legend {
  ColorScale scale;
  std::vector<std::pair<double, std::string>> ticks;  ///< place in [0, 1], text
  double width = 0;
};

Legend legend_of(const ColorScale& scale) {
  Legend legend{.scale = scale, .ticks = {{0.0, report::number_text(scale.low, 3)}, {0.5, report::number_text((scale.low + scale.high) / 2, 3)}, {1.0, (scale.saturates ? "≥ " : "") + report::number_text(scale.high, 3)}}};
  if (scale.saturates && scale.low < 0) legend.ticks.front().second = "≤ " + legend.ticks.front().second;
  double widest = 0;
  for (const auto& [place, text] : legend.ticks) widest = std::max(widest, report::text_width(text, kTick));
  legend.width = kMargin + kBarWidth + 8 + widest + kMargin;
  return legend;
}

void draw_legend(Canvas& canvas, const Legend& legend, const std::string& words, const Rect& area) {
  Image bar(1, 256);
  for (int y = 0; y < bar.height; ++y) {
    const report::Rgb color = color_at(legend.scale.colors, 1 - y / 255.0);
    bar.pixel(0, y)[0] = color.r;
    bar.pixel(0, y)[1] = color.g;
    bar.pixel(0, y)[2] = color.b;
  }
  canvas.image(area, bar);
  for (const auto& [place, text] : legend.ticks) {
    const double y = area.bottom() - place * area.height;
    canvas.line({area.right(), y}, {area.right() + 4, y}, {.ink = Ink::kAxis});
    canvas.text({area.right() + 7, y + 3.5}, text, kTick);
  }
  if (!words.empty()) {
    canvas.text({area.x - 5, area.y + area.height / 2}, words, {.size = 10, .ink = Ink::kMuted, .anchor = report::Anchor::kMiddle, .angle = 90});
  }
}

}  // namespace

std::vector<std::string> broken(const std::string& text, double width, const TextStyle& style) {
  std::vector<std::string> lines;
  std::istringstream words(text);
  for (std::string word; words >> word;) {
    if (!lines.empty() && report::text_width(lines.back() + " " + word, style) <= width) {
      lines.back() += " " + word;
    } else {
      lines.push_back(word);
    }
  }
  return lines;
}

report::Figure draw_sheet(const Sheet& sheet) {
  const report::Figure grid = report::draw_image_grid(sheet.grid);
  const std::optional<Legend> legend = sheet.scale ? std::optional(legend_of(*sheet.scale)) : std::nullopt;
  report::Figure figure;
  figure.width = grid.width + (legend ? legend->width : 0);
  std::vector<std::string> lines;
  for (const std::string& note : sheet.notes) {
    for (std::string& line : broken(report::clean_utf8(note), figure.width - 2 * kMargin, kNote)) lines.push_back(std::move(line));
  }
  figure.height = grid.height + static_cast<double>(lines.size()) * kLineHeight + (lines.empty() ? 0 : 8);
  figure.alt = grid.alt;
  for (const std::string& note : sheet.notes) figure.alt += " " + note;
  const double top = kMargin + (sheet.grid.title.empty() ? 0 : 26) + (sheet.grid.column_labels.empty() ? 0 : 20);
  const double height = std::min(grid.height - top - kMargin, 260.0);
  figure.draw = [grid, legend, lines, words = sheet.legend, top, height](Canvas& canvas) {
    grid.draw(canvas);
    if (legend) draw_legend(canvas, *legend, words, {grid.width + kMargin - 2, top, kBarWidth, height});
    double y = grid.height + 6;
    for (const std::string& line : lines) {
      canvas.text({kMargin, y}, line, kNote);
      y += kLineHeight;
    }
  };
  return figure;
}

}  // namespace sepia::tools
