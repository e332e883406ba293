// sepia eval: how well a detector tells real from fake on a split of a data set; several detectors on several data sets.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/faces_dataset.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/metrics/threshold.h"
#include "engine/train/results.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/cli/threshold_argument.h"
#include "tools/commands/commands.h"
#include "tools/evaluate/cross_matrix.h"
#include "tools/evaluate/perturbation.h"
#include "tools/evaluate/scored_split.h"
#include "tools/report/from_run.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

struct EvalOptions {
  std::vector<std::string> models, data;
  std::string architecture, split = "test", real_folder = "real", fake_folder = "fake", group_by, perturb;
  int batch_size = 32, workers = 2, image_size = 0;
  std::string threshold = "0.5";
  std::uint64_t seed = 0;
  OutputOptions output{};
  DeviceOptions device{};
  bool json = false;
};

LoadedModel model_of(const std::string& argument, const EvalOptions& options, const Compute& compute) {
  LoadedModel model = load_model(argument, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size});
  if (model.trained_on_toy_data()) {
    fmt::print(stderr, "note: the weights of {} were trained on drawn toy faces; they say nothing about photographs\n", argument);
  }
  return model;
}

/// The threshold in use, and how it came about.
struct Threshold {
  double value = 0.5;
  std::optional<ChosenThreshold> chosen;  ///< by a rule, on a validation split
};

FacesDataset dataset_of(const std::string& data, const std::string& split, const LoadedModel& model, const EvalOptions& options) {
  FacesDatasetOptions dataset_options{.image_size = static_cast<int>(model.spec.image_size), .real_folder = options.real_folder, .fake_folder = options.fake_folder};
  dataset_options.classes = FacesDatasetOptions::Classes::kAny;
  return {data, split, dataset_options};
}

tools::ScoredSplit score(LoadedModel& model, const Dataset& dataset, const EvalOptions& options, double threshold, const std::string& what, int replicates = 2000) {
  ProgressBar bar;
  bar.start(what, static_cast<std::int64_t>(dataset.size()));
  tools::ScoredSplit scored = tools::score_split(*model.module, model.spec, dataset,
                                                 {.batch_size = options.batch_size, .workers = options.workers, .threshold = threshold, .seed = options.seed,
                                                  .bootstrap_replicates = replicates, .group_by = options.group_by,
                                                  .progress = [&](std::size_t done) { bar.update(static_cast<std::int64_t>(done)); }});
  bar.clear();
  return scored;
}

/// What --threshold means for this model on this data set. kData when a rule finds nothing to choose on.
Threshold threshold_of(LoadedModel& model, const std::string& data, const EvalOptions& options) {
  const ThresholdArgument argument = ThresholdArgument::parse(options.threshold);
  if (argument.source == ThresholdArgument::Source::kNumber) return {.value = argument.number, .chosen = {}};
  if (argument.source == ThresholdArgument::Source::kStored) {
    const ChosenThreshold chosen = stored_threshold(model, argument);
    return {.value = chosen.threshold, .chosen = chosen};
  }
  SEPIA_CHECK_KIND(has_split(data, "val"), ErrorKind::kData, data, ": --threshold ", options.threshold, " chooses on the val split, which this data set does not have; give a number, or stored:",
                   argument.rule.name());
  const tools::ScoredSplit val = score(model, dataset_of(data, "val", model, options), options, 0.5, "choosing a threshold on val", 0);
  const ThresholdChoice choice = choose_threshold(val.evaluation.roc_second, argument.rule);
  SEPIA_CHECK_KIND(choice.value, ErrorKind::kData, data, "/val: --threshold ", options.threshold, " cannot choose: ", choice.reason);
  return {.value = choice.value->threshold, .chosen = choice.value};
}

