#include "tools/commands/train_run.h"

#include <fmt/format.h>

#include <chrono>
#include <filesystem>

#include "data/toy.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "engine/base/sha256.h"
#include "engine/base/version.h"
#include "engine/io/model_info.h"
#include "engine/io/safetensors.h"
#include "engine/train/self_test.h"
#include "engine/train/transfer.h"
#include "models/model.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/options.h"
#include "tools/cli/progress.h"
#include "tools/cli/signals.h"
#include "tools/commands/library_versions.h"
#include "tools/commands/run_maps.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

/// Shows a run on stderr: a bar on a terminal, one line an epoch anywhere.
class ShownProgress final : public train::TrainObserver {
 public:
  explicit ShownProgress(ProgressBar& bar) : bar_(bar) {}

  void on_epoch_begin(int epoch, int epochs, std::size_t samples, std::size_t done) override {
    epochs_ = epochs;
    bar_.start(fmt::format("epoch {}/{}", epoch, epochs), static_cast<std::int64_t>(samples));
    bar_.update(static_cast<std::int64_t>(done));
    samples_ = static_cast<double>(samples - done);
  }
  void on_step(std::size_t done, double loss, double accuracy) override { bar_.update(static_cast<std::int64_t>(done), loss, accuracy); }
  void on_epoch_end(const train::EpochRecord& record, bool best, double seconds) override {
    std::string line = fmt::format("epoch {}/{}  train loss {:.4f} acc {:.3f}", record.epoch, epochs_, record.train_loss, record.train_acc);
    for (const auto& [name, split] : {std::pair{"val", &record.val}, {"test", &record.test}}) {
      if (!*split) continue;
      line += fmt::format("  {} loss {:.4f} acc {:.3f}", name, (*split)->loss, (*split)->accuracy);
      if ((*split)->auc) line += fmt::format(" auc {:.3f}", *(*split)->auc);
    }
    bar_.line(line + fmt::format("  {:.0f} img/s{}", samples_ / seconds, best ? "  best" : ""));
  }
  void on_note(const std::string& text) override { bar_.line(text); }
  bool stop_requested() override { return cli::stop_requested(); }

 private:
  ProgressBar& bar_;
  int epochs_ = 0;
  double samples_ = 0;
};

/// config.json: the settings and what they met. Written before anything slow, and again when the pictures are known.
void write_config(const fs::path& path, const train::TrainConfig& config, const std::vector<std::string>& command, const train::RunPictures* pictures) {
  Json json = {{"config", Json::parse(train::config_to_json(config))},
               {"sepia_version", std::string(version())},
               {"library_versions", library_versions()},
               {"command", command},
               {"threads_used", num_threads()},
               {"device_used", config.device}};
  if (pictures) {
    Json data = Json::object();
    for (const train::SplitPictures& split : pictures->splits) {
      data[split.split] = {{"n_real", split.count(kReal)}, {"n_fake", split.count(kFake)}, {"fingerprint", split.fingerprint}};
    }
    json["data"] = data;
  }
  write_file_atomic(path, json.dump(2, ' ', false, Json::error_handler_t::replace) + "\n");
}

train::RunPictures checked_pictures(const train::TrainConfig& config, ProgressBar& bar) {
  std::string shown;
  train::RunPictures pictures = train::check_pictures(config, [&](const std::string& split, std::size_t done, std::size_t total) {
    if (shown != split) bar.start(fmt::format("reading {}", split), static_cast<std::int64_t>(total));
    shown = split;
    bar.update(static_cast<std::int64_t>(done));
  });
  for (const train::SplitPictures& split : pictures.splits) {
    const std::size_t bad = split.records.size() - split.usable.size();
    bar.line(fmt::format("{}: {} real, {} fake{}", split.split, split.count(kReal), split.count(kFake),
                         bad ? fmt::format(", {} unusable left out", bad) : std::string()));
    for (const FileRecord& record : split.records) {
      if (!record.error.empty()) bar.line(fmt::format("left out: {}", record.error));
    }
  }
  return pictures;
}

