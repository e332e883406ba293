// Private to data/: drawing with integers alone, so that toy pictures are the same on every machine.
//
// Lengths are in 1/16 pixel, coverage and opacity in 1/256. Shapes are given in face coordinates (u to the right, v down, origin
// at the middle of the face), which a Canvas scales and tilts onto its picture.
#pragma once

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstdlib>
#include <span>

#include "data/image.h"

namespace sepia::detail {

struct Colour {
  int r = 0, g = 0, b = 0;
};

/// a + (b - a) t / 256.
inline Colour mix(const Colour& a, const Colour& b, int t) {
  return {a.r + (b.r - a.r) * t / 256, a.g + (b.g - a.g) * t / 256, a.b + (b.b - a.b) * t / 256};
}
/// The colour times t / 256.
inline Colour scaled(const Colour& c, int t) {
  return {c.r * t / 256, c.g * t / 256, c.b * t / 256};
}

struct Point {
  int u = 0, v = 0;
};

/// The greatest integer whose square is at most n.
inline int integer_sqrt(std::int64_t n) {
  std::int64_t root = 0;
  for (std::int64_t bit = std::int64_t{1} << (std::bit_width(static_cast<std::uint64_t>(n)) / 2); bit > 0; bit >>= 1) {
    const std::int64_t candidate = root | bit;
    if (candidate * candidate <= n) root = candidate;
  }
  return static_cast<int>(root);
}

/// 256 well inside, 0 well outside, linear over `softness` around distance 0 (positive inside).
inline int coverage_of(int distance, int softness) {
  return std::clamp(128 + distance * 256 / softness, 0, 256);
}

struct Ellipse {
  int u = 0, v = 0, ru = 16, rv = 16;
  int softness = 20;  ///< width of its edge
  /// How much narrower than at the middle it is at its lowest (in 1/256 of ru): what makes an ellipse a head.
  int taper = 0;

  int coverage(Point p) const {
    const int dv = p.v - v;
    const int width = dv > 0 ? ru - ru * taper / 256 * std::min(dv, rv) / rv : ru;
    const std::int64_t x = std::int64_t{p.u - u} * 1024 / std::max(width, 1), y = std::int64_t{dv} * 1024 / rv;
    const std::int64_t square = x * x + y * y;
    if (square > std::int64_t{1} << 24) return 0;  // four radii away
    return coverage_of((1024 - integer_sqrt(square)) * std::min(ru, rv) / 1024, softness);
  }
  Point least() const { return {u - ru - softness, v - rv - softness}; }
  Point greatest() const { return {u + ru + softness, v + rv + softness}; }
};

/// A line through points, `radius` wide on each side, with round ends.
struct Stroke {
  std::span<const Point> points;
  int radius = 16;
  int softness = 20;

  int coverage(Point p) const {
    std::int64_t nearest = std::int64_t{1} << 40;
    for (std::size_t i = 0; i + 1 < points.size(); ++i) nearest = std::min(nearest, square_distance(p, points[i], points[i + 1]));
    return coverage_of(radius - integer_sqrt(nearest), softness);
  }
  Point least() const {
    Point m = points[0];
    for (const Point& p : points) m = {std::min(m.u, p.u), std::min(m.v, p.v)};
    return {m.u - radius - softness, m.v - radius - softness};
  }
  Point greatest() const {
    Point m = points[0];
    for (const Point& p : points) m = {std::max(m.u, p.u), std::max(m.v, p.v)};
    return {m.u + radius + softness, m.v + radius + softness};
  }

 private:
  static std::int64_t square_distance(Point p, Point a, Point b) {
    const std::int64_t du = b.u - a.u, dv = b.v - a.v, pu = p.u - a.u, pv = p.v - a.v;
    const std::int64_t length = du * du + dv * dv;
    const std::int64_t along = length == 0 ? 0 : std::clamp((pu * du + pv * dv) * 256 / length, std::int64_t{0}, std::int64_t{256});
    const std::int64_t u = pu - du * along / 256, v = pv - dv * along / 256;
    return u * u + v * v;
  }
};

/// A picture with a place for a face in it.
class Canvas {
 public:
  struct Place {
    int x = 128 * 16, y = 128 * 16;  ///< of the face's middle, in 1/16 pixel
    int scale = 256;                 ///< of the face, in 1/256
    int tilt = 0;                    ///< clockwise, tangent in 1/1024
  };

  Canvas(Image& image, const Place& place) : image_(image), place_(place) {}

  /// Face coordinates of a pixel's middle.
  Point at(int x, int y) const {
    const int dx = (x * 16 + 8 - place_.x) * 256 / place_.scale, dy = (y * 16 + 8 - place_.y) * 256 / place_.scale;
    return {dx + dy * place_.tilt / 1024, dy - dx * place_.tilt / 1024};
  }

  /// Blends colour(p) over the shape where clip(p) (0..256) allows, both in face coordinates.
  template <class Shape, class ColourAt, class Clip>
  void fill(const Shape& shape, int opacity, const ColourAt& colour, const Clip& clip) {
    const Point least = shape.least(), greatest = shape.greatest();
    // The tilt moves a point by at most a quarter of its distance from the middle.
    const int slack =
        std::max({std::abs(least.u), std::abs(least.v), std::abs(greatest.u), std::abs(greatest.v)}) * std::abs(place_.tilt) / 1024;
    const auto pixel = [&](int value, int origin) { return (origin + value * place_.scale / 256) / 16; };
    const int x0 = std::max(0, pixel(least.u - slack, place_.x) - 1), x1 = std::min(image_.width, pixel(greatest.u + slack, place_.x) + 2);
    const int y0 = std::max(0, pixel(least.v - slack, place_.y) - 1), y1 = std::min(image_.height, pixel(greatest.v + slack, place_.y) + 2);
    for (int y = y0; y < y1; ++y) {
      for (int x = x0; x < x1; ++x) {
        const Point p = at(x, y);
        const int covered = shape.coverage(p);
        if (covered == 0) continue;
        const int alpha = covered * opacity / 256 * clip(p) / 256;
        if (alpha == 0) continue;
        const Colour c = colour(p);
        std::uint8_t* out = image_.pixel(x, y);
        out[0] = blend(out[0], c.r, alpha);
        out[1] = blend(out[1], c.g, alpha);
        out[2] = blend(out[2], c.b, alpha);
      }
    }
  }
  template <class Shape, class ColourAt>
  void fill(const Shape& shape, int opacity, const ColourAt& colour) {
    fill(shape, opacity, colour, [](Point) { return 256; });
  }
  template <class Shape>
  void fill(const Shape& shape, const Colour& colour, int opacity = 256) {
    fill(shape, opacity, [&](Point) { return colour; });
  }

 private:
  static std::uint8_t blend(int under, int over, int alpha) {
    return static_cast<std::uint8_t>(std::clamp((under * (256 - alpha) + over * alpha + 128) / 256, 0, 255));
  }

  Image& image_;
  Place place_;
};

}  // namespace sepia::detail
