// One panel: axes, grid, lines with markers, lines to compare with, a legend row. Every plot of a run is a Chart.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "tools/report/axis.h"
#include "tools/report/canvas.h"

namespace sepia::report {

enum class Marker { kNone, kCircle, kSquare, kTriangle, kDiamond };

/// A curve in data units. A point whose y is NaN is a gap.
struct Series {
  std::string name;
  std::string note{};  ///< said behind the name in the legend, for example its value at the best epoch
  std::vector<Point> points{};
  Ink ink = Ink::kText;
  Marker marker = Marker::kNone;
  double width = 2;
  Dash dash = Dash::kSolid;
  bool in_legend = true;
  bool end_label = false;  ///< the name stands at the curve's right end, tied to it by a line in its colour
};

/// A line to compare with, in data units, behind the curves; its label is put where it hides the least.
struct ReferenceLine {
  std::vector<Point> points{};
  std::string label;
  Dash dash = Dash::kDashed;
};

/// A value of x to point out: a dotted line, rings on the curves there, and a label above the frame.
struct Highlight {
  double x = 0;
  std::string label;
};

/// A single marked point with its label (the equal error rate, for example).
struct Dot {
  Point at;
  std::string label;
  Ink ink = Ink::kText;
};

/// Bars from the x axis (histograms): x is the left edge, `width` in data units, y the height.
struct Bars {
  std::vector<Point> bars{};
  double width = 1;
  Ink ink = Ink::kAccent;
};

/// A panel. `hints` are what hovering over a value of x tells (see Canvas::hint): one per entry, in data units of x.
struct Chart {
  std::string title;
  std::string subtitle;
  Axis x, y;
  std::vector<Series> series;
  std::vector<ReferenceLine> references;
  std::optional<Highlight> highlight;
  std::vector<Dot> dots;
  std::optional<Bars> bars;
  bool vertical_grid = false;
  bool square = false;            ///< the frame is a square (ROC, DET, reliability)
  double end_label_width = 0;     ///< room right of the frame for end labels
  struct Hint {
    double x = 0;
    std::string words;
  };
  std::vector<Hint> hints;
};

/// Draws the chart into `area`.
void draw_chart(Canvas& canvas, const Rect& area, const Chart& chart);

/// The panels side by side, each `width` x `height`.
Figure side_by_side(std::vector<Chart> charts, double width, double height, std::string alt);

/// A horizontal line across the chart's x axis / a vertical one across its y axis (the axes must be set before).
ReferenceLine horizontal_line(const Chart& chart, double y, std::string label);
ReferenceLine vertical_line(const Chart& chart, double x, std::string label);

/// Spreads label positions (sorted or not) so that neighbours are at least `gap` apart and all stay in [low, high], moving
/// each as little as a single downward and upward sweep can. Returns positions in the order given.
std::vector<double> spread_labels(const std::vector<double>& wanted, double gap, double low, double high);

/// Draws a marker of the given half-size.
void draw_marker(Canvas& canvas, Point at, Marker marker, Ink ink, double size);

}  // namespace sepia::report
