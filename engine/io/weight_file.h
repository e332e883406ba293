// Weight files of other programs in one form: named tensors, and what else stood beside them.
//
//   safetensors        timm, Hugging Face, sepia itself
//   PyTorch ZIP        torch.save since 1.6 (.pth, .pt)
//   PyTorch legacy     torch.save before, and with _use_new_zipfile_serialization=False
//   HDF5               Keras .h5 and .weights.h5; parsed by a process of its own (hdf5_process.h)
//
// Nothing in a file is executed, and every size is compared with the file's own before memory is asked for. Names and layouts stay the
// file's: who knows the network maps them (tools/convert).
#pragma once

#include <cstddef>
#include <filesystem>
#include <string>
#include <utility>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/io/weights.h"

namespace sepia {

/// A number or a text found beside the tensors, as text: {"epoch", "12"}, {"keras_version", "3.15.1"}.
using FileNote = std::pair<std::string, std::string>;

struct WeightFile {
  enum class Format { kSafetensors, kTorchZip, kTorchLegacy, kHdf5 };

  std::string source;                 ///< the path, for messages
  Format format = Format::kSafetensors;
  std::string sha256;                 ///< of the whole file
  std::string key;                    ///< under which the state dict was found; empty: at the top
  std::vector<FileTensor> tensors;    ///< in the file's order; any element type that sepia knows
  std::vector<FileNote> notes;
  std::vector<std::string> skipped;   ///< what is neither: optimiser state, nested settings
  TensorFileMetadata metadata;        ///< of safetensors files
};

/// "a PyTorch file (ZIP)".
const char* format_name(WeightFile::Format format);

struct WeightFileOptions {
  std::string key{};  ///< where the state dict is; empty: at the top or under model, state_dict, model_state_dict or net
};

/// Reads a weight file of any of these formats, told apart by their first bytes. kPath when the file cannot be read; kData, in one line
/// with the reason, when it is damaged, of another kind, or holds more than tensors and plain values. kInternal when the program that
/// parses HDF5 cannot be found.
WeightFile read_weight_file(const std::filesystem::path& path, const WeightFileOptions& options = {});

/// Whether these names of a checkpoint's parts mean the state of an optimiser, a schedule or a gradient scaler.
bool is_training_state(std::string_view name);

}  // namespace sepia