/// Loads the weights that the run starts from; returns what to say about it.
std::string start_from_pretrained(nn::Module& model, const train::TrainConfig& config) {
  const train::TransferConfig& t = config.transfer;
  const std::vector<std::byte> bytes = read_file(t.pretrained, SafetensorsFile::kMaxFileBytes);
  SEPIA_CHECK_KIND(sha256_hex(bytes) == t.pretrained_sha256, ErrorKind::kData, t.pretrained, ": not the file that the run was started from (SHA-256 ",
                   t.pretrained_sha256, "); put that one back, or start a new run");
  const SafetensorsFile file = SafetensorsFile::parse(bytes, t.pretrained);
  return fmt::format("pretrained {}: {}", t.pretrained, train::load_pretrained(file, model, {.head = t.head, .new_head = t.new_head}).summary());
}

models::ModelSpec spec_of(const train::TrainConfig& config) {
  models::ModelSpec spec = models::default_spec(config.model);
  spec.image_size = config.image_size;
  spec.classes = 2;  // a detector of fakes, whatever the network's published weights are for
  spec.normalisation = config.normalisation;
  spec.numerics = config.numerics;
  return spec;
}

/// The placed network that a run starts with. `from_checkpoint`: its weights are not set, a checkpoint gives all of them.
std::unique_ptr<nn::Module> first_model(const models::ModelSpec& spec, const train::TrainConfig& config, bool from_checkpoint, ProgressBar& bar) {
  std::unique_ptr<nn::Module> model = models::make_model(spec);
  const Compute compute = use_device({.device = config.device, .precision = config.precision, .threads = config.threads});
  if (from_checkpoint) {
    model->place_undrawn(compute.device, compute.dtype);
  } else {
    model->place(compute.device, compute.dtype, config.seed);
    if (!config.transfer.pretrained.empty()) bar.line(start_from_pretrained(*model, config));
  }
  train::freeze_layers(*model, config.transfer.freeze, config.transfer.head);
  if (config.transfer.freeze != "none") {
    const train::ParameterCounts counts = train::count_parameters(*model);
    bar.line(fmt::format("--freeze {}: {} parameters are trained, {} stay as they are", config.transfer.freeze, counts.trainable, counts.frozen));
  }
  return model;
}

/// The thresholds that are now stored with the best weights.
void tell_thresholds(const train::StoredThresholds& stored, ProgressBar& bar) {
  std::string words;
  for (const ChosenThreshold& chosen : stored.rules) words += fmt::format("{}{} {:.4g}", words.empty() ? "" : ", ", chosen.rule.name(), chosen.threshold);
  if (!words.empty()) bar.line(fmt::format("thresholds chosen on val: {}; use one with --threshold stored:{}", words, stored.rules.front().rule.name()));
}

}  // namespace

std::initializer_list<std::string_view> run_files() {
  static const std::initializer_list<std::string_view> names{
      "config.json",   "log.json",     "log.jsonl",    "best.safetensors", "last.safetensors", "predictions_test.csv", "predictions_val.csv",
      "metrics.json",  "manifest.csv", "tensorboard",  "plots",            "report.html",      "curves.csv",       "repeat.json",      "comparison.csv"};
  return names;
}

