// sepia explain: why a network judges pictures as it does.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "data/faces_dataset.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/version.h"
#include "tools/cli/errors.h"
#include "tools/cli/json.h"
#include "tools/cli/model_argument.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/commands/commands.h"
#include "tools/explain/figures.h"
#include "tools/explain/sanity_report.h"
#include "tools/explain/single_maps.h"
#include "tools/explain/words.h"
#include "tools/predict/predict_pictures.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

struct ExplainCommandOptions {
  std::vector<std::string> paths;
  std::string model, architecture, method = "gradcam", layer, class_name, baseline = "blur", scale;
  std::string data, split = "test", figure, real_folder = "real", fake_folder = "fake";
  int steps = 64, samples = 25, batch_size = 8, image_size = 0;
  double noise = 0.1;
  std::uint64_t seed = 0;
  bool recursive = false, strict = false, json = false, sanity = false, curves = false;
  int redraws = 3, pictures = 16;
  OutputOptions output{};
  DeviceOptions device{};
};

explain::ExplainOptions method_options(const ExplainCommandOptions& options, const models::ModelSpec& spec) {
  return {.method = explain::method_named(options.method),
          .layer = options.layer.empty() ? spec.explained_layer : options.layer,
          .steps = options.steps,
          .baseline = explain::baseline_named(options.baseline),
          .samples = options.samples,
          .noise = options.noise,
          .seed = options.seed,
          .normalisation = spec.normalisation};
}

void write_index(const fs::path& out, const nlohmann::ordered_json& index, bool json) {
  write_file_atomic(out / "index.json", index.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) + "\n");
  if (json) print_json(index);
}

nlohmann::ordered_json index_head(const LoadedModel& model, const ExplainCommandOptions& options) {
  return {{"sepia", version()}, {"model", model.info.model}, {"weights", model.weights.string()}, {"seed", options.seed}};
}

int explain_paths(LoadedModel& model, const std::vector<std::string>& files, const ExplainCommandOptions& options) {
  const tools::ClassRule rule = tools::class_rule_named(options.class_name.empty() ? "fake" : options.class_name);
  SEPIA_CHECK(rule != tools::ClassRule::kTrue, "--class true: loose pictures have no label; give predicted, real or fake");
  const tools::SingleMapsOptions single{.explain = method_options(options, model.spec), .class_rule = rule, .scale = tools::ScaleRule::parse(options.scale.empty() ? "image" : options.scale),
                                        .curves = options.curves, .batch_size = options.batch_size, .out = options.output.out};
  ProgressBar bar;
  if (files.size() > static_cast<std::size_t>(options.batch_size)) bar.start("explaining", static_cast<std::int64_t>(files.size()));
  nlohmann::ordered_json index = index_head(model, options), maps = nlohmann::ordered_json::array();
  std::size_t bad = 0;
  tools::write_single_maps(*model.module, model.spec, files, single, [&](const nlohmann::ordered_json& entry) {
    maps.push_back(entry);
    bar.update(static_cast<std::int64_t>(maps.size()));
    if (entry.contains("error")) {
      ++bad;
      bar.line("cannot be explained: " + one_line(entry.at("error").get<std::string>()));
    } else if (!options.json) {
      bar.clear();
      fmt::print("{}  {}{}{}\n", entry.at("png").get<std::string>(), entry.at("class").get<std::string>(), entry.at("empty").get<bool>() ? "  empty" : "",
                 entry.contains("completeness") && !entry["completeness"]["relative_gap"].is_null()
                     ? fmt::format("  completeness gap {:.3f}%", 100 * entry["completeness"]["relative_gap"].get<double>())
                     : "");
    }
  });
  bar.clear();
  index["maps"] = std::move(maps);
  write_index(options.output.out, index, options.json);
  if (bad > 0) fmt::print(stderr, "{} of {} pictures could not be explained\n", bad, files.size());
  return bad > 0 && options.strict ? static_cast<int>(ErrorKind::kData) : 0;
}

FacesDataset open_split(const ExplainCommandOptions& options, const models::ModelSpec& spec) {
  FacesDatasetOptions dataset{.image_size = static_cast<int>(spec.image_size), .real_folder = options.real_folder, .fake_folder = options.fake_folder};
  dataset.classes = FacesDatasetOptions::Classes::kAny;
  return FacesDataset(options.data, options.split, dataset);
}

