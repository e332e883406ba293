// Scoring loose pictures, and the folder that keeps the answers.
#pragma once

#include <array>
#include <cstddef>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "engine/explain/explain.h"
#include "engine/nn/module.h"
#include "models/model.h"

namespace sepia::tools {

/// What a model says of one file, or why it can say nothing.
struct PredictedPicture {
  std::string path;    ///< as given, or folder/name
  std::string sha256;  ///< of the file
  std::string error;   ///< not empty: the rest is not set
  Image image;         ///< as the network saw it
  std::array<double, 2> logits{};
  std::vector<double> outputs;  ///< of a network that is no detector of fakes; what else is here of logits and labels is not set then
  double prob_real = 0, prob_fake = 0;
  bool called_fake = false;
  Image overlay;             ///< the explanation laid over the picture, where one was asked for
  int explained_class = 0;   ///< the class it was called
  explain::Extremes map_range{};
  bool map_empty = false;
};

struct PredictOptions {
  int batch_size = 32;
  double threshold = 0.5;                          ///< called fake: a probability above it
  std::optional<explain::ExplainOptions> maps{};   ///< of detectors only: explains the class that a picture was called
};

/// The files that the arguments mean, in their order; a folder stands for the pictures in it (and below it when `recursive`), sorted by
/// path. Throws kPath when an argument does not exist or a folder cannot be read, kData when a folder holds no picture.
std::vector<std::string> pictures_under(const std::vector<std::string>& arguments, bool recursive);

/// Reads, scores and reports every file in order, `batch_size` at a time; memory does not grow with their number. A file that cannot
/// be used is reported with its error and the others go on.
void predict_pictures(nn::Module& model, const models::ModelSpec& spec, const std::vector<std::string>& files, const PredictOptions& options,
                      const std::function<void(const PredictedPicture&)>& report);

struct ClassProbability {
  std::size_t index = 0;
  double probability = 0;
};
/// The `count` most probable classes by the softmax of these outputs, the first of equals first.
std::vector<ClassProbability> most_probable(const std::vector<double>& outputs, std::size_t count);

/// The files that PredictionFolder writes.
std::initializer_list<std::string_view> prediction_files();

/// What a folder of predictions says of itself.
struct PredictionsAbout {
  std::string model{};           ///< "edgenet, RUN/best.safetensors"
  std::string weights_sha256{};  ///< of that file
  bool toy = false;              ///< trained on drawn faces
  std::string threshold_words{}; ///< how the threshold was chosen; may be empty
  std::size_t pictures = 0;      ///< how many there will be: what thumbnails may take depends on it
  std::vector<std::string> command{};
};

/// predictions.csv, predictions.jsonl and index.html in one folder. Nothing is written before finish().
class PredictionFolder {
 public:
  PredictionFolder(std::filesystem::path folder, const PredictionsAbout& about, const PredictOptions& options);
  ~PredictionFolder();
  void add(const PredictedPicture& picture, const std::string& json_line);
  /// Throws kPath.
  void finish();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace sepia::tools
