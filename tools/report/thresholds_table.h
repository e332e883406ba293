// The table of thresholds that were chosen on one split and measured on another.
#pragma once

#include <string>
#include <vector>

#include "engine/metrics/classification.h"

namespace sepia::report {

struct ThresholdRow {
  std::string rule, words;  ///< "eer", and what it means
  double threshold = 0.5;
  Confusion chosen_on, measured;
};

/// What a threshold does on the split that it was chosen on and on `split`. Empty without rows.
std::string thresholds_table(const std::vector<ThresholdRow>& rows, const std::string& split);

}  // namespace sepia::report
