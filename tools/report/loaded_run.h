// A run folder read back: what reports are made from.
#pragma once

#include <cstdint>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/metrics/evaluation.h"
#include "engine/train/history.h"

namespace sepia::report {

/// The scored pictures of a run: predictions_test.csv, or predictions_val.csv when the data set has no test split.
struct ScoredSplit {
  std::string split;  ///< empty when there are no predictions (yet)
  std::vector<std::string> paths;
  std::vector<std::uint8_t> labels;
  std::vector<Logits2> logits;
};

struct LoadedRun {
  std::filesystem::path folder;
  nlohmann::ordered_json config;  ///< config.json
  nlohmann::ordered_json log;     ///< log.json
  train::History history;         ///< log.jsonl
  ScoredSplit predictions;
  std::optional<Evaluation> evaluation;  ///< of the predictions

  std::string model() const;
  std::filesystem::path data() const;  ///< the data set's folder
  std::string dataset() const;         ///< its name
};

/// Reads RUN's files. kPath or kData, naming the file, when one is missing or damaged.
LoadedRun load_run(const std::filesystem::path& run);

/// The run folders that an argument means: itself, or those of a repeated training (RUN/repeat.json names the seeds), in their order.
/// kPath when it is neither.
std::vector<std::filesystem::path> run_folders_of(const std::filesystem::path& argument);

/// A value of config.json for people: strings without quotes.
std::string setting_text(const nlohmann::ordered_json& value);

}  // namespace sepia::report
