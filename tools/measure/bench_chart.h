// The chart of a bench: training step and inference as nested boxes of time, layers by their dotted names.
#pragma once

#include <string>

#include "tools/measure/model_bench.h"
#include "tools/report/canvas.h"

namespace sepia::tools {

/// `title` names model and settings ("edgenet, batch 32, fp32, 2 threads").
report::Figure bench_chart(const std::string& title, const ModelFigures& figures);

}  // namespace sepia::tools
