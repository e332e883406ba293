// The document's Figures 7 and 8 from a split of a data set: the grid of 36 samples, mean maps by class beside their control, overlays.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "models/model.h"
#include "tools/explain/explain_pictures.h"
#include "tools/explain/map_picture.h"
#include "tools/report/canvas.h"

namespace sepia::tools {

struct FigureOptions {
  explain::ExplainOptions explain{};
  ClassRule class_rule = ClassRule::kTrue;
  ScaleRule scale{.kind = ScaleRule::Kind::kShared};
  std::uint64_t seed = 0;  ///< which samples; the control's weights
  int batch_size = 8;
  std::filesystem::path out{};  ///< FIGURE.METHOD.svg and .png go there; empty: nothing is written
  double mean_cell = 256;     ///< side of a mean map in the drawing
  bool notes_below = true;    ///< false leaves the notes to a page, which breaks their lines to its own width
  std::function<void(std::size_t done, std::size_t total)> progress{};
};

/// A split and the model that judges it.
struct FigureSource {
  nn::Module& model;
  const models::ModelSpec& spec;
  const Dataset& dataset;
};

/// A figure, and what is said of it.
struct DrawnFigure {
  report::Figure figure;
  std::vector<std::string> notes;  ///< what a reader must know
  nlohmann::ordered_json index;    ///< what goes into index.json
};

/// `count` samples of the data set (of one class unless label is -1), chosen by the seed, in the order of the data set.
std::vector<std::size_t> chosen_samples(const Dataset& dataset, std::size_t count, std::uint64_t seed, int label = -1);

/// The pictures of these samples, read by several threads.
std::vector<PictureToExplain> read_samples(const Dataset& dataset, const std::vector<std::size_t>& samples, ClassRule rule);

/// 36 samples, each beside its map. The index lists the samples in reading order.
DrawnFigure draw_grid36(const FigureSource& source, const FigureOptions& options);

/// Real and fake samples under their maps.
DrawnFigure draw_overlays(const FigureSource& source, const FigureOptions& options);

/// The mean map of all real and of all fake pictures; below them the control: the same from re-drawn weights. Writes the means as .npy too.
/// The index has hotspots, period and the rank correlation of each mean with its control.
DrawnFigure draw_means(const FigureSource& source, const FigureOptions& options);

}  // namespace sepia::tools
