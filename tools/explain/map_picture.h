// Maps as pictures: painted, and laid over what they explain.
#pragma once

#include <string>
#include <vector>

#include "data/image.h"
#include "engine/explain/map.h"
#include "engine/explain/method.h"
#include "tools/explain/color_map.h"
#include "tools/report/maps_section.h"

namespace sepia::tools {

/// Which values the first and the last colour stand for.
struct ColorScale {
  double low = 0, high = 1;
  ColorMap colors = ColorMap::kSequential;
  bool saturates = false;  ///< some values lie beyond the ends

  /// The colour's place in [0, 1]; the first colour's when low and high are equal.
  double place(double value) const { return high > low ? (value - low) / (high - low) : 0; }
  /// The first colour is zero and the last `magnitude`; for maps of both signs the first is -magnitude.
  static ColorScale up_to(double magnitude, bool is_signed);
};

/// What --scale says.
struct ScaleRule {
  enum class Kind { kImage, kShared, kFixed } kind = Kind::kImage;
  double value = 1;  ///< kFixed: what the last colour stands for

  /// "image", "shared" or a number above zero. Throws kUsage.
  static ScaleRule parse(const std::string& text);
};

/// The scale of each map: its own largest magnitude, the largest of all, or the fixed value. Maps of single pixels (not those of layers) hold
/// a few values far above all others: of each, the largest half percent is not counted, and those pixels take the last colour.
std::vector<ColorScale> color_scales(const std::vector<const explain::Map*>& maps, const ScaleRule& rule, const explain::MethodFacts& method);

/// "Colours end at 0.002, the largest value is 0.013."; empty when no value lies beyond the scale.
std::string saturation_words(const ColorScale& scale, const std::vector<const explain::Map*>& maps);

/// The map in colours, one pixel per value.
Image painted(const explain::Map& map, const ColorScale& scale);

/// The picture in grey under the colours of the map, which must be of its size; an empty map leaves the grey picture.
Image overlaid(const Image& picture, const explain::Map& map, const ColorScale& scale, double opacity = 0.6);

/// The scale as a bar of one row, with words for its ends.
report::MapLegend map_legend_of(const ColorScale& scale, const std::string& low, const std::string& high);

/// A picture as large as the others for a map with nothing in it: paper, so that it cannot be taken for a low value.
Image blank(int width, int height);

}  // namespace sepia::tools
