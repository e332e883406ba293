// sepia predict: real or fake, for any pictures.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "tools/cli/errors.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/cli/threshold_argument.h"
#include "tools/commands/commands.h"
#include "tools/predict/predict_pictures.h"

namespace sepia::cli {
namespace {

struct PredictCommandOptions {
  std::vector<std::string> paths;
  std::string model, architecture;
  bool recursive = false, strict = false, json = false, overwrite = false;
  int image_size = 0, batch_size = 32;
  std::string out, threshold = "0.5", maps;
  DeviceOptions device{};
};

constexpr std::size_t kClassesShown = 5;  // of a network that knows other classes than real and fake

nlohmann::ordered_json line_of(const tools::PredictedPicture& p) {
  if (!p.error.empty()) return {{"path", p.path}, {"error", p.error}};
  if (!p.outputs.empty()) {
    nlohmann::ordered_json best = nlohmann::ordered_json::array();
    for (const auto& [index, probability] : tools::most_probable(p.outputs, kClassesShown)) best.push_back({{"class", index}, {"prob", probability}});
    return {{"path", p.path}, {"sha256", p.sha256}, {"top", best}, {"logits", p.outputs}};
  }
  nlohmann::ordered_json line = {{"path", p.path}, {"sha256", p.sha256}, {"label", p.called_fake ? "fake" : "real"}, {"prob_real", p.prob_real}, {"prob_fake", p.prob_fake},
                                 {"logits", {p.logits[0], p.logits[1]}}};
  if (p.overlay.width > 0) {
    line["map"] = {{"class", class_name(p.explained_class)}, {"min", p.map_range.min}, {"max", p.map_range.max}, {"empty", p.map_empty}};
  }
  return line;
}

void print_line(const tools::PredictedPicture& p) {
  if (p.outputs.empty()) {
    fmt::print("{}  {:.4f}  {}\n", p.called_fake ? "fake" : "real", p.prob_fake, one_line(p.path));
    return;
  }
  for (const auto& [index, probability] : tools::most_probable(p.outputs, kClassesShown)) fmt::print("{} {:.4f}  ", index, probability);
  fmt::print("{}\n", one_line(p.path));
}

/// What to do with each picture, and how the threshold came about.
tools::PredictOptions prediction_options(const PredictCommandOptions& options, const LoadedModel& model, std::string& threshold_words) {
  tools::PredictOptions prediction{.batch_size = options.batch_size};
  const ThresholdArgument threshold = ThresholdArgument::parse(options.threshold);
  SEPIA_CHECK(threshold.source != ThresholdArgument::Source::kVal, "--threshold ", options.threshold, ": there is no validation split here; give a number, or stored:",
              threshold.rule.name(), " for what the training chose");
  prediction.threshold = threshold.number;
  if (threshold.source == ThresholdArgument::Source::kStored) {
    const ChosenThreshold chosen = stored_threshold(model, threshold);
    prediction.threshold = chosen.threshold;
    threshold_words = fmt::format("chosen by {}; {}", chosen.rule.name(), chosen_on_words(chosen));
    fmt::print(stderr, "threshold {:.6g} by {}\n", chosen.threshold, threshold_words);
  }
  if (!options.maps.empty()) {
    prediction.maps = explain::ExplainOptions{.method = explain::method_named(options.maps), .layer = model.spec.explained_layer, .normalisation = model.spec.normalisation};
  }
  return prediction;
}

int run_predict(PredictCommandOptions& options, const Session& session) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.model.empty(), "which model? add -m RUN or -m WEIGHTS.safetensors");
  ThresholdArgument::parse(options.threshold);
  if (!options.maps.empty()) explain::method_named(options.maps);
  SEPIA_CHECK(options.maps.empty() || !options.out.empty(), "--maps go into a page; add --out FOLDER (sepia explain writes maps as files)");
  const std::vector<std::string> files = tools::pictures_under(options.paths, options.recursive);
  LoadedModel model = load_model(options.model, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size});
  SEPIA_CHECK(options.threshold == "0.5" || model.spec.classes == kClassCount, "--threshold is for detectors, which have 2 outputs (real, fake); ", options.model, " has ",
              model.spec.classes);
  SEPIA_CHECK(options.out.empty() || model.spec.classes == kClassCount, "--out is for detectors, which have 2 outputs (real, fake); ", options.model, " has ",
              model.spec.classes);
  if (!options.out.empty()) claim_output_folder(options.out, options.overwrite, tools::prediction_files());
  if (model.trained_on_toy_data()) fmt::print(stderr, "note: these weights were trained on drawn toy faces; they say nothing about photographs\n");

  tools::PredictionsAbout about{.model = model.info.model + ", " + model.weights.string(), .toy = model.trained_on_toy_data(), .pictures = files.size(), .command = session.arguments()};
  const tools::PredictOptions prediction = prediction_options(options, model, about.threshold_words);
  ProgressBar bar;
  if (files.size() > static_cast<std::size_t>(options.batch_size)) bar.start("predicting", static_cast<std::int64_t>(files.size()));
  std::optional<tools::PredictionFolder> folder;
  if (!options.out.empty()) {
    about.weights_sha256 = sha256_hex(read_file(model.weights, SafetensorsFile::kMaxFileBytes));
    folder.emplace(options.out, about, prediction);
  }
  std::size_t done = 0, bad = 0;
  tools::predict_pictures(*model.module, model.spec, files, prediction, [&](const tools::PredictedPicture& picture) {
    bar.update(static_cast<std::int64_t>(++done));
    if (!picture.error.empty()) {
      ++bad;
      bar.line("cannot be judged: " + one_line(picture.error));
    }
    if (folder) folder->add(picture, line_of(picture).dump(-1, ' ', false, nlohmann::ordered_json::error_handler_t::replace));
    if (options.json) {
      print_json_line(line_of(picture));
    } else if (picture.error.empty()) {
      print_line(picture);
    }
  });
  bar.clear();
  if (folder) folder->finish();
  if (bad > 0) fmt::print(stderr, "{} of {} pictures could not be judged\n", bad, files.size());
  return bad > 0 && options.strict ? static_cast<int>(ErrorKind::kData) : 0;
}

}  // namespace

