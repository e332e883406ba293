// --threshold: a probability, or a rule by which one was or is chosen on a validation split.
#pragma once

#include <optional>
#include <string>

#include "engine/metrics/threshold.h"
#include "tools/cli/model_argument.h"

namespace sepia::cli {

struct ThresholdArgument {
  enum class Source {
    kNumber,  ///< "0.5"
    kVal,     ///< "val:eer": on the validation split of the data at hand
    kStored,  ///< "stored:eer": by the training, kept with the weights
  } source = Source::kNumber;
  double number = 0.5;
  ThresholdRule rule{};
  std::string text = "0.5";  ///< as given

  /// kUsage for anything else and for a number outside [0, 1].
  static ThresholdArgument parse(const std::string& text);
};

/// The stored threshold that the argument names. kData, saying which there are, when the weights hold none of that rule.
ChosenThreshold stored_threshold(const LoadedModel& model, const ThresholdArgument& argument);

/// "on val (40 real, 40 fake): accuracy 0.9500, FPR 0.0500, TPR 0.9500": what a threshold did where it was chosen.
std::string chosen_on_words(const ChosenThreshold& chosen);

}  // namespace sepia::cli
