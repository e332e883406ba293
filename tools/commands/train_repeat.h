// sepia train --repeat K: one training with K seeds, and how far apart the results lie.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "engine/train/config.h"

namespace sepia::cli {

/// What marks the folder of a repeated training: {"repeat","seeds","command","config"}, and once all is done "runs" and "summary".
inline constexpr const char* kRepeatFile = "repeat.json";

struct RepeatOptions {
  int repeat = 1;
  bool resume = false;  ///< seeds that are done are only evaluated again, one that was stopped goes on, the others follow
  bool json = false;
  bool document_units = false;  ///< in the reports
  std::vector<std::string> command{};  ///< as typed
};

/// Trains with seeds config.seed .. config.seed + repeat - 1 into OUT/seed-N, each a run folder of its own. At the end mean, deviation and
/// range of every measure are printed and written to OUT/repeat.json, and OUT/report.html compares the runs. Returns the exit code: 0,
/// or that of a stop.
int run_repeated(train::TrainConfig config, const std::filesystem::path& out, const RepeatOptions& options);

}  // namespace sepia::cli
