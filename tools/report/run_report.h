// From a run folder to its plots and its report.html. Everything is read from the folder's own files, so that a report can be made
// again at any time; thumbnails need the data set to be where it was.
#pragma once

#include <filesystem>
#include <functional>
#include <span>

#include "tools/report/loaded_run.h"
#include "tools/report/report_page.h"

namespace sepia::report {

struct RunReportOptions {
  bool document_units = false;  ///< losses divided by the batch size, as the document prints them
  /// Makes the maps: overlays for these of the run's predictions, and what else the page shows. Unset: no maps. What it throws becomes a
  /// sentence on the page.
  std::function<RunMaps(const LoadedRun& run, std::span<const std::size_t> overlays)> explain{};
};

/// Writes RUN/plots/*.{svg,png}, RUN/curves.csv and RUN/report.html from config.json, log.json, log.jsonl and the predictions. Throws kPath or kData, naming the file, when one of them is missing or damaged.
void write_run_report(const std::filesystem::path& run, const RunReportOptions& options = {});

}  // namespace sepia::report
