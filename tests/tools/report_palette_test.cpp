// The colours: readable on their page, and told apart by readers who do not see red and green as two.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <utility>

#include "tools/report/palette.h"

namespace sepia::report {
namespace {

using Vector = std::array<double, 3>;
using Matrix = std::array<Vector, 3>;

// Machado, Oliveira and Fernandes 2009, severity 1, on linear RGB.
constexpr Matrix kDeuteranopia = {{{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}}};
constexpr Matrix kProtanopia = {{{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}}};
constexpr Matrix kNormal = {{{1, 0, 0}, {0, 1, 0}, {0, 0, 1}}};

Vector linear(Rgb color) {
  const auto decode = [](std::uint8_t byte) {
    const double value = byte / 255.0;
    return value <= 0.04045 ? value / 12.92 : std::pow((value + 0.055) / 1.055, 2.4);
  };
  return {decode(color.r), decode(color.g), decode(color.b)};
}

Vector times(const Matrix& matrix, const Vector& v) {
  Vector out{};
  for (int i = 0; i < 3; ++i) out[i] = std::max(0.0, matrix[i][0] * v[0] + matrix[i][1] * v[1] + matrix[i][2] * v[2]);
  return out;
}

// CIE L*a*b*, D65.
Vector lab(const Vector& rgb) {
  constexpr Matrix kToXyz = {{{0.4124, 0.3576, 0.1805}, {0.2126, 0.7152, 0.0722}, {0.0193, 0.1192, 0.9505}}};
  const Vector xyz = times(kToXyz, rgb);
  const auto f = [](double t) { return t > 0.008856 ? std::cbrt(t) : 7.787 * t + 16.0 / 116; };
  const double x = f(xyz[0] / 0.95047), y = f(xyz[1]), z = f(xyz[2] / 1.08883);
  return {116 * y - 16, 500 * (x - y), 200 * (y - z)};
}

double distance(const Vector& a, const Vector& b) { return std::hypot(a[0] - b[0], std::hypot(a[1] - b[1], a[2] - b[2])); }

// WCAG 2 contrast ratio.
double contrast(Rgb a, Rgb b) {
  const auto luminance = [](Rgb color) {
    const Vector v = linear(color);
    return 0.2126 * v[0] + 0.7152 * v[1] + 0.0722 * v[2];
  };
  const double one = luminance(a) + 0.05, two = luminance(b) + 0.05;
  return std::max(one, two) / std::min(one, two);
}

TEST(ReportPalette, SeriesDifferForColourBlindReaders) {
  const std::pair<Ink, Ink> meet[] = {
      {Ink::kTrain, Ink::kVal}, {Ink::kTrain, Ink::kTest}, {Ink::kVal, Ink::kTest}, {Ink::kReal, Ink::kFake}, {Ink::kAccent, Ink::kTest}};
  for (const auto& [a, b] : meet) {
    for (const Matrix& eye : {kNormal, kDeuteranopia, kProtanopia}) {
      for (const auto color : {light_color, dark_color}) {
        EXPECT_GT(distance(lab(times(eye, linear(color(a)))), lab(times(eye, linear(color(b))))), 20) << ink_name(a) << " and " << ink_name(b);
      }
    }
  }
}

TEST(ReportPalette, TextAndCurvesStandOutFromThePage) {
  for (const Ink ink : {Ink::kText, Ink::kMuted, Ink::kAccent, Ink::kReal, Ink::kFake}) {
    EXPECT_GE(contrast(light_color(ink), light_color(Ink::kPaper)), 4.5) << ink_name(ink);
    EXPECT_GE(contrast(dark_color(ink), dark_color(Ink::kPaper)), 4.5) << ink_name(ink);
  }
  for (const Ink ink : {Ink::kTrain, Ink::kVal, Ink::kTest, Ink::kReference}) {
    EXPECT_GE(contrast(light_color(ink), light_color(Ink::kPaper)), 3) << ink_name(ink);
    EXPECT_GE(contrast(dark_color(ink), dark_color(Ink::kPaper)), 3) << ink_name(ink);
  }
}

TEST(ReportPalette, TheRampGetsDarkerStepByStep) {
  for (int step = 0; step + 1 < kRampSteps; ++step) {
    const Ink here = ramp_ink(step, kRampSteps), next = ramp_ink(step + 1, kRampSteps);
    EXPECT_NE(here, next);
    EXPECT_GT(lab(linear(light_color(here)))[0], lab(linear(light_color(next)))[0] + 3) << step;
    EXPECT_GT(lab(linear(dark_color(here)))[0], lab(linear(dark_color(next)))[0] + 3) << step;
  }
  EXPECT_EQ(ramp_ink(0, 40), Ink::kRamp0);
  EXPECT_EQ(ramp_ink(39, 40), Ink::kRamp7);
  EXPECT_EQ(ramp_ink(0, 1), Ink::kRamp0);
}

TEST(ReportPalette, EveryInkHasItsClassAndBothColours) {
  const std::string css = palette_css();
  for (int i = 0; i < kInkCount; ++i) {
    const std::string name = ink_name(static_cast<Ink>(i));
    for (const std::string& part : {"--" + name + ":" + hex(light_color(static_cast<Ink>(i))), "--" + name + ":" + hex(dark_color(static_cast<Ink>(i))),
                                    ".f-" + name + "{fill:var(--" + name + ")}", ".k-" + name + "{stroke:var(--" + name + ")}"}) {
      EXPECT_NE(css.find(part), std::string::npos) << part;
    }
  }
}

}  // namespace
}  // namespace sepia::report
