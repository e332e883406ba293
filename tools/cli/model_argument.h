// MODEL on the command line: an architecture's name, a .safetensors file or a run folder.
#pragma once

#include <CLI/CLI.hpp>
#include <filesystem>
#include <memory>
#include <string>

#include "engine/io/model_info.h"
#include "engine/io/safetensors.h"
#include "engine/nn/module.h"
#include "models/model.h"

namespace sepia::cli {

inline constexpr const char* kModelHelp = "A network's name, a .safetensors file or a run folder (its best.safetensors)";

/// --arch NAME, for weights that do not say which network they are for.
CLI::Option* add_arch_option(CLI::App& app, std::string& architecture);

struct ModelArgumentOptions {
  std::string architecture{};    ///< --arch, for files that do not say what they are
  Device device = kCpuDevice;
  DType dtype = DType::kF32;
  std::uint64_t seed = 0;        ///< first weights when only an architecture is named
  std::int64_t image_size = 0;   ///< 0: what the file says, or 256
  std::int64_t classes = 0;      ///< 0: what the file or its head says, or the network's own
  bool needs_weights = true;     ///< an architecture alone is an error
};

/// A network ready to run, and what its file says of it.
struct LoadedModel {
  std::unique_ptr<nn::Module> module;
  ModelInfo info;
  models::ModelSpec spec;
  std::filesystem::path weights;   ///< the file read; empty for an architecture
  TensorFileMetadata metadata;
  /// Whether the weights were trained on drawn pictures (`sepia data toy`), which says nothing about photographs.
  bool trained_on_toy_data() const;
};

/// Key of the weights' metadata that names what they were trained on ("toy" or "pictures").
inline constexpr const char* kTrainedOnKey = "sepia.trained_on";
/// Key with the fingerprint of the training split.
inline constexpr const char* kFingerprintKey = "sepia.train_fingerprint";

/// The .safetensors file that an argument means: itself, or the best weights of a run folder. kPath when nothing is there; kData for
/// another format, with the `sepia convert` line to type.
std::filesystem::path weights_file(const std::string& argument);

/// kData unless this sepia can compute as a file's metadata asks; a file may come from a newer one. `asked`: --arch, or empty.
void check_usable(const ModelInfo& info, const std::string& source, const std::string& asked);

/// kPath when there is no such file or folder, kData when it is not what it must be or belongs to another network than --arch says,
/// kUsage for an unknown name where a name would do.
LoadedModel load_model(const std::string& argument, const ModelArgumentOptions& options);

}  // namespace sepia::cli
