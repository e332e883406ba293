// From a run folder to its plots and its report.html. Everything is read from the folder's own files, so that a report can be made
// again at any time; thumbnails need the data set to be where it was.
#pragma once

#include <filesystem>

namespace sepia::report {

/// Writes RUN/plots/*.{svg,png}, RUN/curves.csv and RUN/report.html from config.json, log.json, log.jsonl and the predictions. Throws kPath or kData, naming the file, when one of them is missing or damaged.
void write_run_report(const std::filesystem::path& run);

}  // namespace sepia::report
