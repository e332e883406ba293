// sepia demo: the main job from nothing, in under two minutes on two cores.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>

#include "data/faces_dataset.h"
#include "data/toy.h"
#include "engine/base/error.h"
#include "models/model.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/train_run.h"
#include "tools/explain/figures.h"
#include "tools/predict/predict_pictures.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

struct DemoOptions {
  OutputOptions output{.out = "sepia-demo"};
  std::uint64_t seed = 1;
  DeviceOptions device{};
};

void draw_faces(const fs::path& data, std::uint64_t seed) {
  ProgressBar bar;
  bool started = false;
  write_toy_dataset(data, {.seed = seed, .train_per_class = 240, .val_per_class = 40, .test_per_class = 40, .progress = [&](std::size_t done, std::size_t total) {
                             if (!started) bar.start("drawing faces", static_cast<std::int64_t>(total));
                             started = true;
                             bar.update(static_cast<std::int64_t>(done));
                           }});
}

/// A few pictures of the test split, judged by the weights just trained.
void judge_some(const fs::path& run, const fs::path& data, const Compute& compute) {
  LoadedModel model = load_model(run.string(), {.device = compute.device, .dtype = compute.dtype});
  std::vector<std::string> files;
  for (const char* label : {"real", "fake"}) {
    const std::vector<std::string> found = tools::pictures_under({(data / "test" / label).string()}, false);
    files.insert(files.end(), found.begin(), found.begin() + std::min<std::ptrdiff_t>(3, std::ssize(found)));
  }
  fmt::print(stderr, "\nsepia predict, six test pictures (label, probability of fake, path):\n");
  tools::predict_pictures(*model.module, model.spec, files, {.batch_size = static_cast<int>(files.size())}, [](const tools::PredictedPicture& p) {
    fmt::print("{}  {:.4f}  {}\n", p.called_fake ? "fake" : "real", p.prob_fake, p.path);
  });
}

/// Where in six test pictures the verdicts come from: Grad-CAM over the pictures.
void explain_some(const fs::path& run, const fs::path& data, const fs::path& out, const Compute& compute) {
  LoadedModel model = load_model(run.string(), {.device = compute.device, .dtype = compute.dtype});
  const FacesDataset dataset(data, "test", {.image_size = static_cast<int>(model.spec.image_size)});
  fs::create_directories(out);
  tools::FigureOptions figure;
  figure.explain.layer = model.spec.explained_layer;
  figure.explain.normalisation = model.spec.normalisation;
  figure.out = out;
  tools::draw_overlays({*model.module, model.spec, dataset}, figure);
  fmt::print(stderr, "\nsepia explain -m {} --data {} --figure overlays: {}\n", run.string(), data.string(), (out / "overlays.gradcam.png").string());
}

int run_demo(const DemoOptions& options) {
  train::TrainConfig config;
  const Compute compute = use_device(options.device);
  config.device = device_name(compute.device);
  config.precision = options.device.precision;
  config.threads = options.device.threads;
  const fs::path &out = options.output.out, data = out / "data", run = out / "run";
  claim_output_folder(out, options.output.overwrite, {"data", "run", "explanations"});
  const GracefulStop graceful;

  fmt::print(stderr, "1. drawn faces, half of them with a blended inner face: {}\n", data.string());
  draw_faces(data, options.seed);

  config.model = "edgenet";
  config.data = data.string();
  config.epochs = 24;
  config.seed = options.seed;
  config.select = train::Select::kValAuc;
  fs::create_directories(run);
  const std::string command = fmt::format("sepia train edgenet --data {} --out {} --epochs {} --select val_auc --seed {}", data.string(), run.string(),
                                          config.epochs, config.seed);
  fmt::print(stderr, "2. {}\n", command);
  const TrainResult result = run_training(config, run, {.resume = false, .command = {"sepia", "train", "edgenet", "--data", data.string(), "--out", run.string(), "--epochs",
                                                                  std::to_string(config.epochs), "--select", "val_auc", "--seed", std::to_string(config.seed)}});
  if (result.outcome.interrupted) return stop_exit_code();
  judge_some(run, data, compute);
  explain_some(run, data, out / "explanations", compute);
  fmt::print(stderr, "\nOpen {} in a browser. With your own pictures: sepia train edgenet --data FOLDER --out RUN\n", (run / "report.html").string());
  return 0;
}

}  // namespace

void add_demo_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "demo", "The whole story on drawn faces: data, training, evaluation, a report to open. Two minutes, no download.",
                                          "sepia demo\n"
                                          "sepia demo --out somewhere");
  const auto options = std::make_shared<DemoOptions>();
  add_output_options(command, options->output, "New folder for the data and the run");
  add_seed_option(command, options->seed);
  add_device_options(command, options->device);
  session.set_action(command, [options] { return run_demo(*options); });
}

}  // namespace sepia::cli
