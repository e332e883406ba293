#include "tools/report/chart.h"

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

namespace sepia::report {
namespace {

constexpr double kTitleSize = 14, kSubtitleSize = 10.5, kLabelSize = 11, kTickSize = 10;

// The panel while it is drawn: where data units land.
struct Plotter {
  Canvas& canvas;
  const Chart& chart;
  Rect frame;

  double x(double value) const { return frame.x + chart.x.unit(value) * frame.width; }
  double y(double value) const { return frame.bottom() - chart.y.unit(value) * frame.height; }
  Point place(Point data) const { return {x(data.x), y(data.y)}; }

  // The unbroken pieces of a curve, in pixels, without points that a straight line between their neighbours passes within a
  // hundredth of a pixel of (an ROC curve of thousands of pictures shrinks to its corners).
  std::vector<std::vector<Point>> pieces(const std::vector<Point>& points) const {
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
};

Rect frame_of(const Rect& area, const Chart& chart, bool has_legend) {
  double widest = 0;
  for (const Tick& tick : chart.y.ticks) widest = std::max(widest, text_width(tick.label, {.size = kTickSize}));
  const double left = widest + (chart.y.label.empty() ? 16 : 34);
  double top = 14 + (chart.title.empty() ? 0 : 18) + (chart.subtitle.empty() ? 0 : 16) + (has_legend ? 20 : 0) + (chart.highlight ? 16 : 4);
  Rect frame{area.x + left, area.y + top, area.width - left - 18 - chart.end_label_width, 0};
  frame.height = area.bottom() - 46 - frame.y;
  if (chart.square) {
    const double side = std::min(frame.width, frame.height);
    frame.width = frame.height = side;
  }
  return frame;
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

void draw_head(const Plotter& p, const Rect& area) {
  double y = area.y + 14;
  const double x = p.frame.x;
  if (!p.chart.title.empty()) {
    y += 4;
    p.canvas.text({x, y}, p.chart.title, {.size = kTitleSize, .bold = true});
    y += 14;
  }
  if (!p.chart.subtitle.empty()) {
    p.canvas.text({x, y + 2}, p.chart.subtitle, {.size = kSubtitleSize, .ink = Ink::kMuted});
    y += 16;
  }
  double at = x;
  for (const Series& series : p.chart.series) {
    if (!series.in_legend || series.points.empty()) continue;
    const double middle = y + 5;
    p.canvas.line({at, middle}, {at + 20, middle}, {series.ink, series.width, series.dash});
    draw_marker(p.canvas, {at + 10, middle}, series.marker, series.ink, 3);
    at += 26;
    const TextStyle name{.size = kLabelSize}, note{.size = kLabelSize, .ink = Ink::kMuted};
    p.canvas.text({at, middle + 4}, series.name, name);
    at += text_width(series.name, name) + 5;
    if (!series.note.empty()) {
      p.canvas.text({at, middle + 4}, series.note, note);
      at += text_width(series.note, note) + 5;
    }
    at += 11;
  }
}

void draw_references(const Plotter& p) {
  for (const ReferenceLine& reference : p.chart.references) {
    for (const auto& piece : p.pieces(reference.points)) p.canvas.polyline(piece, {Ink::kReference, 1.2, reference.dash});
  }
}

// How much of the curves a label at `box` would hide: sampled points of all segments inside it.
int hidden_by(const Plotter& p, const Rect& box) {
  int hits = 0;
  for (const Series& series : p.chart.series) {
    for (const auto& piece : p.pieces(series.points)) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        const Point a = piece[i], b = i + 1 < piece.size() ? piece[i + 1] : a;
        const int samples = 1 + static_cast<int>(std::hypot(b.x - a.x, b.y - a.y) / 3);
        for (int s = 0; s < samples; ++s) {
          const double t = static_cast<double>(s) / samples, x = a.x + t * (b.x - a.x), y = a.y + t * (b.y - a.y);
          hits += x > box.x - 3 && x < box.right() + 3 && y > box.y - 3 && y < box.bottom() + 3;
        }
      }
    }
  }
  return hits;
}

// Along a slanted line, on its lower right side (good ROC curves are on the other), at the place that hides the least.
void draw_slanted_label(const Plotter& p, const std::string& label, Point start, double length, double angle, TextStyle style) {
  const double width = text_width(label, style), nx = -std::sin(angle), ny = std::cos(angle);
  Point best;
  int fewest = -1;
  for (const double share : {0.72, 0.5, 0.3, 0.88, 0.15}) {
    const double along = share * length;
    const Point at{start.x + along * std::cos(angle) + 13 * nx, start.y + along * std::sin(angle) + 13 * ny};
    const double half_x = std::abs(std::cos(angle)) * width / 2, half_y = std::abs(std::sin(angle)) * width / 2;
    const Rect box{at.x - half_x, at.y - half_y, 2 * half_x, 2 * half_y};
    int hidden = hidden_by(p, box);
    for (const Dot& dot : p.chart.dots) {
      const Point centre = p.place(dot.at);
      const double reach = 16 + text_width(dot.label, style);
      hidden += 10 * (std::abs(centre.x - at.x) < reach + half_x && std::abs(centre.y - at.y) < 12 + half_y);
    }
    if (fewest >= 0 && hidden >= fewest) continue;
    fewest = hidden;
    best = at;
  }
  style.angle = -angle * 90 / std::acos(0.0);
  style.anchor = Anchor::kMiddle;
  p.canvas.text(best, label, style);
}

void draw_reference_labels(const Plotter& p) {
  const TextStyle style{.size = kTickSize, .ink = Ink::kMuted, .italic = true};
  for (const ReferenceLine& reference : p.chart.references) {
    if (reference.label.empty() || reference.points.size() < 2) continue;
    const Point a = p.place(reference.points.front()), b = p.place(reference.points.back());
    const double width = text_width(reference.label, style), length = std::hypot(b.x - a.x, b.y - a.y);
    if (length < 1) continue;
    const double angle = std::atan2(b.y - a.y, b.x - a.x);
    if (std::abs(angle) > 1e-6) {
      draw_slanted_label(p, reference.label, a, length, angle, style);
      continue;
    }
    Rect best;
    int fewest = -1;
    for (const double dy : {-kTickSize - 5, 4.0}) {
      for (const double x : {p.frame.right() - width - 4, p.frame.x + 4, p.frame.x + (p.frame.width - width) / 2}) {
        const Rect box{x, a.y + dy, width, kTickSize + 2};
        if (box.y < p.frame.y || box.bottom() > p.frame.bottom()) continue;
        const int hidden = hidden_by(p, box);
        if (fewest < 0 || hidden < fewest) {
          fewest = hidden;
          best = box;
        }
      }
    }
    if (fewest < 0) continue;
    if (fewest > 0) p.canvas.rect(best, {Ink::kPaper, 0.8});
    p.canvas.text({best.x, best.y + kTickSize - 1}, reference.label, style);
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

void draw_end_labels(const Plotter& p) {
  std::vector<const Series*> labelled;
  std::vector<double> wanted;
  for (const Series& series : p.chart.series) {
    const auto last = std::find_if(series.points.rbegin(), series.points.rend(), [](Point point) { return !std::isnan(point.y); });
    if (!series.end_label || last == series.points.rend()) continue;
    labelled.push_back(&series);
    wanted.push_back(p.y(last->y));
  }
  const std::vector<double> placed = spread_labels(wanted, kTickSize + 2, p.frame.y, p.frame.bottom());
  for (std::size_t i = 0; i < labelled.size(); ++i) {
    const double x = p.frame.right();
    p.canvas.line({x + 3, wanted[i]}, {x + 12, placed[i]}, {labelled[i]->ink, 1.5});
    p.canvas.text({x + 15, placed[i] + 0.36 * kTickSize}, labelled[i]->name, {.size = kTickSize});
  }
}

void draw_dots(const Plotter& p) {
  for (const Dot& dot : p.chart.dots) {
    const Point at = p.place(dot.at);
    p.canvas.circle(at, 5.2, {Ink::kPaper});
    p.canvas.circle(at, 3.8, {dot.ink});
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

std::vector<double> spread_labels(const std::vector<double>& wanted, double gap, double low, double high) {
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> placed = wanted;
  double floor = low;
  for (const std::size_t i : order) {
    placed[i] = std::max(placed[i], floor);
    floor = placed[i] + gap;
  }
  double ceiling = high;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    placed[*i] = std::min(placed[*i], ceiling);
    ceiling = placed[*i] - gap;
  }
  return placed;
}

ReferenceLine horizontal_line(const Chart& chart, double y, std::string label) {
  return {{{chart.x.low, y}, {chart.x.high, y}}, std::move(label), Dash::kDashed};
}

ReferenceLine vertical_line(const Chart& chart, double x, std::string label) {
  return {{{x, chart.y.low}, {x, chart.y.high}}, std::move(label), Dash::kDashed};
}

void draw_chart(Canvas& canvas, const Rect& area, const Chart& chart) {
  const bool has_legend =
      std::any_of(chart.series.begin(), chart.series.end(), [](const Series& s) { return s.in_legend && !s.points.empty(); });
  const Plotter plotter{canvas, chart, frame_of(area, chart, has_legend)};
  draw_head(plotter, area);
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
