#include "tools/explain/color_map.h"

#include <algorithm>
#include <cmath>
#include <span>
#include <vector>

namespace sepia::tools {
namespace {

using report::Rgb;

constexpr Rgb kNightToParchment[] = {{0x12, 0x0E, 0x26}, {0x3F, 0x27, 0x5C}, {0x86, 0x2F, 0x5E}, {0xC2, 0x4E, 0x42}, {0xE3, 0x8B, 0x33}, {0xF3, 0xCB, 0x66}, {0xFD, 0xF5, 0xD8}};
constexpr Rgb kBlueToPaper[] = {{0x11, 0x3A, 0x63}, {0x2A, 0x6F, 0x97}, {0x93, 0xBF, 0xDB}, {0xF4, 0xF1, 0xEC}};
constexpr Rgb kPaperToRed[] = {{0xF4, 0xF1, 0xEC}, {0xEA, 0xA4, 0x90}, {0xB8, 0x43, 0x2F}, {0x73, 0x1B, 0x12}};

double to_linear(std::uint8_t channel) {
  const double v = channel / 255.0;
  return v <= 0.04045 ? v / 12.92 : std::pow((v + 0.055) / 1.055, 2.4);
}

std::uint8_t from_linear(double v) {
  v = std::clamp(v, 0.0, 1.0);
  const double coded = v <= 0.0031308 ? 12.92 * v : 1.055 * std::pow(v, 1 / 2.4) - 0.055;
  return static_cast<std::uint8_t>(std::lround(255 * coded));
}

double distance(const OkLab& x, const OkLab& y) { return std::hypot(x.l - y.l, x.a - y.a, x.b - y.b); }

/// `count` colours at equal distances along the line through the anchors, both ends included.
std::vector<Rgb> walked(std::span<const Rgb> anchors, std::size_t count) {
  std::vector<OkLab> points;
  std::vector<double> along{0};
  for (const Rgb& anchor : anchors) {
    points.push_back(to_oklab(anchor));
    if (points.size() > 1) along.push_back(along.back() + distance(points[points.size() - 2], points.back()));
  }
  std::vector<Rgb> colors;
  for (std::size_t i = 0; i < count; ++i) {
    const double place = along.back() * static_cast<double>(i) / static_cast<double>(count - 1);
    std::size_t k = 1;
    while (k + 1 < along.size() && along[k] < place) ++k;
    const double share = (place - along[k - 1]) / (along[k] - along[k - 1]);
    const OkLab &from = points[k - 1], &to = points[k];
    colors.push_back(from_oklab({from.l + share * (to.l - from.l), from.a + share * (to.a - from.a), from.b + share * (to.b - from.b)}));
  }
  return colors;
}

std::array<Rgb, 256> sequential() {
  std::array<Rgb, 256> colors;
  std::ranges::copy(walked(kNightToParchment, colors.size()), colors.begin());
  return colors;
}

std::array<Rgb, 256> diverging() {
  std::array<Rgb, 256> colors;
  std::ranges::copy(walked(kBlueToPaper, 128), colors.begin());
  std::ranges::copy(walked(kPaperToRed, 128), colors.begin() + 128);
  return colors;
}

}  // namespace

// The two matrices of Ottosson's page, sRGB's primaries.
OkLab to_oklab(Rgb color) {
  const double r = to_linear(color.r), g = to_linear(color.g), b = to_linear(color.b);
  const double l = std::cbrt(0.4122214708 * r + 0.5363325363 * g + 0.0514459929 * b);
  const double m = std::cbrt(0.2119034982 * r + 0.6806995451 * g + 0.1073969566 * b);
  const double s = std::cbrt(0.0883024619 * r + 0.2817188376 * g + 0.6299787005 * b);
  return {0.2104542553 * l + 0.7936177850 * m - 0.0040720468 * s, 1.9779984951 * l - 2.4285922050 * m + 0.4505937099 * s,
          0.0259040371 * l + 0.7827717662 * m - 0.8086757660 * s};
}

Rgb from_oklab(const OkLab& color) {
  const auto cube = [](double v) { return v * v * v; };
  const double l = cube(color.l + 0.3963377774 * color.a + 0.2158037573 * color.b);
  const double m = cube(color.l - 0.1055613458 * color.a - 0.0638541728 * color.b);
  const double s = cube(color.l - 0.0894841775 * color.a - 1.2914855480 * color.b);
  return {from_linear(4.0767416621 * l - 3.3077115913 * m + 0.2309699292 * s), from_linear(-1.2684380046 * l + 2.6097574011 * m - 0.3413193965 * s),
          from_linear(-0.0041960863 * l - 0.7034186147 * m + 1.7076147010 * s)};
}

const std::array<Rgb, 256>& colors_of(ColorMap map) {
  static const std::array<Rgb, 256> kSequentialColors = sequential(), kDivergingColors = diverging();
  return map == ColorMap::kSequential ? kSequentialColors : kDivergingColors;
}

Rgb color_at(ColorMap map, double t) { return colors_of(map)[static_cast<std::size_t>(std::lround(255 * std::clamp(t, 0.0, 1.0)))]; }

}  // namespace sepia::tools
