// The page that `sepia predict` leaves beside its CSV: one row per picture.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "tools/report/html.h"
#include "tools/report/maps_section.h"

namespace sepia::report {

/// What the model said about one file. A file that could not be read has an `error` and nothing else but its path (and its
/// SHA-256, when the bytes at least could be read).
struct Prediction {
  std::string path;
  std::string sha256;
  Thumbnail thumbnail;
  std::string label;       ///< "real" or "fake"
  double prob_fake = 0;
  std::string verdict;     ///< "fake", "real" or "inconclusive" where there is a calibrated verdict; empty otherwise
  std::string error;
  Thumbnail map{};         ///< an explanation laid over the picture
  std::string map_words{}; ///< "map for fake", "map for fake: empty"
};

/// Everything the page shows; all texts are plain.
struct PredictionsPage {
  std::string title;               ///< the folder or "3 pictures"
  std::string model;               ///< "edgenet, RUN/best.safetensors"
  std::vector<std::string> notes;  ///< what a reader must know ("the weights were trained on toy data")
  std::vector<Prediction> predictions;
  double threshold = 0.5;          ///< above it a picture is called fake
  std::string threshold_words;     ///< how it was chosen; may be empty
  std::string map_words;           ///< method, layer and class of the maps; empty: there are none
  MapLegend map_legend;
  std::vector<Setting> settings;
  std::vector<std::string> commands;
  std::string version;
};

/// How many bytes each thumbnail may take, so that a page of 2,000 pictures, with a map for each or without, stays below 20 MB; longer lists grow
/// beyond that with thumbnails of 1,200 bytes.
std::size_t thumbnail_bytes(std::size_t pictures, bool maps);

/// One self-contained HTML document: counts, the distribution of the scores, and a table that sorts by a click on its heads, each picture
/// beside its map.
std::string predictions_page(const PredictionsPage& page);

}  // namespace sepia::report
