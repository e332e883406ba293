// sepia paper: every experiment of the document that the project comes from, on the user's own data.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "data/faces_dataset.h"
#include "data/toy.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "engine/base/version.h"
#include "models/model.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/cli/signals.h"
#include "tools/commands/commands.h"
#include "tools/commands/pretrained.h"
#include "tools/commands/train_run.h"
#include "tools/explain/figures.h"
#include "tools/paper/paper_page.h"
#include "tools/report/figure_samples.h"
#include "tools/report/from_run.h"
#include "tools/report/text.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using paper::Experiment;
using paper::PaperFigure;

struct PaperOptions {
  std::string deepfake, synthetic, pretrained;
  OutputOptions output{};
  std::string real_folder = "real", fake_folder = "fake";
  int epochs = 5, image_size = 256, workers = 2;
  std::uint64_t seed = 0;
  DeviceOptions device{};
};

const std::string& data_of(const PaperOptions& options, const Experiment& experiment) {
  return experiment.data == paper::Data::kDeepfake ? options.deepfake : options.synthetic;
}

/// The document's protocol; its scaling of the input is that of simplenet for every network.
train::TrainConfig config_of(const PaperOptions& options, const Experiment& experiment) {
  const models::ModelSpec spec = models::default_spec(experiment.model);
  train::TrainConfig config;
  config.model = experiment.model;
  config.data = fs::absolute(data_of(options, experiment)).lexically_normal().string();
  config.real_folder = options.real_folder;
  config.fake_folder = options.fake_folder;
  config.image_size = options.image_size;
  config.epochs = options.epochs;
  config.seed = options.seed;
  config.workers = options.workers;
  config.transfer.head = spec.head;
  if (std::string(experiment.model) == "xception_based" && !options.pretrained.empty()) {
    config.transfer.pretrained = options.pretrained;
    take_pretrained(config, spec);
  }
  config.normalisation = ops::Normalisation{};
  config.device = device_name(use_device(options.device).device);
  config.precision = options.device.precision;
  config.threads = options.device.threads;
  return config;
}

/// The command that makes this run by itself.
std::vector<std::string> command_of(const train::TrainConfig& config, const fs::path& run) {
  std::vector<std::string> words{"sepia", "train", config.model, "--data", config.data, "--out", run.string(), "--epochs", std::to_string(config.epochs),
                                 "--seed", std::to_string(config.seed), "--image-size", std::to_string(config.image_size), "--normalise", "document"};
  if (!config.transfer.pretrained.empty()) words.insert(words.end(), {"--pretrained", config.transfer.pretrained});
  return words;
}

std::vector<report::SplitCounts> splits_of(const fs::path& run) {
  const std::vector<std::byte> bytes = read_file(run / "config.json", 1 << 20);
  const auto json = nlohmann::ordered_json::parse(reinterpret_cast<const char*>(bytes.data()), reinterpret_cast<const char*>(bytes.data()) + bytes.size());
  std::vector<report::SplitCounts> splits;
  for (const auto& [name, split] : json.at("data").items()) {
    splits.push_back({.name = name, .real = split.value("n_real", 0LL), .fake = split.value("n_fake", 0LL), .unreadable = 0});
  }
  return splits;
}

class Paper {
 public:
  Paper(const PaperOptions& options, const fs::path& out) : options_(options), out_(out) {}

  void draw_data() {
    report::SampleFigureOptions figure{.seed = options_.seed, .image_size = options_.image_size, .real_folder = options_.real_folder, .fake_folder = options_.fake_folder};
    save(1, "samples", report::draw_samples({options_.deepfake, options_.synthetic}, figure).figure,
         "Real and fake samples of the first data set (top) and of the second (bottom).", "a face swap and a generated face beside real ones");
  }

  /// False when the user has asked to stop.
  bool run(const Experiment& experiment) {
    const fs::path folder = out_ / "runs" / experiment.name;
    const train::TrainConfig config = config_of(options_, experiment);
    fs::create_directories(folder);
    const std::vector<std::string> command = command_of(config, folder);
    fmt::print(stderr, "\n{} {}: {}\n", experiment.chapter, experiment.title, report::shell_command(command));
    const TrainResult result = run_training(config, folder, {.document_units = true, .command = command});
    if (result.outcome.interrupted) return false;
    page_.commands.push_back(report::shell_command(command));
    outcomes_.push_back({.experiment = experiment, .history = result.outcome.history, .evaluation = result.outcome.evaluation,
                         .evaluated_split = result.outcome.evaluated_split, .verdict = result.outcome.verdict, .splits = splits_of(folder),
                         .batch_size = config.batch_size});
    draw_run(outcomes_.back(), config);
    return true;
  }

