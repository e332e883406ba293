// A sheet to draw on: the same drawing routine makes an SVG with real text (selectable, searchable, re-coloured by a page's
// style sheet) and a PNG (through cairo).
//
// Lengths are in CSS pixels (1/96 inch), the origin is the upper left corner, y grows downwards, angles are degrees
// counter-clockwise.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "tools/report/palette.h"

namespace sepia::report {

struct Point {
  double x = 0, y = 0;
};

struct Rect {
  double x = 0, y = 0, width = 0, height = 0;
  double right() const { return x + width; }
  double bottom() const { return y + height; }
};

enum class Dash { kSolid, kDashed, kDotted };
enum class Anchor { kStart, kMiddle, kEnd };

struct Stroke {
  Ink ink = Ink::kText;
  double width = 1;
  Dash dash = Dash::kSolid;
  double opacity = 1;
};

struct Fill {
  Ink ink = Ink::kText;
  double opacity = 1;
};

struct TextStyle {
  double size = 11;
  Ink ink = Ink::kText;
  Anchor anchor = Anchor::kStart;
  bool bold = false;
  bool italic = false;
  double angle = 0;
};

/// The drawing primitives. Text is cleaned (clean_utf8) and escaped by the canvas; points must be finite.
class Canvas {
 public:
  virtual ~Canvas() = default;
  virtual void polyline(std::span<const Point> points, const Stroke& stroke) = 0;
  virtual void polygon(std::span<const Point> points, const Fill& fill) = 0;
  /// Corners of radius `rounding`.
  virtual void rect(const Rect& area, const Fill& fill, double rounding = 0) = 0;
  virtual void circle(Point centre, double radius, const Fill& fill) = 0;
  virtual void ring(Point centre, double radius, const Stroke& stroke) = 0;
  /// `at` is on the baseline.
  virtual void text(Point at, std::string_view words, const TextStyle& style) = 0;
  /// The picture scaled to fill `area`.
  virtual void image(const Rect& area, const Image& picture) = 0;
  virtual void push_clip(const Rect& area) = 0;
  virtual void pop_clip() = 0;
  /// Words shown while the pointer is over `area` (SVG only; a PNG ignores it).
  virtual void hint(const Rect& area, std::string_view words) = 0;

  void line(Point from, Point to, const Stroke& stroke);
};

/// Width of one line of text in the font of the drawings ("DejaVu Sans", or what fontconfig puts in its place).
double text_width(std::string_view words, const TextStyle& style);

/// A finished drawing: its size, what it shows in words (title for screen readers), and the routine that draws it.
struct Figure {
  double width = 0, height = 0;
  std::string alt;
  std::function<void(Canvas&)> draw;
};

/// The figure as an SVG document. `standalone` adds the XML declaration and white paper; without it the result is an element
/// to put into a page, coloured by palette_css(), its pictures as JPEG of at most twice the pixels that they cover.
std::string to_svg(const Figure& figure, bool standalone = true);

/// The figure as a PNG of round(width * scale) x round(height * scale) pixels on white paper; the file states the density,
/// so that it prints at the size of the SVG. Throws kMemory/kInternal when cairo fails, naming its reason.
std::vector<std::byte> to_png(const Figure& figure, double scale = 2);

/// Writes STEM.svg and STEM.png, each under a temporary name first. `stem` has no extension.
void save_figure(const Figure& figure, const std::filesystem::path& stem);

}  // namespace sepia::report
