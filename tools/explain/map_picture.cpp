#include "tools/explain/map_picture.h"

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"
#include "tools/cli/numbers.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

double largest_of(const explain::Map& map) { return map.values.empty() ? 0 : explain::extremes(map).magnitude(); }

/// The magnitude that all but the largest half percent of values stay below.
double shown_magnitude(const explain::Map& map) {
  if (map.values.empty()) return 0;
  std::vector<float> sizes = explain::magnitudes(map).values;
  const auto place = sizes.begin() + static_cast<std::ptrdiff_t>((sizes.size() - 1) * 199 / 200);
  std::ranges::nth_element(sizes, place);
  return *place > 0 ? *place : largest_of(map);
}

}  // namespace

ColorScale ColorScale::up_to(double magnitude, bool is_signed) {
  return {.low = is_signed ? -magnitude : 0, .high = magnitude, .colors = is_signed ? ColorMap::kDiverging : ColorMap::kSequential};
}

ScaleRule ScaleRule::parse(const std::string& text) {
  if (text == "image") return {Kind::kImage, 1};
  if (text == "shared") return {Kind::kShared, 1};
  SEPIA_CHECK(!text.empty() && text.find_first_not_of("0123456789.eE+-") == std::string::npos, "--scale ", text, ": must be image, shared or a number above 0");
  return {Kind::kFixed, cli::parse_real("--scale", text, cli::kPositive)};
}

std::vector<ColorScale> color_scales(const std::vector<const explain::Map*>& maps, const ScaleRule& rule, const explain::MethodFacts& method) {
  std::vector<double> ends;
  for (const explain::Map* map : maps) ends.push_back(method.cam ? largest_of(*map) : shown_magnitude(*map));
  const double of_all = ends.empty() ? 0 : *std::ranges::max_element(ends);
  std::vector<ColorScale> scales;
  double largest = 0;
  for (const explain::Map* map : maps) largest = std::max(largest, largest_of(*map));
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const double end = rule.kind == ScaleRule::Kind::kImage ? ends[i] : rule.kind == ScaleRule::Kind::kShared ? of_all : rule.value;
    scales.push_back(ColorScale::up_to(end, method.is_signed));
    scales.back().saturates = end < (rule.kind == ScaleRule::Kind::kImage ? largest_of(*maps[i]) : largest);
  }
  return scales;
}

std::string saturation_words(const ColorScale& scale, const std::vector<const explain::Map*>& maps) {
  if (!scale.saturates) return "";
  double largest = 0;
  for (const explain::Map* map : maps) largest = std::max(largest, largest_of(*map));
  return "Colours end at " + report::number_text(scale.high, 3) + "; the largest value is " + report::number_text(largest, 3) + ".";
}

Image painted(const explain::Map& map, const ColorScale& scale) {
  Image image(static_cast<int>(map.width), static_cast<int>(map.height));
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    const report::Rgb color = color_at(scale.colors, scale.place(map.values[i]));
    std::copy_n(std::array{color.r, color.g, color.b}.begin(), 3, image.rgb.begin() + static_cast<std::ptrdiff_t>(3 * i));
  }
  return image;
}

Image overlaid(const Image& picture, const explain::Map& map, const ColorScale& scale, double opacity) {
  SEPIA_CHECK_KIND(picture.width == map.width && picture.height == map.height, ErrorKind::kInternal, "[overlay] a map of ", map.height, "x", map.width,
                   " over a picture of ", picture.height, "x", picture.width);
  Image result(picture.width, picture.height);
  const bool empty = explain::is_empty(map);
  for (std::size_t i = 0; i < map.values.size(); ++i) {
    const std::uint8_t* rgb = picture.rgb.data() + 3 * i;
    const double grey = 0.2126 * rgb[0] + 0.7152 * rgb[1] + 0.0722 * rgb[2];  // Rec. 709 luma
    const report::Rgb color = color_at(scale.colors, scale.place(map.values[i]));
    const double share = empty ? 0 : opacity;
    const double mixed[] = {color.r * share + grey * (1 - share), color.g * share + grey * (1 - share), color.b * share + grey * (1 - share)};
    for (std::size_t c = 0; c < 3; ++c) result.rgb[3 * i + c] = static_cast<std::uint8_t>(std::lround(mixed[c]));
  }
  return result;
}

report::MapLegend map_legend_of(const ColorScale& scale, const std::string& low, const std::string& high) {
  report::MapLegend legend{.colors = Image(192, 1), .low = low, .high = high};
  for (int x = 0; x < legend.colors.width; ++x) {
    const report::Rgb color = color_at(scale.colors, x / static_cast<double>(legend.colors.width - 1));
    std::copy_n(std::array{color.r, color.g, color.b}.begin(), 3, legend.colors.pixel(x, 0));
  }
  return legend;
}

Image blank(int width, int height) {
  Image image(width, height);
  std::ranges::fill(image.rgb, std::uint8_t{0xF3});
  return image;
}

}  // namespace sepia::tools
