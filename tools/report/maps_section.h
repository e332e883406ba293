// The part of a run's page that shows what its network looks at. The maps come from outside (tools/explain); here they are laid out.
#pragma once

#include <cstddef>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "data/image.h"
#include "tools/report/canvas.h"

namespace sepia::report {

/// An explanation laid over its picture. Both are empty where there is none.
struct MapOverlay {
  Image picture;
  std::string words;  ///< "map for fake", "map for fake: empty"
};

/// A picture beside its map.
struct ExplainedSample {
  Image picture, map;
  std::string path;
  int label = 0;
  std::string words;  ///< what the map is of, below it
};

/// Colours and the numbers at their ends.
struct MapLegend {
  Image colors;  ///< one row
  std::string low, high;
};

/// What a run's report shows of its network's explanations.
struct RunMaps {
  std::string missing;                         ///< why there are none; the rest is empty then
  std::map<std::size_t, MapOverlay> overlays;  ///< by the place in the list of evaluated pictures
  std::string overlay_words;                   ///< which method, layer and class, and what the colours mean
  MapLegend overlay_legend;
  std::vector<ExplainedSample> samples;
  std::string sample_words;
  MapLegend sample_legend;
  std::optional<Figure> means;  ///< mean maps by class, and their control
  std::vector<std::string> mean_words;
  std::vector<std::string> commands;  ///< what draws them in full
};

/// <section id="maps">: samples beside their maps, mean maps and control, commands. Empty when there is nothing to show.
std::string maps_section(const RunMaps& maps);

/// The colours as a bar between its two numbers; empty without colours.
std::string map_legend(const MapLegend& legend);

/// The overlay as <img> with its words below; empty without a picture. `alt` names the picture.
std::string map_overlay(const MapOverlay& map, const std::string& alt);

}  // namespace sepia::report
