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
#include "engine/io/safetensors.h"
#include "engine/train/run_folder.h"
#include "engine/train/thresholds.h"
#include "models/model.h"
#include "tools/report/from_run.h"
#include "tools/report/loaded_run.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kNan = std::numeric_limits<double>::quiet_NaN();

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
  const std::vector<std::byte> bytes = read_file(manifest, std::uint64_t{1} << 30);
  std::istringstream lines(std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()));
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

/// The thresholds that the training chose, on the pictures of the run's predictions.
void add_thresholds(ReportData& data, const LoadedRun& run) {
  const fs::path best = train::RunFolder{run.folder}.best();
  try {
    const train::StoredThresholds stored = train::thresholds_from_metadata(SafetensorsFile::open(best).metadata(), best.string());
    data.thresholds_reason = stored.reason;
    for (const ChosenThreshold& chosen : stored.rules) {
      data.thresholds.push_back({.rule = chosen.rule.name(), .words = chosen.rule.words(), .threshold = chosen.threshold, .chosen_on = chosen.counts,
                                 .measured = confusion(run.predictions.logits, run.predictions.labels, chosen.threshold)});
    }
  } catch (const Error& error) {
    data.thresholds_reason = error.what();  // the report of a run whose weights have gone
  }
}

/// The maps of the pictures that the page will show, and the rest of what explains the run.
RunMaps maps_of(const LoadedRun& run, const RunReportOptions& options) {
  if (!options.explain) return {};
  std::vector<std::size_t> shown = surest_hits(run.predictions.labels, run.predictions.logits, kShownPictures);
  const std::vector<std::size_t> mistakes = worst_mistakes(run.predictions.labels, run.predictions.logits, kShownPictures);
  shown.insert(shown.end(), mistakes.begin(), mistakes.end());
  try {
    return options.explain(run, shown);
  } catch (const Error& error) {
    RunMaps none;
    none.missing = error.what();
    return none;
  }
}

}  // namespace

void write_run_report(const fs::path& run, const RunReportOptions& options) {
  const LoadedRun loaded = load_run(run);
  const Json& config = loaded.config;
  const ScoredSplit& predictions = loaded.predictions;
  const fs::path root = loaded.data();
  const Json splits = config.value("data", Json::object()), libraries = config.value("library_versions", Json::object());

  ReportData data;
  data.title = fmt::format("{} on {}", loaded.model(), loaded.dataset());
  data.verdict = loaded.log["run"].value("verdict", "");
  data.outcome = outcome_of(data.verdict);
  std::error_code no_error;
  if (fs::exists(root, no_error) && is_toy_dataset(root)) data.notes.push_back("Trained on drawn toy faces: it says nothing about photographs.");
  if (config["config"].value("fakes", "files") == "blend") {
    data.notes.push_back("The fakes of train are its real faces blended with themselves, made anew in every epoch; those of the other splits are files.");
  }
  data.parameters = models::make_model([&] {
                      models::ModelSpec spec = models::default_spec(loaded.model());
                      spec.image_size = config["config"].value("image_size", 256);
                      spec.classes = 2;  // a run trains a detector, whatever the network's published weights are for
                      return spec;
                    }())->parameter_count();
  for (const auto& [name, split] : splits.items()) {
    data.splits.push_back({.name = name, .real = split.value("n_real", 0LL), .fake = split.value("n_fake", 0LL), .unreadable = 0});
  }
  add_samples(data, train::RunFolder{run}.manifest(), root);

  data.health = layer_histories(loaded.history);
  MajorityLevel majority{.accuracy = kNan, .split = predictions.split};
  if (loaded.evaluation) {
    majority.accuracy = loaded.evaluation->majority_accuracy.value.value_or(kNan);
    const auto picture = [&](std::size_t i) { return read_image(root / predictions.paths[i]); };
    data.maps = maps_of(loaded, options);
    add_thresholds(data, loaded);
    add_evaluation(data, *loaded.evaluation, predictions.split,
                   {.paths = predictions.paths, .labels = predictions.labels, .logits = predictions.logits, .picture = picture, .maps = &data.maps.overlays});
    write_file_atomic(run / "curves.csv", curve_points_csv(*loaded.evaluation));
  }
  data.history = run_history(loaded.history, loaded.model(), loaded.dataset(), majority);
  data.history.document_units = options.document_units;
  data.history.batch_size = config["config"].value("batch_size", 32);
  for (const auto& [name, value] : config["config"].items()) data.settings.push_back({name, setting_text(value)});
  data.environment = {{"sepia", config.value("sepia_version", "")}, {"device", config.value("device_used", "")},
                      {"threads", std::to_string(config.value("threads_used", 0))}};
  for (const auto& [name, value] : libraries.items()) data.environment.push_back({name, setting_text(value)});
  for (const auto& [name, split] : splits.items()) {
    data.environment.push_back({"fingerprint of " + name, split.value("fingerprint", "")});
  }
  data.commands = {sepia_command(config.value("command", std::vector<std::string>()))};
  data.version = config.value("sepia_version", "");

  save_run_plots(data, run / "plots");
  write_file_atomic(run / "report.html", report_page(data));
}

}  // namespace sepia::report