/// Scores the split anew at every strength of every perturbation. Intervals are left out: they would take most of the time.
std::vector<tools::PerturbedResult> perturb(LoadedModel& model, const FacesDataset& dataset, const EvalOptions& options, double threshold) {
  std::vector<tools::PerturbedResult> results;
  if (options.perturb.empty()) return results;
  for (const tools::Perturbation& perturbation : tools::perturbations_from_text(options.perturb)) {
    for (const double strength : perturbation.strengths) {
      const tools::PerturbedDataset harmed(dataset, perturbation.kind, strength);
      results.push_back({perturbation.kind, strength, score(model, harmed, options, threshold, fmt::format("{} {:g}", perturbation.kind, strength), 0).evaluation});
    }
  }
  return results;
}

Json number_or_null(const Metric& metric) { return metric.value ? Json(*metric.value) : Json(nullptr); }

/// What --json prints of one split: the evaluation, and what was asked for beside it.
Json result_json(const EvalOptions& options, const Threshold& threshold, const FacesDataset& dataset, const tools::ScoredSplit& scored, const std::vector<tools::PerturbedResult>& perturbed) {
  Json json = Json::parse(train::evaluation_to_json(scored.evaluation, options.split));
  json["threshold"] = threshold.value;
  if (threshold.chosen) {
    const Confusion& c = threshold.chosen->counts;
    json["threshold_rule"] = options.threshold;
    json["threshold_chosen_on"] = {{"split", "val"}, {"n_real", c.reals()}, {"n_fake", c.fakes()}, {"confusion", {{c.tn, c.fp}, {c.fn, c.tp}}}, {"accuracy", number_or_null(accuracy(c))},
                                   {"balanced_accuracy", number_or_null(balanced_accuracy(c))}};
  }
  if (!options.group_by.empty()) {
    json["group_by"] = options.group_by;
    json["n_pictures"] = dataset.size();
  }
  for (const tools::PerturbedResult& result : perturbed) {
    Json row = Json::parse(train::evaluation_to_json(result.evaluation, options.split));
    row.erase("auc_ci95");  // not computed here
    row.erase("auc_ci95_reason");
    Json entry = {{"kind", result.kind}, {"strength", result.strength}};
    entry.update(row);
    json["perturb"].push_back(entry);
  }
  return json;
}

void write_perturbed(const EvalOptions& options, double threshold, const std::vector<tools::PerturbedResult>& results) {
  if (results.empty()) return;
  std::string csv = "kind,strength,auc,eer,accuracy,fakes_missed,real_called_fake\n";
  std::vector<std::string> kinds;
  for (const tools::PerturbedResult& result : results) {
    const Evaluation& e = result.evaluation;
    const auto number = [](const Metric& metric) { return metric.value ? fmt::format("{}", *metric.value) : std::string(); };
    csv += fmt::format("{},{},{},{},{},{},{}\n", result.kind, result.strength, number(e.auc), number(e.eer), number(e.accuracy), number(false_negative_rate(e.confusion)),
                       number(false_positive_rate(e.confusion)));
    if (kinds.empty() || kinds.back() != result.kind) kinds.push_back(result.kind);
  }
  write_file_atomic(options.output.out / "perturb.csv", csv);
  fs::create_directories(options.output.out / "plots");
  for (const std::string& kind : kinds) {
    save_figure(report::side_by_side({tools::perturbation_chart(results, kind, threshold)}, 470, 340, "AUC and error rates after " + kind + "."),
                options.output.out / "plots" / ("perturb_" + kind));
  }
}

/// Metrics, predictions, curve points and plots into the folder.
void write_results(const EvalOptions& options, const LoadedModel& model, const Json& json, const tools::ScoredSplit& scored) {
  const fs::path& out = options.output.out;
  write_file_atomic(out / "metrics.json", json.dump(2) + "\n");
  write_file_atomic(out / fmt::format("predictions_{}.csv", options.split), train::predictions_csv(scored.paths, scored.labels, scored.logits));
  write_file_atomic(out / "curves.csv", report::curve_points_csv(scored.evaluation));
  report::ReportData page;
  page.history.model = model.info.model;
  page.history.dataset = fs::path(options.data.front()).filename().string();
  report::add_evaluation(page, scored.evaluation, options.split, {.paths = scored.paths, .labels = scored.labels, .logits = scored.logits, .picture = {}}, 0);
  report::save_run_plots(page, out / "plots");
}