void add_predict_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "predict", "Say of pictures whether they are real or fake: label, probability of fake, path.",
                                          "sepia predict photo.jpg -m runs/edge\n"
                                          "sepia predict album -r -m runs/edge --json      # one JSON object a line\n"
                                          "sepia predict album -m runs/edge --out answer   # CSV, JSON lines and a page with pictures\n"
                                          "sepia predict album -m runs/edge --out answer --maps gradcam --threshold stored:fpr:0.01\n"
                                          "sepia predict cat.jpg -m imagenet.safetensors   # other classes than two: the five most probable, by number");
  const auto options = std::make_shared<PredictCommandOptions>();
  command.add_option("PATH", options->paths, "Pictures, or folders of pictures")->required();
  command.add_option("-m,--model,--weights", options->model, "Run folder or .safetensors file")->type_name("MODEL");
  command.add_option("--arch", options->architecture, "Network of a weights file that does not say it");
  command.add_flag("-r,--recursive", options->recursive, "Look into folders of folders too");
  command.add_flag("--strict", options->strict, "Exit with 3 when a picture could not be judged");
  command.add_option("--out", options->out, "New folder for predictions.csv, predictions.jsonl and index.html")->type_name("FOLDER");
  command.add_option("--threshold", options->threshold, "Pictures whose probability of fake is above it are called fake: a number, or stored:RULE as the training chose it on its "
                     "validation split (youden, eer, accuracy, fpr:0.01)")->type_name("NUMBER|RULE")->capture_default_str();
  command.add_option("--maps", options->maps, "On the page, beside each picture, what its verdict rests on: gradcam or another method of sepia explain; takes longer")->type_name("METHOD");
  command.add_flag("--overwrite", options->overwrite, "Write into --out although it holds files");
  add_image_size_option(command, options->image_size, 0);
  add_batch_size_option(command, options->batch_size);
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options, &session] { return run_predict(*options, session); });
}

}  // namespace sepia::cli
