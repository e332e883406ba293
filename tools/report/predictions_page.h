// The page that `sepia predict` leaves beside its CSV: one row per picture.
#pragma once

#include <string>
#include <vector>

#include "data/image.h"
#include "tools/report/html.h"

namespace sepia::report {

/// What the model said about one file. A file that could not be read has an `error` and nothing else but its path (and its
/// SHA-256, when the bytes at least could be read).
struct Prediction {
  std::string path;
  std::string sha256;
  Image thumbnail;         ///< any size; the page shrinks it
  std::string label;       ///< "real" or "fake"
  double prob_fake = 0;
  std::string verdict;     ///< "fake", "real" or "inconclusive" where there is a calibrated verdict; empty otherwise
  std::string error;
};

/// Everything the page shows; all texts are plain.
struct PredictionsPage {
  std::string title;               ///< the folder or "3 pictures"
  std::string model;               ///< "edgenet, RUN/best.safetensors"
  std::vector<std::string> notes;  ///< what a reader must know ("the weights were trained on toy data")
  std::vector<Prediction> predictions;
  std::vector<Setting> settings;
  std::vector<std::string> commands;
  std::string version;
};

/// One self-contained HTML document: counts, the distribution of the scores, and a table that sorts by a click on its heads.
std::string predictions_page(const PredictionsPage& page);

}  // namespace sepia::report
