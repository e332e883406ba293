// sepia train --preset: settings that go together and were measured together.
#pragma once

#include <string>
#include <vector>

#include "engine/train/config.h"

namespace sepia::cli {

struct TrainPreset {
  std::string name;
  std::string summary;  ///< one line for --help
  std::string options;  ///< what it stands for, as it would be typed: "--input residual --opt adamw ..."
};

/// All of them, the default first.
const std::vector<TrainPreset>& train_presets();

/// The preset of that name; kUsage with the names there are otherwise.
const TrainPreset& train_preset(const std::string& name);

/// The words of its options, for the command line's own parser.
std::vector<std::string> preset_words(const TrainPreset& preset);

}  // namespace sepia::cli
