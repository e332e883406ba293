// sepia explain: why a network judges pictures as it does.
#include <fmt/format.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

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
#include "tools/explain/single_maps.h"
#include "tools/explain/words.h"
#include "tools/predict/predict_pictures.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

struct ExplainCommandOptions {
  std::vector<std::string> paths;
  std::string model, architecture, method = "gradcam", layer, class_name, baseline = "blur", scale;
  int steps = 64, samples = 25, batch_size = 8, image_size = 0;
  double noise = 0.1;
  std::uint64_t seed = 0;
  bool recursive = false, strict = false, json = false;
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
                                        .batch_size = options.batch_size, .out = options.output.out};
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

int run_explain(ExplainCommandOptions& options) {
  const Compute compute = use_device(options.device);
  SEPIA_CHECK(!options.model.empty(), "which model? add -m RUN or -m WEIGHTS.safetensors");
  SEPIA_CHECK(!options.paths.empty(), "what is to be explained? give pictures or folders");
  explain::method_named(options.method);
  const std::vector<std::string> files = tools::pictures_under(options.paths, options.recursive);
  claim_output_folder(options.output.out, options.output.overwrite, {"index.json"});
  LoadedModel model = load_model(options.model, {.architecture = options.architecture, .device = compute.device, .dtype = compute.dtype, .image_size = options.image_size});
  if (!options.layer.empty()) model.module->at(options.layer);
  if (model.trained_on_toy_data()) fmt::print(stderr, "note: these weights were trained on drawn toy faces; they say nothing about photographs\n");
  return explain_paths(model, files, options);
}

}  // namespace

void add_explain_command(CLI::App& app, Session& session) {
  CLI::App& command = session.add_command(app, "explain", "Show what in a picture a verdict rests on: saliency, Grad-CAM and their kin, as arrays and pictures.",
                                          "sepia explain photo.jpg -m runs/edge --out maps\n"
                                          "sepia explain album -r -m runs/edge --method ig --out maps");
  const auto options = std::make_shared<ExplainCommandOptions>();
  command.add_option("PATH", options->paths, "Pictures, or folders of pictures");
  command.add_option("-m,--model,--weights", options->model, "Run folder or .safetensors file")->type_name("MODEL");
  add_arch_option(command, options->architecture);
  command.add_option("--method", options->method, "saliency, smoothgrad, ig, guided, gradcam, gradcam++, hirescam, layercam or eigencam")->type_name("NAME")->capture_default_str();
  command.add_option("--layer", options->layer, "Whose output class activation maps look at; default: the last convolutional one")->type_name("NAME");
  command.add_option("--class", options->class_name, "Whose score is explained: true, predicted, real or fake; default: true with labels, fake for loose pictures")->type_name("CLASS");
  add_whole(command, "--steps", options->steps, 1, 4096, "Integrated gradients: points between baseline and picture");
  command.add_option("--baseline", options->baseline, "Integrated gradients: where the line begins, blur, black or mean")->type_name("NAME")->capture_default_str();
  add_whole(command, "--samples", options->samples, 1, 100000, "SmoothGrad: noisy copies");
  add_real(command, "--noise", options->noise, kPositive, "SmoothGrad: standard deviation of the noise over the picture's range");
  command.add_option("--scale", options->scale, "Colours: image (each map its own), shared, or the value of the last colour")->type_name("RULE");
  command.add_flag("-r,--recursive", options->recursive, "Look into folders of folders too");
  command.add_flag("--strict", options->strict, "Exit with 3 when a picture could not be explained");
  add_output_options(command, options->output, "New folder for maps, pictures and index.json");
  add_image_size_option(command, options->image_size, 0);
  add_batch_size_option(command, options->batch_size);
  add_seed_option(command, options->seed);
  add_device_options(command, options->device);
  add_json_option(command, options->json);
  session.set_action(command, [options] { return run_explain(*options); });
}

}  // namespace sepia::cli
