// Several models on several data sets: rows trained on, columns tested on.
#pragma once

#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "engine/metrics/evaluation.h"
#include "tools/report/canvas.h"

namespace sepia::tools {

struct CrossMatrix {
  std::vector<std::string> models, data;           ///< as given
  std::string split;
  std::vector<std::vector<Evaluation>> cells{};    ///< [model][data]
};

/// {"split","models","data","auc":[[...]],"accuracy":[[...]],"eer":[[...]],"cells":[[what `eval --json` gives for one]]}; what is absent is null, and
/// its cell says why.
nlohmann::ordered_json cross_json(const CrossMatrix& matrix);

/// model,data,split and every measure, one line per pair; numbers read back as the same doubles.
std::string cross_csv(const CrossMatrix& matrix);

/// The AUCs as a tinted table, with the accuracy below each. Names are cut in their middle where they are long.
report::Figure plot_cross_matrix(const CrossMatrix& matrix);

}  // namespace sepia::tools
