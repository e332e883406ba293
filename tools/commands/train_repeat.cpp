#include "tools/commands/train_repeat.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/metrics/spread.h"
#include "engine/train/run_folder.h"
#include "tools/cli/json.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/signals.h"
#include "tools/commands/train_run.h"
#include "tools/report/comparison.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// The command that gives one of the runs by itself: as typed, with its own folder and seed.
std::vector<std::string> command_of(const std::vector<std::string>& typed, const fs::path& folder, std::uint64_t seed) {
  std::vector<std::string> words;
  for (std::size_t i = 0; i < typed.size(); ++i) {
    const std::string& word = typed[i];
    const std::string name = word.substr(0, word.find('='));
    if (name == "--overwrite" || name == "--json") continue;
    if (name == "--repeat" || name == "--out" || name == "--seed") {
      if (name == word) ++i;  // its value is a word of its own
      continue;
    }
    words.push_back(word);
  }
  words.insert(words.end(), {"--out", folder.string(), "--seed", std::to_string(seed)});
  return words;
}

Json spread_json(const Spread& spread) {
  Json json = {{"n", spread.n}, {"mean", spread.mean}, {"deviation", nullptr}, {"low", spread.low}, {"high", spread.high}};
  if (spread.deviation) {
    json["deviation"] = *spread.deviation;
  } else {
    json["deviation_reason"] = "one run";
  }
  return json;
}

/// "auc 0.8421, deviation 0.0310, 0.8010 to 0.8800".
void print_spread(const std::string& name, const Spread& spread) {
  fmt::print(stderr, "  {:<20} mean {:.4f}{}, {:.4f} to {:.4f}\n", name, spread.mean, spread.deviation ? fmt::format(", deviation {:.4f}", *spread.deviation) : "",
             spread.low, spread.high);
}

/// One seed; nothing of it is kept when it was refused before its first step.
TrainResult train_seed(const train::TrainConfig& config, const fs::path& folder, const RepeatOptions& options) {
  const bool begun = options.resume && fs::exists(train::RunFolder{folder}.config());
  if (!begun) claim_output_folder(folder, true, run_files());
  try {
    return run_training(config, folder, {.resume = begun, .document_units = options.document_units, .command = command_of(options.command, folder, config.seed)});
  } catch (const Error&) {
    if (!begun) forget_unstarted(folder, train::RunFolder{folder}.config());
    throw;
  }
}

}  // namespace

int run_repeated(train::TrainConfig config, const fs::path& out, const RepeatOptions& options) {
  const fs::path file = out / kRepeatFile;
  const std::uint64_t first = config.seed;
  Json json = {{"repeat", options.repeat}, {"seeds", Json::array()}, {"command", options.command}, {"config", Json::parse(train::config_to_json(config))}};
  for (int k = 0; k < options.repeat; ++k) json["seeds"].push_back(first + static_cast<std::uint64_t>(k));
  if (!options.resume) write_file_atomic(file, json.dump(2) + "\n");

  std::vector<TrainResult> results;
  std::vector<fs::path> folders;
  for (int k = 0; k < options.repeat; ++k) {
    config.seed = first + static_cast<std::uint64_t>(k);
    folders.push_back(out / fmt::format("seed-{}", config.seed));
    fmt::print(stderr, "seed {} ({} of {})\n", config.seed, k + 1, options.repeat);
    try {
      results.push_back(train_seed(config, folders.back(), options));
    } catch (const Error&) {
      if (k == 0 && !options.resume) forget_unstarted(out, file);
      throw;
    }
    if (results.back().outcome.interrupted) {
      fmt::print(stderr, "{} of {} seeds are done; go on with all: sepia train --resume {}\n", k, options.repeat, out.string());
      return stop_exit_code();
    }
  }

  std::vector<const Evaluation*> evaluations;
  json["runs"] = Json::array();
  for (std::size_t k = 0; k < results.size(); ++k) {
    json["runs"].push_back(result_json(results[k], folders[k]));
    if (results[k].outcome.evaluation) evaluations.push_back(&*results[k].outcome.evaluation);
  }
  json["summary"] = Json::object();
  const std::string split = results.front().outcome.evaluated_split;
  fmt::print(stderr, "{} seeds{}:\n", results.size(), split.empty() ? "" : ", on " + split);
  for (const auto& [name, spread] : spreads_of(evaluations)) {
    json["summary"][name] = spread_json(spread);
    print_spread(name, spread);
  }
  write_file_atomic(file, json.dump(2) + "\n");
  report::Comparison comparison = report::compare_runs(folders, options.document_units);
  comparison.title = fmt::format("{} with {} seeds", config.model, results.size());
  report::write_comparison(comparison, out);
  fmt::print(stderr, "open {}\n", (out / "report.html").string());
  if (options.json) print_json(json);
  return 0;
}

}  // namespace sepia::cli