void print_interval(const char* name, const MetricInterval& interval) {
  if (interval.value) fmt::print("  {:<20} {:.4f} to {:.4f}\n", name, interval.value->first, interval.value->second);
}

void print_for_people(const tools::ScoredSplit& scored, const EvalOptions& options, const Threshold& threshold, const LoadedModel& model, const std::vector<tools::PerturbedResult>& perturbed) {
  const Evaluation& evaluation = scored.evaluation;
  fmt::print("{} on {}/{}: {} real, {} fake{}\n", model.info.model, options.data.front(), options.split, evaluation.n_real, evaluation.n_fake,
             options.group_by.empty() ? "" : " groups of '" + options.group_by + "'");
  fmt::print("  {:<20} {:.6g}{}\n", "threshold", threshold.value, threshold.chosen ? fmt::format(" by {}, chosen {}", options.threshold, chosen_on_words(*threshold.chosen)) : "");
  if (threshold.chosen && options.split == "val") fmt::print("  {:<20} it was chosen on the split that it is measured on: what it gives here flatters it\n", "");
  for (const NamedMetric& metric : evaluation.metrics()) {
    fmt::print("  {:<20} {}\n", metric.name, metric.metric->value ? fmt::format("{:.4f}", *metric.metric->value) : "none: " + metric.metric->reason);
  }
  print_interval("auc_ci95", evaluation.auc_ci95);
  print_interval("auc_delong_ci95", evaluation.auc_delong_ci95);
  const Confusion& c = evaluation.confusion;
  fmt::print("  confusion            called real  called fake\n    real               {:>11}  {:>11}\n    fake               {:>11}  {:>11}\n", c.tn, c.fp, c.fn, c.tp);
  if (evaluation.all_one_class) fmt::print("  every picture was called the same class\n");
  for (const tools::PerturbedResult& result : perturbed) {
    const Metric &auc = result.evaluation.auc, &accuracy = result.evaluation.accuracy;
    fmt::print("  after {:<5} {:<7.4g} auc {}  accuracy {}\n", result.kind, result.strength, auc.value ? fmt::format("{:.4f}", *auc.value) : "none",
               accuracy.value ? fmt::format("{:.4f}", *accuracy.value) : "none");
  }
}

int run_one(const EvalOptions& options, const Compute& compute) {
  LoadedModel model = model_of(options.models.front(), options, compute);
  const FacesDataset dataset = dataset_of(options.data.front(), options.split, model, options);
  const Threshold threshold = threshold_of(model, options.data.front(), options);
  const tools::ScoredSplit scored = score(model, dataset, options, threshold.value, "evaluating " + options.split);
  const std::vector<tools::PerturbedResult> perturbed = perturb(model, dataset, options, threshold.value);
  const Json json = result_json(options, threshold, dataset, scored, perturbed);
  if (!options.output.out.empty()) {
    write_results(options, model, json, scored);
    write_perturbed(options, threshold.value, perturbed);
  }
  if (options.json) {
    print_json(json);
  } else {
    print_for_people(scored, options, threshold, model, perturbed);
  }
  return 0;
}