  /// Figures 7 and 8: saliency of the 36 samples and by class, Grad-CAM over pictures.
  void explain(const Experiment& experiment) {
    const fs::path run = out_ / "runs" / experiment.name;
    const Compute compute = use_device(options_.device);
    LoadedModel model = load_model(run.string(), {.device = compute.device, .dtype = compute.dtype});
    const std::string& data = data_of(options_, experiment);
    const std::string split = has_split(data, "test") ? "test" : has_split(data, "val") ? "val" : "train";
    const FacesDataset dataset(data, split, {.image_size = static_cast<int>(model.spec.image_size), .real_folder = options_.real_folder,
                                             .fake_folder = options_.fake_folder, .classes = FacesDatasetOptions::Classes::kAny});
    const tools::FigureSource source{*model.module, model.spec, dataset};
    const std::string where = fmt::format("{} of the {} split", experiment.title, split);
    const auto draw = [&](int number, explain::Method method, auto draw_figure, const std::string& file, const std::string& caption, const std::string& document) {
      ProgressBar bar;
      bool started = false;
      const fs::path folder = out_ / "figures" / experiment.name;
      fs::create_directories(folder);
      tools::FigureOptions figure;
      figure.explain.method = method;
      figure.explain.layer = model.spec.explained_layer;
      figure.explain.normalisation = model.spec.normalisation;
      figure.seed = options_.seed;
      figure.out = folder;
      figure.progress = [&](std::size_t done, std::size_t total) {
        if (!started) bar.start(fmt::format("figure {}", number), static_cast<std::int64_t>(total));
        started = true;
        bar.update(static_cast<std::int64_t>(done));
      };
      page_.figures.push_back({.number = number, .file = fmt::format("figures/{}/{}", experiment.name, file), .caption = caption + where + ".", .document = document,
                               .figure = draw_figure(source, figure).figure});
    };
    const bool swaps = experiment.data == paper::Data::kDeepfake;
    draw(7, explain::Method::kSaliency, tools::draw_grid36, "grid36.saliency", "Saliency maps of 36 samples beside them: ",
         swaps ? "bilateral hotspots at the eyes and one at the mouth" : "a grid of 8x8 points, 25 to 30 pixels apart, alike in real and generated faces");
    draw(7, explain::Method::kSaliency, tools::draw_means, "means.saliency",
         "Mean saliency of real and of fake pictures, and below them the control, the same from weights that were drawn anew: what both rows show, training did not put there. ",
         swaps ? "three regions of 25 to 30 pixels radius" : "uniform at 0.6 to 0.7 over all grid points");
    draw(8, explain::Method::kGradCam, tools::draw_overlays, "overlays.gradcam", "Grad-CAM over real and fake pictures: ",
         swaps ? "little on the real face, the face's edges and features on the swapped one" : "strong on the middle of real faces and over most of generated ones");
  }

  void write() {
    page_.comparisons = paper::compare(outcomes_);
    for (const auto& [name, data] : {std::pair{"first", &options_.deepfake}, {"second", &options_.synthetic}}) {
      if (is_toy_dataset(*data)) page_.notes.push_back(fmt::format("The {} data set is drawn toy faces: its figures say nothing about photographs.", name));
    }
    if (options_.pretrained.empty()) {
      page_.notes.push_back("Xception was trained from drawn weights: the document's was pre-trained on ImageNet (--pretrained WEIGHTS).");
    }
    page_.settings = {{"face swaps", options_.deepfake}, {"generated faces", options_.synthetic}, {"pretrained", options_.pretrained.empty() ? "none" : options_.pretrained},
                      {"epochs", std::to_string(options_.epochs)}, {"image size", std::to_string(options_.image_size)}, {"seed", std::to_string(options_.seed)},
                      {"device", device_name(use_device(options_.device).device)}, {"precision", options_.device.precision}};
    page_.version = version();
    write_file_atomic(out_ / "paper.json", paper::paper_json(page_));
    write_file_atomic(out_ / "paper.html", paper::paper_page(page_));
  }

  void print() const {
    for (const paper::Comparison& c : page_.comparisons) fmt::print("{:<6} {:<52} {:<26} {}\n", c.section, c.quantity, c.document, c.ours);
  }

