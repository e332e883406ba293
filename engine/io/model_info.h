// What a weights file says about its model besides the weights: enough to build the network and to feed it. Kept as strings in the
// file's metadata, without dates, hosts or paths, so that equal models give equal files.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "engine/io/safetensors.h"

namespace sepia {

/// The keys of SPEC's weights files: sepia.model, sepia.mean, sepia.std, sepia.input, sepia.image_size, sepia.classes, sepia.numerics.
struct ModelInfo {
  std::string model;                           ///< "edgenet", ...
  std::array<double, 3> mean{}, std{1, 1, 1};  ///< per channel, of pixels in [0, 1]; written so that they read back to the bit
  std::string input = "rgb";                   ///< "rgb" or "residual"
  std::int64_t image_size = 256;               ///< side of the square pictures
  std::int64_t classes = 2;                    ///< outputs, real before fake
  std::string numerics = "pytorch";            ///< whose batch norm eps and pooling rules: "pytorch" or "keras"

  bool operator==(const ModelInfo&) const = default;
};

/// The seven keys; "format" = "pt" beside them, which tells other tools that names and layouts are PyTorch's.
TensorFileMetadata to_metadata(const ModelInfo& info);

/// The keys of a file that sepia wrote, or nothing when "sepia.model" is absent (then --arch has to say it). kData, beginning with
/// `source`, when a key is missing or does not hold what it must.
std::optional<ModelInfo> model_info_from_metadata(const TensorFileMetadata& metadata, std::string_view source);

}  // namespace sepia
