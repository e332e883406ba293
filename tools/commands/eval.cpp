// sepia eval: how well a detector tells real from fake on a split of a data set.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "data/faces_dataset.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/train/results.h"
#include "engine/train/stepper.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/commands/commands.h"
#include "tools/report/from_run.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

struct EvalOptions {
  std::string model, architecture;
  std::string data, split = "test", real_folder = "real", fake_folder = "fake";
  int batch_size = 32, workers = 2, image_size = 0;
  double threshold = 0.5;
  std::uint64_t seed = 0;
  OutputOptions output{};
  DeviceOptions device{};
  bool json = false;
};

/// A split scored by a model.
struct Scored {
  std::vector<std::string> paths;
  std::vector<std::uint8_t> labels;
  std::vector<Logits2> logits;
  Evaluation evaluation;
};

Scored score(LoadedModel& model, const FacesDataset& dataset, const EvalOptions& options) {
  Scored scored;
  ProgressBar bar;
  bar.start("evaluating " + options.split, static_cast<std::int64_t>(dataset.size()));
  scored.logits = train::compute_logits(*model.module, dataset,
                                        {.normalisation = model.spec.normalisation, .batch_size = options.batch_size, .workers = options.workers,
                                         .samples = {}, .on_batch = [&](std::size_t done) {
                                           bar.update(static_cast<std::int64_t>(done));
                                           return true;
                                         }});
  bar.clear();
  for (std::size_t i = 0; i < dataset.size(); ++i) {
    scored.paths.push_back(dataset.path(i));
    scored.labels.push_back(static_cast<std::uint8_t>(dataset.label(i)));
  }
  EvaluationParams params;
  params.threshold = options.threshold;
  params.bootstrap.seed = options.seed;
  scored.evaluation = evaluate(scored.logits, scored.labels, params);
  return scored;
}

/// Metrics, predictions, curve points and plots into the folder.
void write_results(const EvalOptions& options, const LoadedModel& model, const FacesDataset& dataset, const Scored& scored) {
  const fs::path& out = options.output.out;
  write_file_atomic(out / "metrics.json", train::evaluation_to_json(scored.evaluation, options.split));
  write_file_atomic(out / fmt::format("predictions_{}.csv", options.split), train::predictions_csv(scored.paths, scored.labels, scored.logits));
  write_file_atomic(out / "curves.csv", report::curve_points_csv(scored.evaluation));
  report::ReportData page;
  page.history.model = model.info.model;
  page.history.dataset = fs::path(options.data).filename().string();
  report::add_evaluation(page, scored.evaluation, options.split,
                         {.paths = scored.paths, .labels = scored.labels, .logits = scored.logits, .picture = [&](std::size_t i) { return dataset.at(i).image; }}, 0);
  report::save_run_plots(page, out / "plots");
}

void print_for_people(const Evaluation& evaluation, const EvalOptions& options, const LoadedModel& model) {
  fmt::print("{} on {}/{}: {} real, {} fake\n", model.info.model, options.data, options.split, evaluation.n_real, evaluation.n_fake);
  for (const NamedMetric& metric : evaluation.metrics()) {
    fmt::print("  {:<20} {}\n", metric.name, metric.metric->value ? fmt::format("{:.4f}", *metric.metric->value) : "none: " + metric.metric->reason);
  }
  if (evaluation.auc_ci95.value) fmt::print("  {:<20} {:.4f} to {:.4f}\n", "auc_ci95", evaluation.auc_ci95.value->first, evaluation.auc_ci95.value->second);
  const Confusion& c = evaluation.confusion;
  fmt::print("  confusion            called real  called fake\n    real               {:>11}  {:>11}\n    fake               {:>11}  {:>11}\n", c.tn, c.fp, c.fn, c.tp);
  if (evaluation.all_one_class) fmt::print("  every picture was called the same class\n");
}

int run_eval(EvalOptions& options) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.data.empty(), "--data is required: the folder that holds the splits");
  if (!options.output.out.empty()) claim_output_folder(options.output.out, options.output.overwrite, {"metrics.json", "curves.csv", "plots"});
  LoadedModel model = load_model(options.model, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size});
  FacesDatasetOptions dataset_options{.image_size = static_cast<int>(model.spec.image_size), .real_folder = options.real_folder,
                                      .fake_folder = options.fake_folder};
  dataset_options.require_both_classes = false;
  const FacesDataset dataset(options.data, options.split, dataset_options);
  const Scored scored = score(model, dataset, options);
  if (!options.output.out.empty()) write_results(options, model, dataset, scored);
  if (model.trained_on_toy_data()) fmt::print(stderr, "note: these weights were trained on drawn toy faces; they say nothing about photographs\n");
  if (options.json) {
    print_json(nlohmann::ordered_json::parse(train::evaluation_to_json(scored.evaluation, options.split)));
  } else {
    print_for_people(scored.evaluation, options, model);
  }
  return 0;
}

}  // namespace

void add_eval_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "eval", "Score a split of a data set and say how well the detector tells real from fake.",
                                          "sepia eval runs/edge --data faces\n"
                                          "sepia eval weights.safetensors --data faces --split val --json\n"
                                          "sepia eval runs/edge --data faces --out evaluation   # plots, points and predictions too");
  const auto options = std::make_shared<EvalOptions>();
  command.add_option("MODEL", options->model, "Run folder or .safetensors file")->required();
  command.add_option("--arch", options->architecture, "Network of a weights file that does not say it");
  command.add_option("--data", options->data, "Data set: FOLDER/SPLIT/{real,fake}/*")->type_name("FOLDER");
  command.add_option("--split", options->split, "Which split")->capture_default_str()->check(CLI::IsMember({"train", "val", "test"}));
  add_class_map_option(command, options->real_folder, options->fake_folder);
  add_real(command, "--threshold", options->threshold, kUnitInterval, "Pictures whose probability of fake is above it are called fake");
  command.add_option("--out", options->output.out, "New folder for metrics, predictions, curve points and plots")->type_name("FOLDER");
  command.add_flag("--overwrite", options->output.overwrite, "Write into --out although it holds files");
  add_image_size_option(command, options->image_size, 0);
  add_batch_size_option(command, options->batch_size);
  add_workers_option(command, options->workers);
  add_seed_option(command, options->seed);
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_eval(*options); });
}

}  // namespace sepia::cli