 private:
  void save(int number, const std::string& name, const report::Figure& figure, const std::string& caption, const std::string& document) {
    fs::create_directories(out_ / "figures");
    report::save_figure(figure, out_ / "figures" / name);
    page_.figures.push_back({.number = number, .file = "figures/" + name, .caption = caption, .document = document, .figure = figure});
  }

  void draw_run(const paper::Outcome& outcome, const train::TrainConfig& config) {
    const Experiment& e = outcome.experiment;
    const std::string data = fs::path(config.data).filename().string();
    const double majority = outcome.evaluation ? outcome.evaluation->majority_accuracy.value.value_or(0) : 0;
    report::RunHistory history = report::run_history(outcome.history, e.model, data, {.accuracy = majority, .split = outcome.evaluated_split});
    history.document_units = true;
    history.batch_size = config.batch_size;
    save(e.history_figure, std::string(e.name) + "_history", report::plot_history(history), fmt::format("{}: loss and accuracy over the epochs.", e.title),
         e.history_figure == 2   ? "training accuracy rises to 95%, validation and test stay at 87 to 88%"
         : e.history_figure == 4 ? "all losses stay at 0.022, all accuracies near 50%"
         : e.history_figure == 5 ? "validation accuracy is highest, 50.2%, in the first epoch"
                                 : "");
    if (!outcome.evaluation || !outcome.evaluation->roc_second.degenerate_reason().empty()) return;
    save(e.curves_figure, std::string(e.name) + "_roc_det", report::plot_roc_det(report::score_curves(*outcome.evaluation, fmt::format("{}, {}", e.title, outcome.evaluated_split))),
         fmt::format("{}: ROC and DET curves of both scores.", e.title),
         e.curves_figure == 3   ? "AUC 0.058 of the first score and 0.942 of the second"
         : e.curves_figure == 6 ? "AUC 0.524 of the first score and 0.476 of the second"
                                : "");
  }

  const PaperOptions& options_;
  const fs::path& out_;
  paper::PaperPage page_;
  std::vector<paper::Outcome> outcomes_;
};

int run_paper(const PaperOptions& options) {
  for (const std::string& data : {options.deepfake, options.synthetic}) {
    SEPIA_CHECK_KIND(has_split(data, "train"), ErrorKind::kPath, data, "/train: no such folder; a data set is FOLDER/{train,val,test}/{real,fake}/*");
  }
  use_device(options.device);
  claim_output_folder(options.output.out, options.output.overwrite, {"runs", "figures", "paper.html", "paper.json"});
  set_num_threads(options.device.threads);
  const GracefulStop graceful;
  Paper paper(options, options.output.out);
  paper.draw_data();
  for (const Experiment& experiment : paper::experiments()) {
    if (!paper.run(experiment)) return stop_exit_code();
  }
  for (const Experiment& experiment : paper::experiments()) {
    if (stop_requested()) return stop_exit_code();
    if (std::string(experiment.model) != "edgenet") paper.explain(experiment);  // the document explains the other networks
  }
  paper.write();
  paper.print();
  fmt::print(stderr, "open {}\n", (options.output.out / "paper.html").string());
  return 0;
}

}  // namespace

void add_paper_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "paper", "Run every experiment of the document on two data sets of your own and lay its figures and numbers beside yours.",
                                          "sepia paper DEEPFAKE SYNTHETIC --out paper\n"
                                          "sepia paper DEEPFAKE SYNTHETIC --pretrained xception.safetensors --out paper");
  const auto options = std::make_shared<PaperOptions>();
  command.add_option("DEEPFAKE", options->deepfake, "Data set of face swaps: FOLDER/{train,val,test}/{real,fake}/*")->required();
  command.add_option("SYNTHETIC", options->synthetic, "Data set of generated faces, of the same shape")->required();
  command.add_option("--pretrained", options->pretrained, "Weights that Xception starts from")->type_name("WEIGHTS");
  add_output_options(command, options->output, "New folder for the runs, the figures and paper.html");
  add_class_map_option(command, options->real_folder, options->fake_folder);
  add_whole(command, "--epochs", options->epochs, 1, 1'000'000, "Epochs of every run");
  add_image_size_option(command, options->image_size, 50);
  add_seed_option(command, options->seed);
  add_workers_option(command, options->workers);
  add_device_options(command, options->device);
  session.set_action(command, [options] { return run_paper(*options); });
}

}  // namespace sepia::cli
