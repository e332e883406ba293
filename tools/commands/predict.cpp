// sepia predict: real or fake, for any pictures.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/dataset.h"
#include "engine/base/error.h"
#include "tools/cli/errors.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/commands/commands.h"
#include "tools/predict/predict_pictures.h"

namespace sepia::cli {
namespace {

struct PredictOptions {
  std::vector<std::string> paths;
  std::string model, architecture;
  bool recursive = false, strict = false, json = false, overwrite = false;
  int image_size = 0, batch_size = 32;
  std::string out;
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
  return {{"path", p.path}, {"sha256", p.sha256}, {"label", p.called_fake ? "fake" : "real"}, {"prob_real", p.prob_real}, {"prob_fake", p.prob_fake},
          {"logits", {p.logits[0], p.logits[1]}}};
}

void print_line(const tools::PredictedPicture& p) {
  if (p.outputs.empty()) {
    fmt::print("{}  {:.4f}  {}\n", p.called_fake ? "fake" : "real", p.prob_fake, one_line(p.path));
    return;
  }
  for (const auto& [index, probability] : tools::most_probable(p.outputs, kClassesShown)) fmt::print("{} {:.4f}  ", index, probability);
  fmt::print("{}\n", one_line(p.path));
}

int run_predict(PredictOptions& options, const Session& session) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.model.empty(), "which model? add -m RUN or -m WEIGHTS.safetensors");
  const std::vector<std::string> files = tools::pictures_under(options.paths, options.recursive);
  LoadedModel model = load_model(options.model, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size});
  SEPIA_CHECK(options.out.empty() || model.spec.classes == kClassCount, "--out is for detectors, which have 2 outputs (real, fake); ", options.model, " has ",
              model.spec.classes);
  if (!options.out.empty()) claim_output_folder(options.out, options.overwrite, tools::prediction_files());
  if (model.trained_on_toy_data()) fmt::print(stderr, "note: these weights were trained on drawn toy faces; they say nothing about photographs\n");

  ProgressBar bar;
  if (files.size() > static_cast<std::size_t>(options.batch_size)) bar.start("predicting", static_cast<std::int64_t>(files.size()));
  std::optional<tools::PredictionFolder> folder;
  if (!options.out.empty()) folder.emplace(options.out, model.info.model + ", " + model.weights.string(), model.trained_on_toy_data(), session.arguments());
  std::size_t done = 0, bad = 0;
  tools::predict_pictures(*model.module, model.spec, files, options.batch_size, [&](const tools::PredictedPicture& picture) {
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
                                          "sepia predict cat.jpg -m imagenet.safetensors   # other classes than two: the five most probable, by number");
  const auto options = std::make_shared<PredictOptions>();
  command.add_option("PATH", options->paths, "Pictures, or folders of pictures")->required();
  command.add_option("-m,--model,--weights", options->model, "Run folder or .safetensors file")->type_name("MODEL");
  command.add_option("--arch", options->architecture, "Network of a weights file that does not say it");
  command.add_flag("-r,--recursive", options->recursive, "Look into folders of folders too");
  command.add_flag("--strict", options->strict, "Exit with 3 when a picture could not be judged");
  command.add_option("--out", options->out, "New folder for predictions.csv, predictions.jsonl and index.html")->type_name("FOLDER");
  command.add_flag("--overwrite", options->overwrite, "Write into --out although it holds files");
  add_image_size_option(command, options->image_size, 0);
  add_batch_size_option(command, options->batch_size);
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options, &session] { return run_predict(*options, session); });
}

}  // namespace sepia::cli
