#include "tools/commands/train_preset.h"

#include <algorithm>
#include <sstream>

#include "engine/base/error.h"

namespace sepia::cli {

const std::vector<TrainPreset>& train_presets() {
  // Chosen by validation alone, five seeds each; what was tried beside them: docs/training.md.
  static const std::vector<TrainPreset> presets = {
      {.name = "document", .summary = "the protocol of the document, as without a preset", .options = ""},
      {.name = "detector",
       .summary = "for few photographs, from scratch, with edgenet: what a blur takes away, small batches, one cycle of the learning rate",
       .options = "--input residual --opt adamw --weight-decay 0.05 --sched onecycle --lr 3e-3 --epochs 200 --batch-size 16 --select last"},
  };
  return presets;
}

const TrainPreset& train_preset(const std::string& name) {
  const auto found = std::ranges::find(train_presets(), name, &TrainPreset::name);
  if (found != train_presets().end()) return *found;
  std::string names;
  for (const TrainPreset& preset : train_presets()) names += (names.empty() ? "" : ", ") + preset.name;
  fail(ErrorKind::kUsage, "--preset: there is no '", name, "'; there are ", names);
}

std::vector<std::string> preset_words(const TrainPreset& preset) {
  std::istringstream in(preset.options);
  std::vector<std::string> words;
  for (std::string word; in >> word;) words.push_back(word);
  return words;
}

}  // namespace sepia::cli
