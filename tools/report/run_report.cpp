#include "tools/report/run_report.h"

#include <fmt/format.h>

#include <cmath>
#include <limits>
#include <nlohmann/json.hpp>
#include <sstream>

#include "data/faces_dataset.h"
#include "data/image_read.h"
#include "data/toy.h"
#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/metrics/evaluation.h"
#include "engine/train/history.h"
#include "engine/train/run_folder.h"
#include "models/model.h"
#include "tools/report/from_run.h"

namespace sepia::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();
constexpr std::uint64_t kMaxTextBytes = std::uint64_t{1} << 30;

std::string text_of(const fs::path& path) {
  const std::vector<std::byte> bytes = read_file(path, kMaxTextBytes);
  return {reinterpret_cast<const char*>(bytes.data()), bytes.size()};
}

Json json_of(const fs::path& path) {
  Json json = Json::parse(text_of(path), nullptr, false);
  SEPIA_CHECK_KIND(json.is_object(), ErrorKind::kData, path.string(), ": is damaged; train again or resume the run");
  return json;
}

/// The scored pictures of a run: predictions_test.csv, or predictions_val.csv when the data set has no test split.
struct Predictions {
  std::string split;
  std::vector<std::string> paths;
  std::vector<std::uint8_t> labels;
  std::vector<Logits2> logits;
};

Predictions predictions_of(const train::RunFolder& folder) {
  Predictions result;
  for (const char* split : {"test", "val"}) {
    const fs::path path = folder.predictions(split);
    if (!fs::exists(path)) continue;
    result.split = split;
    std::istringstream lines(text_of(path));
    std::string line;
    std::getline(lines, line);  // the names of the columns
    while (std::getline(lines, line)) {
      const std::vector<std::string> fields = csv_fields_of(line);
      SEPIA_CHECK_KIND(fields.size() == 5, ErrorKind::kData, path.string(), ": line '", line, "' has ", fields.size(), " fields instead of 5");
      result.paths.push_back(fields[0]);
      result.labels.push_back(fields[1] == "fake" ? kFake : kReal);
      result.logits.push_back({std::stod(fields[3]), std::stod(fields[4])});
    }
    break;
  }
  return result;
}

/// The epochs of log.jsonl and the best of them.
train::History history_of(const train::RunFolder& folder, const Json& log) {
  train::History history;
  std::istringstream lines(text_of(folder.log_lines()));
  for (std::string line; std::getline(lines, line);) history.epochs.push_back(train::epoch_from_json(line));
  if (log.contains("best_epoch") && log["best_epoch"].is_number()) history.best_epoch = log["best_epoch"].get<int>();
  return history;
}

Image picture_or_empty(const fs::path& path) {
  try {
    return read_image(path);
  } catch (const Error&) {
    return {};  // the data set has moved: the page then shows an empty box with the name
  }
}

void add_samples(ReportData& data, const fs::path& manifest, const fs::path& root) {
  constexpr int kEach = 4;
  int taken[2] = {0, 0};
  std::istringstream lines(text_of(manifest));
  std::string line;
  std::getline(lines, line);
  while (std::getline(lines, line) && (taken[0] < kEach || taken[1] < kEach)) {
    const std::vector<std::string> fields = csv_fields_of(line);
    if (fields.size() != 3) continue;
    const int label = fields[1] == "fake" ? kFake : kReal;
    if (taken[label]++ >= kEach) continue;
    data.samples.push_back({.picture = picture_or_empty(root / fields[0]), .path = fields[0], .label = label});
  }
}

std::string joined_command(const Json& words) {
  std::string text;
  for (const Json& word : words) {
    std::string w = word.get<std::string>();
    if (text.empty()) w = "sepia";
    const bool plain = !w.empty() && w.find_first_not_of("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_=./,:+@%") == std::string::npos;
    if (!plain) {
      std::string quoted = "'";
      for (const char c : w) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
      w = quoted + "'";
    }
    text += (text.empty() ? "" : " ") + w;
  }
  return text;
}

}  // namespace

void write_run_report(const fs::path& run) {
  const train::RunFolder folder{run};
  const Json config = json_of(folder.config()), log = json_of(folder.log());
  const Predictions predictions = predictions_of(folder);
  const fs::path root = config["config"].value("data", "");

  ReportData data;
  data.title = fmt::format("{} on {}", log.value("model", ""), root.filename().string());
  data.verdict = log["run"].value("verdict", "");
  data.outcome = outcome_of(data.verdict);
  std::error_code no_error;
  if (fs::exists(root, no_error) && is_toy_dataset(root)) data.notes.push_back("Trained on drawn toy faces: it says nothing about photographs.");
  data.parameters = models::make_model([&] {
                      models::ModelSpec spec = models::default_spec(log.value("model", ""));
                      spec.image_size = config["config"].value("image_size", 256);
                      spec.classes = 2;  // a run trains a detector, whatever the network's published weights are for
                      return spec;
                    }())->parameter_count();
  for (const auto& [name, split] : config["data"].items()) {
    data.splits.push_back({.name = name, .real = split.value("n_real", 0LL), .fake = split.value("n_fake", 0LL), .unreadable = 0});
  }
  add_samples(data, folder.manifest(), root);

  const train::History history = history_of(folder, log);
  data.health = layer_histories(history);
  MajorityLevel majority{.accuracy = kNan, .split = predictions.split};
  if (!predictions.paths.empty()) {
    const Evaluation evaluation = evaluate(predictions.logits, predictions.labels);
    majority.accuracy = evaluation.majority_accuracy.value.value_or(kNan);
    add_evaluation(data, evaluation, predictions.split,
                   {.paths = predictions.paths, .labels = predictions.labels, .logits = predictions.logits,
                    .picture = [&](std::size_t i) { return read_image(root / predictions.paths[i]); }});
    write_file_atomic(run / "curves.csv", curve_points_csv(evaluation));
  }
  data.history = run_history(history, log.value("model", ""), root.filename().string(), majority);
  for (const auto& [name, value] : config["config"].items()) data.settings.push_back({name, value.is_string() ? value.get<std::string>() : value.dump()});
  data.environment = {{"sepia", config.value("sepia_version", "")}, {"device", config.value("device_used", "")},
                      {"threads", std::to_string(config.value("threads_used", 0))}};
  data.commands = {joined_command(config["command"])};
  data.version = config.value("sepia_version", "");

  save_run_plots(data, run / "plots");
  write_file_atomic(run / "report.html", report_page(data));
}

}  // namespace sepia::report
