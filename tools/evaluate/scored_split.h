// A split scored by a model, and what is made of it: the working part of `sepia eval`.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/metrics/evaluation.h"
#include "engine/nn/module.h"
#include "models/model.h"

namespace sepia::tools {

struct ScoreOptions {
  int batch_size = 32, workers = 2;
  double threshold = 0.5;
  std::uint64_t seed = 0;       ///< of the bootstrap
  int bootstrap_replicates = 2000;
  std::string group_by{};       ///< a regular expression: pictures whose paths share what it finds are judged together; empty: each by itself
  std::function<void(std::size_t done)> progress{};
};

struct ScoredSplit {
  std::vector<std::string> paths;      ///< of pictures, or names of groups
  std::vector<std::uint8_t> labels;
  std::vector<Logits2> logits;
  std::vector<std::size_t> pictures;   ///< in each group; empty without groups
  Evaluation evaluation;
};

/// Scores every picture of the data set and evaluates the answers. Errors are those of the pictures and of group_scores.
ScoredSplit score_split(nn::Module& model, const models::ModelSpec& spec, const Dataset& dataset, const ScoreOptions& options);

}  // namespace sepia::tools