TrainResult run_training(const train::TrainConfig& config, const fs::path& out, const TrainRunOptions& options) {
  const auto start = std::chrono::steady_clock::now();
  const train::RunFolder folder{out};
  if (!options.resume) write_config(folder.config(), config, options.command, nullptr);

  ProgressBar bar;
  const train::RunPictures pictures = checked_pictures(config, bar);
  // A resumed run keeps its config.json as it was: the first command is what reproduces it.
  if (!options.resume) write_config(folder.config(), config, options.command, &pictures);

  const models::ModelSpec spec = spec_of(config);
  const bool from_checkpoint = options.resume && fs::exists(folder.last());
  const std::unique_ptr<nn::Module> model = first_model(spec, config, from_checkpoint, bar);

  TensorFileMetadata metadata = to_metadata({.model = spec.name, .mean = spec.normalisation.mean, .std = spec.normalisation.std,
                                             .input = ops::input_kind_name(spec.normalisation.kind), .image_size = spec.image_size, .classes = spec.classes, .numerics = spec.numerics});
  metadata[kTrainedOnKey] = is_toy_dataset(config.data) ? "toy" : "pictures";
  metadata[kFingerprintKey] = pictures.train().fingerprint;

  ShownProgress progress(bar);
  TrainResult result{.config = config, .outcome = train::Trainer(config, *model, pictures, folder, metadata, progress).run(options.resume), .seconds = 0};
  result.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  if (result.outcome.interrupted) {
    bar.line(fmt::format("stopped; go on with: sepia train --resume {}", out.string()));
    return result;
  }
  tell_thresholds(result.outcome.thresholds, bar);
  report::write_run_report(out, report_with_maps(options.document_units));
  bar.line(result.outcome.verdict);
  bar.line(fmt::format("{} in {}; open {}", out.string(), duration_text(result.seconds), (out / "report.html").string()));
  return result;
}

bool run_self_test(const train::TrainConfig& config, bool json) {
  ProgressBar bar;
  const train::RunPictures pictures = checked_pictures(config, bar);
  const models::ModelSpec spec = spec_of(config);
  int number = 0;
  const std::vector<train::SelfTestControl> controls =
      train::self_test(config, pictures.train(), [&] { return first_model(spec, config, false, bar); }, [&](const train::SelfTestControl& control) {
        bar.line(fmt::format("control {} of 3: {}: {}", ++number, control.passed ? "pass" : "FAIL", control.finding));
      });
  const std::string faulty = train::faulty_part(controls, config);
  bar.line(faulty.empty() ? "self-test passed: what is left is how hard the problem is" : "self-test failed: look for the fault in " + faulty);
  if (json) {
    Json list = Json::array();
    for (const train::SelfTestControl& c : controls) {
      list.push_back({{"name", c.name}, {"passed", c.passed}, {"figure", c.figure}, {"lowest", c.lowest}, {"highest", c.highest}, {"steps", c.steps},
                      {"finding", c.finding}});
    }
    Json result = {{"model", config.model}, {"passed", faulty.empty()}, {"controls", list}};
    result["faulty_part"] = faulty.empty() ? Json(nullptr) : Json(faulty);
    if (faulty.empty()) result["faulty_part_reason"] = "all controls passed";
    print_json(result);
  }
  return faulty.empty();
}

void forget_unstarted(const fs::path& out, const fs::path& settings) {
  std::error_code ignored;
  std::size_t entries = 0;
  for (fs::directory_iterator at(out, ignored), end; at != end; at.increment(ignored)) ++entries;
  if (entries != 1 || !fs::exists(settings, ignored)) return;
  fs::remove(settings, ignored);
  fs::remove(out, ignored);
}

Json result_json(const TrainResult& result, const fs::path& out) {
  const train::TrainOutcome& o = result.outcome;
  Json json = {{"run", out.string()}, {"model", result.config.model}, {"epochs", o.history.epochs.size()}};
  json["best_epoch"] = o.history.best_epoch ? Json(*o.history.best_epoch) : Json(nullptr);
  if (!o.history.best_epoch) json["best_epoch_reason"] = train::best_epoch_reason(o.history);
  json["verdict"] = o.verdict;
  json["interrupted"] = o.interrupted;
  json["seconds"] = result.seconds;
  const std::string missing = o.interrupted ? "the run was interrupted" : "the data set has neither a test nor a val split";
  const auto metric = [&](const char* name, const Metric* value) {
    json[name] = value && value->value ? Json(*value->value) : Json(nullptr);
    if (!value || !value->value) json[std::string(name) + "_reason"] = value ? value->reason : missing;
  };
  json["evaluated_split"] = o.evaluation ? Json(o.evaluated_split) : Json(nullptr);
  if (!o.evaluation) json["evaluated_split_reason"] = missing;
  metric("auc", o.evaluation ? &o.evaluation->auc : nullptr);
  metric("accuracy", o.evaluation ? &o.evaluation->accuracy : nullptr);
  return json;
}

}  // namespace sepia::cli