int explain_split(LoadedModel& model, const ExplainCommandOptions& options) {
  const FacesDataset dataset = open_split(options, model.spec);
  ProgressBar bar;
  bool started = false;
  const tools::FigureOptions figure{.explain = method_options(options, model.spec),
                                    .class_rule = tools::class_rule_named(options.class_name.empty() ? "true" : options.class_name),
                                    .scale = tools::ScaleRule::parse(options.scale.empty() ? "shared" : options.scale),
                                    .seed = options.seed,
                                    .batch_size = options.batch_size,
                                    .out = options.output.out,
                                    .progress = [&](std::size_t done, std::size_t total) {
                                      if (!std::exchange(started, true)) bar.start("explaining " + options.split, static_cast<std::int64_t>(total));
                                      bar.update(static_cast<std::int64_t>(done));
                                    }};
  const tools::FigureSource source{*model.module, model.spec, dataset};
  nlohmann::ordered_json index = index_head(model, options);
  index["data"] = options.data;
  index["split"] = options.split;
  const auto draw = options.figure == "grid36" ? tools::draw_grid36 : options.figure == "means" ? tools::draw_means : tools::draw_overlays;
  index.update(draw(source, figure).index);
  bar.clear();
  write_index(options.output.out, index, options.json);
  if (!options.json) fmt::print("{}\n", (options.output.out / index["files"][1].get<std::string>()).string());
  return 0;
}

int check_method(LoadedModel& model, const ExplainCommandOptions& options) {
  const FacesDataset dataset = open_split(options, model.spec);
  ProgressBar bar;
  bool started = false;
  const tools::SanityRun run{.explain = method_options(options, model.spec),
                             .class_rule = tools::class_rule_named(options.class_name.empty() ? "true" : options.class_name),
                             .seed = options.seed,
                             .redraws = options.redraws,
                             .pictures = static_cast<std::size_t>(options.pictures),
                             .batch_size = options.batch_size};
  const explain::SanityResult result = tools::run_sanity_check({*model.module, model.spec, dataset}, run, [&](std::size_t done, std::size_t total) {
    if (!std::exchange(started, true)) bar.start("drawing weights anew", static_cast<std::int64_t>(total));
    bar.update(static_cast<std::int64_t>(done));
  });
  bar.clear();
  nlohmann::ordered_json index = index_head(model, options);
  index.update(tools::sanity_json(result, run));
  if (!options.output.out.empty()) {
    report::save_figure(tools::sanity_figure(result, run), options.output.out / fmt::format("sanity.{}", options.method));
    write_index(options.output.out, index, false);
  }
  if (options.json) {
    print_json(index);
  } else {
    fmt::print("{}", tools::sanity_text(result, run, model.info.model));
  }
  return result.passes ? 0 : static_cast<int>(ErrorKind::kInternal);
}

