#include "tools/commands/run_maps.h"

#include "tools/cli/model_argument.h"
#include "tools/explain/run_maps.h"

namespace sepia::cli {

report::RunReportOptions report_with_maps(bool document_units) {
  return {.document_units = document_units, .explain = [](const report::LoadedRun& run, std::span<const std::size_t> overlays) {
            const LoadedModel model = load_model(run.folder.string(), {});
            return tools::maps_of_run(*model.module, model.spec, run, overlays);
          }};
}

}  // namespace sepia::cli
