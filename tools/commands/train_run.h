// One training run as `sepia train` and `sepia demo` do it: settings on disk, pictures checked, progress shown, report drawn.
#pragma once

#include <filesystem>
#include <initializer_list>
#include <nlohmann/json.hpp>
#include <string>
#include <string_view>
#include <vector>

#include "engine/train/trainer.h"

namespace sepia::cli {

struct TrainRunOptions {
  bool resume = false;
  bool document_units = false;             ///< in the report
  std::vector<std::string> command{};  ///< as typed, for "how to reproduce"
};

struct TrainResult {
  train::TrainConfig config;
  train::TrainOutcome outcome;
  double seconds = 0;
};

/// The names of everything a run writes into its folder: what --overwrite removes first.
std::initializer_list<std::string_view> run_files();

/// Trains and fills `out` (which exists): config.json first, then what the trainer writes, at the end plots and report.html.
TrainResult run_training(const train::TrainConfig& config, const std::filesystem::path& out, const TrainRunOptions& options);

/// The three controls of engine/train/self_test.h with these settings, told on stderr as they end and, with `json`, on stdout:
/// {"model","passed","controls":[{"name","passed","figure","lowest","highest","steps","finding"}],"faulty_part"}. Writes no file.
/// True when all passed.
bool run_self_test(const train::TrainConfig& config, bool json);

/// A run that was refused before its first step (wrong folder, bad pictures) holds nothing but `settings`: without it the corrected
/// command can use the same folder. Where there is more, nothing is touched.
void forget_unstarted(const std::filesystem::path& out, const std::filesystem::path& settings);

/// What --json prints: {"run","model","epochs","best_epoch","verdict","interrupted","seconds","evaluated_split","auc","accuracy"}.
nlohmann::ordered_json result_json(const TrainResult& result, const std::filesystem::path& out);

}  // namespace sepia::cli