int run_explain(ExplainCommandOptions& options) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.model.empty(), "which model? add -m RUN or -m WEIGHTS.safetensors");
  explain::method_named(options.method);
  const bool of_data = !options.data.empty();
  SEPIA_CHECK(of_data != !options.paths.empty(), "what is to be explained? give pictures or folders, or --data FOLDER with --figure or --sanity");
  SEPIA_CHECK(of_data == (options.sanity || !options.figure.empty()), of_data ? "--data: say what to make of it, --figure grid36, means or overlays, or --sanity"
                                                                              : "--figure and --sanity need --data FOLDER instead of pictures");
  SEPIA_CHECK(!options.sanity || options.figure.empty(), "--sanity and --figure are two commands; give one of them");
  SEPIA_CHECK(!options.curves || !of_data, "--curves is for single pictures; give their paths");
  SEPIA_CHECK(options.sanity || !options.output.out.empty(), "--out is required: a new folder for what is written");
  const std::vector<std::string> files = of_data ? std::vector<std::string>() : tools::pictures_under(options.paths, options.recursive);
  if (!options.output.out.empty()) claim_output_folder(options.output.out, options.output.overwrite, {"index.json"});
  LoadedModel model = load_model(options.model, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .seed = options.seed, .image_size = options.image_size,
                                                 .needs_weights = options.sanity});
  if (model.weights.empty()) fmt::print(stderr, "note: no weights were given: these are maps of an untrained network\n");
  if (!options.layer.empty()) model.module->at(options.layer);
  if (model.trained_on_toy_data()) fmt::print(stderr, "note: these weights were trained on drawn toy faces; they say nothing about photographs\n");
  if (!of_data) return explain_paths(model, files, options);
  return options.sanity ? check_method(model, options) : explain_split(model, options);
}

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "explain", "Show what in a picture a verdict rests on: saliency, Grad-CAM and their kin, as arrays and pictures.",
                                          "sepia explain photo.jpg -m runs/edge --out maps\n"
                                          "sepia explain album -r -m runs/edge --method ig --out maps\n"
                                          "sepia explain -m runs/edge --data faces --figure means --method saliency --out means\n"
                                          "sepia explain -m runs/edge --data faces --sanity --method guided     # exit 1: it fails");
  const auto options = std::make_shared<ExplainCommandOptions>();
  command.add_option("PATH", options->paths, "Pictures, or folders of pictures");
  command.add_option("-m,--model,--weights", options->model, "Run folder or .safetensors file")->type_name("MODEL");
  add_arch_option(command, options->architecture);
  command.add_option("--method", options->method, "saliency, smoothgrad, ig, guided, gradcam, gradcam++, hirescam, layercam or eigencam")->type_name("NAME")->capture_default_str();
  command.add_option("--layer", options->layer, "Whose output class activation maps look at; default: the last convolutional one")->type_name("NAME");
  command.add_option("--class", options->class_name, "Whose score is explained: true, predicted, real or fake; default: true with labels, fake for loose pictures")->type_name("CLASS");
  add_whole(command, "--steps", options->steps, 1, 4096, "Integrated gradients: points between baseline and picture");
  command.add_option("--baseline", options->baseline, "Integrated gradients and --curves: the picture without anything, blur, black or mean")->type_name("NAME")->capture_default_str();
  add_whole(command, "--samples", options->samples, 1, 100000, "SmoothGrad: noisy copies");
  add_real(command, "--noise", options->noise, kPositive, "SmoothGrad: standard deviation of the noise over the picture's range");
  command.add_option("--scale", options->scale, "Colours: image (each map its own), shared, or the value of the last colour")->type_name("RULE");
  command.add_flag("-r,--recursive", options->recursive, "Look into folders of folders too");
  command.add_flag("--strict", options->strict, "Exit with 3 when a picture could not be explained");
  command.add_option("--data", options->data, "Instead of PATH: a data set, FOLDER/SPLIT/{real,fake}/*")->type_name("FOLDER");
  command.add_option("--split", options->split, "Which split")->capture_default_str()->check(CLI::IsMember({"train", "val", "test"}));
  command.add_option("--figure", options->figure, "With --data: grid36 (36 samples beside their maps), means (by class, beside an untrained control), overlays")
      ->type_name("NAME")
      ->check(CLI::IsMember({"grid36", "means", "overlays"}));
  command.add_flag("--sanity", options->sanity, "With --data: does the method depend on what was learned? Draws the weights anew, layer by layer; exit 1 when it fails");
  add_whole(command, "--redraws", options->redraws, 1, 100, "--sanity: how often all weights are drawn anew");
  add_whole(command, "--pictures", options->pictures, 1, 65536, "--sanity: how many pictures of the split, chosen by the seed");
  command.add_flag("--curves", options->curves, "For PATH: deletion and insertion curves too, from the baseline");
  add_class_map_option(command, options->real_folder, options->fake_folder);
  command.add_option("-o,--out", options->output.out, "New folder for maps, pictures and index.json")->type_name("FOLDER");
  command.add_flag("--overwrite", options->output.overwrite, "Write into --out although it holds files");
  add_image_size_option(command, options->image_size, 0);
  add_batch_size_option(command, options->batch_size);
  add_seed_option(command, options->seed);
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_explain(*options); });
}

}  // namespace sepia::cli
