// A chart while it is drawn: where data units land on the sheet. Shared by chart.cpp (axes, curves) and chart_labels.cpp.
#pragma once

#include <vector>

#include "tools/report/chart.h"

namespace sepia::report {

inline constexpr double kTickSize = 10;  // of tick labels and of all labels inside the frame

struct Plotter {
  Canvas& canvas;
  const Chart& chart;
  Rect frame;

  double x(double value) const { return frame.x + chart.x.unit(value) * frame.width; }
  double y(double value) const { return frame.bottom() - chart.y.unit(value) * frame.height; }
  Point place(Point data) const { return {x(data.x), y(data.y)}; }

  /// The unbroken pieces of a curve, in pixels, without points that a straight line between their neighbours passes within a
  /// hundredth of a pixel of (an ROC curve of thousands of pictures shrinks to its corners).
  std::vector<std::vector<Point>> pieces(const std::vector<Point>& points) const;
};

/// The labels of the reference lines, each where it hides the least of the curves.
void draw_reference_labels(const Plotter& plotter);

/// The names of series right of the frame, spread so that they do not overlap.
void draw_end_labels(const Plotter& plotter);

}  // namespace sepia::report
