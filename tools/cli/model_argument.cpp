#include "tools/cli/model_argument.h"

#include <algorithm>

#include "engine/base/error.h"
#include "engine/io/weights.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;

bool is_architecture(const std::string& name) { return std::ranges::count(models::model_names(), name) > 0; }

// The weights file that the argument means.
fs::path weights_path(const std::string& argument) {
  const fs::path path = argument;
  std::error_code error;
  if (fs::is_directory(path, error)) {
    const fs::path best = path / "best.safetensors";
    SEPIA_CHECK_KIND(fs::exists(best, error), ErrorKind::kPath, argument, ": the folder holds no best.safetensors; is it a run that has finished an epoch?");
    return best;
  }
  SEPIA_CHECK_KIND(fs::exists(path, error), ErrorKind::kPath, argument, ": no such file, run folder or network (networks: ",
                   [] { std::string names; for (const std::string& n : models::model_names()) names += (names.empty() ? "" : ", ") + n; return names; }(), ")");
  const std::string extension = path.extension().string();
  for (const char* foreign : {".pth", ".pt", ".h5", ".bin", ".ckpt"}) {
    SEPIA_CHECK_KIND(extension != foreign, ErrorKind::kData, argument, ": sepia loads only .safetensors files; save the weights as one (in Python: ",
                     "safetensors.torch.save_file(model.state_dict(), 'weights.safetensors')) and give that with --arch");
  }
  return path;
}

models::ModelSpec spec_of(const ModelInfo& info) {
  models::ModelSpec spec = models::default_spec(info.model);
  spec.image_size = info.image_size;
  spec.classes = info.classes;
  spec.normalisation = {.mean = info.mean, .std = info.std};
  return spec;
}

}  // namespace

bool LoadedModel::trained_on_toy_data() const {
  const auto found = metadata.find(kTrainedOnKey);
  return found != metadata.end() && found->second == "toy";
}

LoadedModel load_model(const std::string& argument, const ModelArgumentOptions& options) {
  LoadedModel loaded;
  std::unique_ptr<SafetensorsFile> file;
  if (is_architecture(argument)) {
    SEPIA_CHECK(!options.needs_weights, "'", argument, "' is a network without weights; give a .safetensors file or a run folder");
    loaded.info.model = argument;
    const ops::Normalisation normalisation = models::default_spec(argument).normalisation;
    loaded.info.mean = normalisation.mean;
    loaded.info.std = normalisation.std;
  } else {
    loaded.weights = weights_path(argument);
    file = std::make_unique<SafetensorsFile>(SafetensorsFile::open(loaded.weights));
    loaded.metadata = file->metadata();
    if (const auto info = model_info_from_metadata(file->metadata(), loaded.weights.string())) {
      loaded.info = *info;
    } else {
      SEPIA_CHECK_KIND(!options.architecture.empty(), ErrorKind::kData, loaded.weights.string(), ": does not say which network it belongs to; add --arch NAME");
      const ops::Normalisation normalisation = models::default_spec(options.architecture).normalisation;
      loaded.info = {.model = options.architecture, .mean = normalisation.mean, .std = normalisation.std};
    }
  }
  if (options.image_size > 0) loaded.info.image_size = options.image_size;
  loaded.spec = spec_of(loaded.info);
  loaded.module = models::make_model(loaded.spec);
  loaded.module->place(options.device, options.dtype, options.seed);
  if (file) {
    const LoadReport report = load_weights(*file, *loaded.module);
    SEPIA_CHECK_KIND(report.unexpected.empty(), ErrorKind::kData, loaded.weights.string(), ": holds tensors that ", loaded.info.model, " does not have (",
                     report.summary(), "); is it the right --arch?");
  }
  loaded.module->eval();
  return loaded;
}

}  // namespace sepia::cli