int run_cross(const EvalOptions& options, const Compute& compute) {
  tools::CrossMatrix matrix{.models = options.models, .data = options.data, .split = options.split};
  for (const std::string& argument : options.models) {
    LoadedModel model = model_of(argument, options, compute);
    matrix.cells.emplace_back();
    for (const std::string& data : options.data) {
      const Threshold threshold = threshold_of(model, data, options);
      matrix.cells.back().push_back(score(model, dataset_of(data, options.split, model, options), options, threshold.value, fmt::format("{} on {}", argument, data)).evaluation);
    }
  }
  const Json json = tools::cross_json(matrix);
  if (!options.output.out.empty()) {
    write_file_atomic(options.output.out / "cross_matrix.json", json.dump(2) + "\n");
    write_file_atomic(options.output.out / "cross_matrix.csv", tools::cross_csv(matrix));
    fs::create_directories(options.output.out / "plots");
    save_figure(tools::plot_cross_matrix(matrix), options.output.out / "plots" / "cross_matrix");
  }
  if (options.json) {
    print_json(json);
    return 0;
  }
  fmt::print("AUC (accuracy) on {}: rows models, columns data\n", options.split);
  for (std::size_t d = 0; d < options.data.size(); ++d) fmt::print("  column {}: {}\n", d + 1, options.data[d]);
  for (std::size_t m = 0; m < options.models.size(); ++m) {
    std::string line;
    for (const Evaluation& cell : matrix.cells[m]) {
      line += fmt::format("  {} ({})", cell.auc.value ? fmt::format("{:.4f}", *cell.auc.value) : "  none", cell.accuracy.value ? fmt::format("{:.3f}", *cell.accuracy.value) : "none");
    }
    fmt::print("{}  {}\n", line, options.models[m]);
  }
  return 0;
}

int run_eval(EvalOptions& options) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.data.empty(), "--data is required: the folder that holds the splits");
  ThresholdArgument::parse(options.threshold);
  if (!options.perturb.empty()) tools::perturbations_from_text(options.perturb);  // a wrong word is said before anything slow
  const bool cross = options.models.size() > 1 || options.data.size() > 1;
  SEPIA_CHECK(!cross || options.perturb.empty(), "--perturb is for one model on one data set");
  if (!options.output.out.empty()) {
    claim_output_folder(options.output.out, options.output.overwrite, {"metrics.json", "curves.csv", "plots", "perturb.csv", "cross_matrix.json", "cross_matrix.csv"});
  }
  return cross ? run_cross(options, compute) : run_one(options, compute);
}

}  // namespace

void add_eval_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "eval", "Score a split of a data set and say how well the detector tells real from fake.",
                                          "sepia eval runs/edge --data faces\n"
                                          "sepia eval weights.safetensors --data faces --split val --json\n"
                                          "sepia eval runs/edge --data faces --out evaluation   # plots, points and predictions too\n"
                                          "sepia eval runs/edge --data faces --threshold val:fpr:0.01   # at most 1% false alarms on val; measured on test\n"
                                          "sepia eval runs/edge --data videos --group-by '(id[0-9]+)_'\n"
                                          "sepia eval runs/edge --data faces --perturb jpeg:95..30,scale:1..0.25\n"
                                          "sepia eval runs/a runs/b --data swaps --data synthetic   # the cross matrix");
  const auto options = std::make_shared<EvalOptions>();
  command.add_option("MODEL", options->models, "Run folders or .safetensors files")->required()->expected(1, 64);
  command.add_option("--arch", options->architecture, "Network of a weights file that does not say it");
  command.add_option("--data", options->data, "Data set: FOLDER/SPLIT/{real,fake}/*; give it several times for several")->type_name("FOLDER")->expected(1, 64)->allow_extra_args(false);
  command.add_option("--split", options->split, "Which split")->capture_default_str()->check(CLI::IsMember({"train", "val", "test"}));
  add_class_map_option(command, options->real_folder, options->fake_folder);
  command.add_option("--threshold", options->threshold, "Pictures whose probability of fake is above it are called fake: a number; val:RULE, chosen on the data's val split; or "
                     "stored:RULE, chosen by the training. Rules: youden, eer, accuracy, fpr:RATE")->type_name("NUMBER|RULE")->capture_default_str();
  command.add_option("--group-by", options->group_by, "Judge pictures together (frames of a video): regular expression for the part of a path that names the group")->type_name("REGEX");
  command.add_option("--perturb", options->perturb, "Measure again after harm: jpeg:95..30,scale:1..0.25,blur:0..1")->type_name("LIST");
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
