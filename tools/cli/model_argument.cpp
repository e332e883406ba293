#include "tools/cli/model_argument.h"

#include <fmt/format.h>

#include <algorithm>

#include "engine/base/error.h"
#include "engine/io/weights.h"
#include "tools/cli/nearest.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

bool is_architecture(const std::string& name) { return std::ranges::count(models::model_names(), name) > 0; }

std::string known_networks() { return fmt::format("{}", fmt::join(models::model_names(), ", ")); }

/// Where weights are wanted, what leads nowhere is a path that is not there; elsewhere a bare word is a mistyped name.
[[noreturn]] void fail_nothing_there(const std::string& argument, bool needs_weights) {
  const bool path_like = needs_weights || argument.find_first_of("/.") != std::string::npos;
  if (path_like) fail(ErrorKind::kPath, argument, ": no such file, run folder or network (networks: ", known_networks(), ")");
  const std::string suggestion = nearest(argument, models::model_names());
  fail(ErrorKind::kUsage, "there is no network, file or folder '", argument, "'",
       suggestion.empty() ? "; networks: " + known_networks() : ", did you mean '" + suggestion + "'?");
}

// The file that the argument means.
fs::path weights_path(const std::string& argument, bool needs_weights) {
  const fs::path path = argument;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const fs::path best = path / "best.safetensors";
    SEPIA_CHECK_KIND(fs::exists(best, error), ErrorKind::kPath, argument, ": the folder holds no best.safetensors; is it a run that has finished an epoch?");
    return best;
  }
  if (!fs::exists(path, error)) fail_nothing_there(argument, needs_weights);
  const std::string extension = path.extension().string();
  for (const char* foreign : {".pth", ".pt", ".h5", ".bin", ".ckpt"}) {
    SEPIA_CHECK_KIND(extension != foreign, ErrorKind::kData, argument, ": only .safetensors files are loaded here; convert it first: sepia convert ",
                     argument, " ", fs::path(argument).replace_extension(".safetensors").string(), " --arch NAME");
  }
  return path;
}

models::ModelSpec spec_of(const ModelInfo& info) {
  models::ModelSpec spec = models::default_spec(info.model);
  spec.image_size = info.image_size;
  spec.classes = info.classes;
  spec.normalisation = {.mean = info.mean, .std = info.std, .kind = ops::input_kind_from_name(info.input)};
  spec.numerics = info.numerics;
  return spec;
}

ModelInfo info_of(const models::ModelSpec& spec) {
  return {.model = spec.name, .mean = spec.normalisation.mean, .std = spec.normalisation.std, .input = ops::input_kind_name(spec.normalisation.kind),
          .image_size = spec.image_size, .classes = spec.classes, .numerics = spec.numerics};
}

/// A file without metadata: what the architecture says, with as many classes as the file's last layer has.
ModelInfo info_from_head(const std::string& architecture, const SafetensorsFile& file) {
  models::ModelSpec spec = models::default_spec(architecture);
  const std::string last_bias = models::make_model(spec)->named_parameters().back().first;
  const TensorEntry* entry = file.find(last_bias);
  if (entry != nullptr && entry->shape.size() == 1 && entry->shape[0] >= 2) spec.classes = entry->shape[0];
  return info_of(spec);
}

}  // namespace

void check_usable(const ModelInfo& info, const std::string& source, const std::string& asked) {
  SEPIA_CHECK_KIND(asked.empty() || asked == info.model, ErrorKind::kData, source, ": belongs to ", info.model, ", not to --arch ", asked, "; leave --arch out");
  SEPIA_CHECK_KIND(is_architecture(info.model), ErrorKind::kData, source, ": belongs to the network '", info.model, "', which this sepia does not have (networks: ",
                   known_networks(), ")");
  SEPIA_CHECK_KIND(models::has_numerics(info.model, info.numerics), ErrorKind::kData, source, ": needs numerics '", info.numerics,
                   "', which this sepia does not have for ", info.model);
}

fs::path weights_file(const std::string& argument) { return weights_path(argument, true); }

bool LoadedModel::trained_on_toy_data() const {
  const auto found = metadata.find(kTrainedOnKey);
  return found != metadata.end() && found->second == "toy";
}

LoadedModel load_model(const std::string& argument, const ModelArgumentOptions& options) {
  LoadedModel loaded;
  std::unique_ptr<SafetensorsFile> file;
  if (is_architecture(argument)) {
    SEPIA_CHECK(!options.needs_weights, "'", argument, "' is a network without weights; give a .safetensors file or a run folder");
    loaded.info = info_of(models::default_spec(argument));
  } else {
    loaded.weights = weights_path(argument, options.needs_weights);
    file = std::make_unique<SafetensorsFile>(SafetensorsFile::open(loaded.weights));
    loaded.metadata = file->metadata();
    if (const auto info = model_info_from_metadata(file->metadata(), loaded.weights.string())) {
      check_usable(*info, loaded.weights.string(), options.architecture);
      loaded.info = *info;
    } else {
      SEPIA_CHECK_KIND(!options.architecture.empty(), ErrorKind::kData, loaded.weights.string(),
                       ": does not say which network it belongs to; add --arch NAME (", known_networks(), ")");
      loaded.info = info_from_head(options.architecture, *file);
    }
  }
  if (options.image_size > 0) loaded.info.image_size = options.image_size;
  if (options.classes > 0) loaded.info.classes = options.classes;
  loaded.spec = spec_of(loaded.info);
  loaded.module = models::make_model(loaded.spec);
  if (!file) {
    loaded.module->place(options.device, options.dtype, options.seed);
  } else {
    loaded.module->place_undrawn(options.device, options.dtype);
    const LoadReport report = load_weights(*file, *loaded.module);
    SEPIA_CHECK_KIND(report.unexpected.empty(), ErrorKind::kData, loaded.weights.string(), ": holds tensors that ", loaded.info.model, " does not have (",
                     report.summary(), "); is it the right --arch?");
  }
  loaded.module->eval();
  return loaded;
}

CLI::Option* add_arch_option(CLI::App& app, std::string& architecture) {
  return app.add_option("--arch", architecture, "Network of weights that do not say it themselves: " + known_networks())->type_name("NAME");
}

}  // namespace sepia::cli
