// The maps in a run's report: Grad-CAM over its surest hits and worst mistakes, saliency of a few samples, mean maps beside their control.
#pragma once

#include <cstddef>
#include <span>

#include "engine/nn/module.h"
#include "models/model.h"
#include "tools/report/loaded_run.h"
#include "tools/report/maps_section.h"

namespace sepia::tools {

struct RunMapsOptions {
  std::size_t samples_per_class = 6;   ///< beside their saliency maps
  std::size_t mean_per_class = 24;     ///< under each mean map
  std::uint64_t seed = 0;              ///< which ones; the control's weights
  int batch_size = 8;
};

/// Makes the maps that report::RunReportOptions::explain is for, with the run's best weights in `model` on whatever device it is. Pictures that
/// cannot be read any more go without; when none can, kPath says so.
report::RunMaps maps_of_run(nn::Module& model, const models::ModelSpec& spec, const report::LoadedRun& run, std::span<const std::size_t> overlays,
                            const RunMapsOptions& options = {});

}  // namespace sepia::tools
