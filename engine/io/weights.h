// A module's weights in safetensors files, under PyTorch's names and in PyTorch's layouts: torch's load_state_dict(strict=True)
// takes what is written here.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/nn/module.h"

namespace sepia {

/// One tensor as a file holds it, with its own bytes.
struct FileTensor {
  std::string name;
  DType dtype = DType::kF32;
  std::vector<std::int64_t> shape;
  std::vector<std::byte> data;
};

/// All parameters, running statistics and `num_batches_tracked` (I64) of a placed module, copied to the host in file layouts; each
/// name has `prefix` in front. kInternal while weights have no value (place_undrawn).
std::vector<FileTensor> state_dict(nn::Module& module, const std::string& prefix = "");

/// A flat arena like the module's own (an optimiser's moments), cut into tensors named prefix + parameter name in the parameters' file
/// layouts. A shorter arena lacks the front, as gradients do where the first layers are frozen: those parameters are left out.
std::vector<FileTensor> arena_tensors(nn::Module& module, const Tensor& arena, const std::string& prefix);

/// Adds them to a file. `tensors` must live until the file is written.
void add_tensors(SafetensorsWriter& writer, const std::vector<FileTensor>& tensors);

/// Writes a module's state atomically. kPath on failure.
void save_weights(const std::filesystem::path& path, nn::Module& module, const TensorFileMetadata& metadata);

/// What loading found. `unexpected` are tensors of the file that the module does not have.
struct LoadReport {
  std::size_t loaded = 0;
  std::vector<std::string> missing, unexpected;

  /// "62 tensors loaded, 0 missing, 1 unexpected (fc.bias)".
  std::string summary() const;
};

struct LoadParams {
  std::string prefix;          ///< in front of every name in the file
  bool allow_missing = false;  ///< a new head: tensors that are not in the file keep their values
  bool check_finite = true;    ///< refuse NaN and infinities
  bool allow_unexpected = true;  ///< tensors of the file that the module does not have are reported, not refused
  /// The name in the file of a tensor of the module, without the prefix; "": it is not looked for and keeps its values. Unset: its own.
  std::function<std::string(const std::string& name)> source_name{};
  /// Not weights, and not counted as unexpected: the rest of a checkpoint.
  std::vector<std::string> ignored_prefixes = {"optim."};
};

/// Loads a placed module's state. Floating types are converted (F64, F32, F16, BF16); shapes must agree after dropping extents of 1, as
/// pointwise and depthwise weights are kept in several forms. `num_batches_tracked` may be absent (files of before PyTorch 0.4).
/// Nothing is changed unless everything fits: kData otherwise, in one line with the first few names. A model of place_undrawn() can run
/// once one file has given it everything.
LoadReport load_weights(const SafetensorsFile& file, nn::Module& module, const LoadParams& params = {});

/// The inverse of arena_tensors: the tensor of every parameter that the arena has must be in the file, in the arena's type. kData otherwise.
void load_arena(const SafetensorsFile& file, nn::Module& module, const Tensor& arena, const std::string& prefix);

}  // namespace sepia
