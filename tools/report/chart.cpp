#include "tools/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>

#include "tools/report/chart_plotter.h"

namespace sepia::report {
namespace {

constexpr double kTitleSize = 14, kSubtitleSize = 10.5, kLabelSize = 11, kLegendRow = 18;

struct LegendItem {
  const Series* series;
  double x;  // from the left edge of the frame
  int row;
  double name_width;
};

// The legend in rows that are as long as `room`.
std::vector<LegendItem> legend_of(const Chart& chart, double room) {
  std::vector<LegendItem> items;
  double x = 0;
  int row = 0;
  for (const Series& series : chart.series) {
    if (!series.in_legend || series.points.empty()) continue;
    const double name = text_width(series.name, {.size = kLabelSize});
    const double note = series.note.empty() ? 0 : text_width(series.note, {.size = kLabelSize}) + 5;
    if (x > 0 && x + 26 + name + note > room) {
      x = 0;
      ++row;
    }
    items.push_back({&series, x, row, name});
    x += 26 + name + note + 16;
  }
  return items;
}

// What stands where: the frame takes what title, legend and labels leave.
struct Layout {
  Rect frame;
  std::vector<LegendItem> legend;
  double legend_top = 0;
};

Layout layout_of(const Rect& area, const Chart& chart) {
  double widest = 0;
  for (const Tick& tick : chart.y.ticks) widest = std::max(widest, text_width(tick.label, {.size = kTickSize}));
  const double left = widest + (chart.y.label.empty() ? 16 : 34), right = 18 + chart.end_label_width;
  Layout layout;
  layout.legend = legend_of(chart, area.width - left - 4);
  const int rows = layout.legend.empty() ? 0 : layout.legend.back().row + 1;
  layout.legend_top = area.y + 14 + (chart.title.empty() ? 0 : 18) + (chart.subtitle.empty() ? 0 : 16);
  const double top = layout.legend_top + (rows ? kLegendRow * rows + 2 : 0) + (chart.highlight ? 16 : 4);
  layout.frame = {area.x + left, top, area.width - left - right, area.bottom() - 46 - top};
  if (chart.square) layout.frame.width = layout.frame.height = std::min(layout.frame.width, layout.frame.height);
  return layout;
}

void draw_axes(const Plotter& p) {
  Canvas& canvas = p.canvas;
  const Rect& frame = p.frame;
  const bool minor_grid = p.chart.x.scale == ScaleKind::kLinear;
  for (const Tick& tick : p.chart.y.ticks) {
    const double y = p.y(tick.at);
    if (!tick.label.empty()) {
      canvas.line({frame.x, y}, {frame.right(), y}, {Ink::kGrid, 1});
      canvas.text({frame.x - 8, y + 0.36 * kTickSize}, tick.label, {.size = kTickSize, .ink = Ink::kMuted, .anchor = Anchor::kEnd});
    } else if (!minor_grid) {
      canvas.line({frame.x - 3, y}, {frame.x, y}, {Ink::kAxis, 1});
    }
  }
  for (const Tick& tick : p.chart.x.ticks) {
    const double x = p.x(tick.at);
    if (tick.label.empty()) {
      canvas.line({x, frame.bottom()}, {x, frame.bottom() + 3}, {Ink::kAxis, 1});
      continue;
    }
    if (p.chart.vertical_grid) canvas.line({x, frame.y}, {x, frame.bottom()}, {Ink::kGrid, 1});
    canvas.line({x, frame.bottom()}, {x, frame.bottom() + 4}, {Ink::kAxis, 1});
    canvas.text({x, frame.bottom() + 17}, tick.label, {.size = kTickSize, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
  }
  canvas.line({frame.x, frame.bottom()}, {frame.right(), frame.bottom()}, {Ink::kAxis, 1});
  canvas.text({frame.x + frame.width / 2, frame.bottom() + 36}, p.chart.x.label,
              {.size = kLabelSize, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
}

void draw_y_label(const Plotter& p, const Rect& area) {
  if (p.chart.y.label.empty()) return;
  p.canvas.text({area.x + 14, p.frame.y + p.frame.height / 2}, p.chart.y.label,
                {.size = kLabelSize, .ink = Ink::kMuted, .anchor = Anchor::kMiddle, .angle = 90});
}

void draw_head(const Plotter& p, const Rect& area, const Layout& layout) {
  const double x = p.frame.x;
  if (!p.chart.title.empty()) p.canvas.text({x, area.y + 18}, p.chart.title, {.size = kTitleSize, .bold = true});
  if (!p.chart.subtitle.empty()) p.canvas.text({x, layout.legend_top - 14}, p.chart.subtitle, {.size = kSubtitleSize, .ink = Ink::kMuted});
  for (const LegendItem& item : layout.legend) {
    const Series& series = *item.series;
    const double at = x + item.x, middle = layout.legend_top + 5 + item.row * kLegendRow;
    p.canvas.line({at, middle}, {at + 20, middle}, {series.ink, series.width, series.dash});
    draw_marker(p.canvas, {at + 10, middle}, series.marker, series.ink, 3);
    p.canvas.text({at + 26, middle + 4}, series.name, {.size = kLabelSize});
    if (!series.note.empty()) {
      p.canvas.text({at + 31 + item.name_width, middle + 4}, series.note, {.size = kLabelSize, .ink = Ink::kMuted});
    }
  }
}

void draw_references(const Plotter& p) {
  for (const ReferenceLine& reference : p.chart.references) {
    for (const auto& piece : p.pieces(reference.points)) p.canvas.polyline(piece, {Ink::kReference, 1.2, reference.dash});
  }
}

void draw_series(const Plotter& p) {
  for (const Series& series : p.chart.series) {
    const auto pieces = p.pieces(series.points);
    for (const auto& piece : pieces) p.canvas.polyline(piece, {series.ink, series.width, series.dash});
    // With many points markers would be a smear: then a few are kept, evenly.
    const std::size_t every = std::max<std::size_t>(1, (series.points.size() + 11) / 12);
    const bool alone = series.points.size() == 1;
    for (std::size_t i = 0; i < series.points.size(); ++i) {
      if (std::isnan(series.points[i].y) || (i % every != 0 && i + 1 != series.points.size())) continue;
      draw_marker(p.canvas, p.place(series.points[i]), series.marker, series.ink, alone ? 5 : 3.2);
    }
  }
}

void draw_highlight(const Plotter& p) {
  if (!p.chart.highlight) return;
  const double x = p.x(p.chart.highlight->x);
  p.canvas.line({x, p.frame.y - 4}, {x, p.frame.bottom()}, {Ink::kAccent, 1.2, Dash::kDotted});
  const TextStyle style{.size = kTickSize, .ink = Ink::kAccent, .anchor = Anchor::kMiddle, .bold = true};
  const double half = text_width(p.chart.highlight->label, style) / 2;
  const double at = std::clamp(x, p.frame.x + half, std::max(p.frame.x + half, p.frame.right() - half));
  p.canvas.text({at, p.frame.y - 8}, p.chart.highlight->label, style);
}

void draw_highlight_rings(const Plotter& p) {
  if (!p.chart.highlight) return;
  for (const Series& series : p.chart.series) {
    for (const Point& point : series.points) {
      if (point.x != p.chart.highlight->x || std::isnan(point.y)) continue;
      draw_marker(p.canvas, p.place(point), series.marker, series.ink, 3.2);
      p.canvas.ring(p.place(point), 7, {series.ink, 1.5});
    }
  }
}

void draw_dots(const Plotter& p) {
  for (const Dot& dot : p.chart.dots) {
    const Point at = p.place(dot.at);
    p.canvas.circle(at, 5.2, {Ink::kPaper});
    p.canvas.circle(at, 3.8, {dot.ink});
    if (dot.label.empty()) continue;
    const TextStyle style{.size = kTickSize, .ink = Ink::kText};
    const double width = text_width(dot.label, style);
    const bool fits_right = at.x + 9 + width < p.frame.right();
    const Rect box{fits_right ? at.x + 9 : at.x - 9 - width, at.y - kTickSize / 2 - 2, width, kTickSize + 4};
    p.canvas.rect({box.x - 2, box.y, box.width + 4, box.height}, {Ink::kPaper, 0.8}, 2);
    p.canvas.text({box.x, box.bottom() - 4}, dot.label, style);
  }
}

void draw_bars(const Plotter& p) {
  if (!p.chart.bars) return;
  for (const Point& bar : p.chart.bars->bars) {
    const double left = p.x(bar.x) + 1, right = p.x(bar.x + p.chart.bars->width) - 1, top = p.y(bar.y);
    if (bar.y > 0 && right > left) p.canvas.rect({left, top, right - left, p.frame.bottom() - top}, {p.chart.bars->ink, 0.85});
  }
}

// Hover columns: each reaches half-way to its neighbours.
void draw_hints(const Plotter& p) {
  const auto& hints = p.chart.hints;
  for (std::size_t i = 0; i < hints.size(); ++i) {
    const double here = p.x(hints[i].x);
    const double left = i == 0 ? p.frame.x : (p.x(hints[i - 1].x) + here) / 2;
    const double right = i + 1 == hints.size() ? p.frame.right() : (here + p.x(hints[i + 1].x)) / 2;
    if (right > left) p.canvas.hint({left, p.frame.y, right - left, p.frame.height}, hints[i].words);
  }
}

}  // namespace

std::vector<std::vector<Point>> Plotter::pieces(const std::vector<Point>& points) const {
  std::vector<std::vector<Point>> out(1);
  for (const Point& point : points) {
    if (std::isnan(point.y) || std::isnan(point.x)) {
      if (!out.back().empty()) out.emplace_back();
      continue;
    }
    std::vector<Point>& piece = out.back();
    const Point next = place(point);
    if (piece.size() >= 2) {
      const Point a = piece[piece.size() - 2], b = piece.back();
      const double length = std::hypot(next.x - a.x, next.y - a.y);
      const double twice_area = std::abs((b.x - a.x) * (next.y - a.y) - (b.y - a.y) * (next.x - a.x));
      const double along = (b.x - a.x) * (next.x - a.x) + (b.y - a.y) * (next.y - a.y);
      if (length > 0 && twice_area < 0.01 * length && along >= 0 && along <= length * length) piece.pop_back();
    }
    piece.push_back(next);
  }
  if (out.back().empty()) out.pop_back();
  return out;
}

void draw_marker(Canvas& canvas, Point at, Marker marker, Ink ink, double size) {
  const double s = size;
  switch (marker) {
    case Marker::kNone: return;
    case Marker::kCircle: canvas.circle(at, s, {ink}); return;
    case Marker::kSquare: canvas.rect({at.x - 0.9 * s, at.y - 0.9 * s, 1.8 * s, 1.8 * s}, {ink}); return;
    case Marker::kTriangle: {
      const std::array<Point, 3> corners = {{{at.x, at.y - 1.25 * s}, {at.x + 1.15 * s, at.y + 0.8 * s}, {at.x - 1.15 * s, at.y + 0.8 * s}}};
      canvas.polygon(corners, {ink});
      return;
    }
    case Marker::kDiamond: {
      const std::array<Point, 4> corners = {{{at.x, at.y - 1.3 * s}, {at.x + 1.3 * s, at.y}, {at.x, at.y + 1.3 * s}, {at.x - 1.3 * s, at.y}}};
      canvas.polygon(corners, {ink});
      return;
    }
  }
}

ReferenceLine horizontal_line(const Chart& chart, double y, std::string label) {
  return {{{chart.x.low, y}, {chart.x.high, y}}, std::move(label), Dash::kDashed};
}

ReferenceLine vertical_line(const Chart& chart, double x, std::string label) {
  return {{{x, chart.y.low}, {x, chart.y.high}}, std::move(label), Dash::kDashed};
}

void draw_chart(Canvas& canvas, const Rect& area, const Chart& chart) {
  const Layout layout = layout_of(area, chart);
  const Plotter plotter{canvas, chart, layout.frame};
  draw_head(plotter, area, layout);
  draw_axes(plotter);
  draw_y_label(plotter, area);
  draw_bars(plotter);
  draw_references(plotter);
  draw_highlight(plotter);
  draw_series(plotter);
  draw_highlight_rings(plotter);
  draw_dots(plotter);
  draw_reference_labels(plotter);
  draw_end_labels(plotter);
  draw_hints(plotter);
}

Figure side_by_side(std::vector<Chart> charts, double width, double height, std::string alt) {
  const double gap = 24, margin = 12;
  const auto count = static_cast<double>(charts.size());
  return {count * width + (count - 1) * gap + 2 * margin, height + margin, std::move(alt),
          [charts = std::move(charts), width, height, gap, margin](Canvas& canvas) {
            double x = margin;
            for (const Chart& chart : charts) {
              draw_chart(canvas, {x, 0, width, height}, chart);
              x += width + gap;
            }
          }};
}

}  // namespace sepia::report
