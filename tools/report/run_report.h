// From a run folder to its plots and its report.html. Everything is read from the folder's own files, so that a report can be made
// again at any time; thumbnails need the data set to be where it was.
#pragma once

#include <filesystem>
#include <functional>

#include "data/image.h"

namespace sepia::report {

struct RunReportOptions {
  bool document_units = false;  ///< losses divided by the batch size, as the document prints them
  /// The explanation to show beside a picture of the surest hits and worst mistakes: an overlay, given the picture's file and its label. Unset,
  /// or an empty picture: none. What it throws leaves that one away.
  std::function<Image(const std::filesystem::path& picture, int label)> map{};
};

/// Writes RUN/plots/*.{svg,png}, RUN/curves.csv and RUN/report.html from config.json, log.json, log.jsonl and the predictions. Throws kPath or kData, naming the file, when one of them is missing or damaged.
void write_run_report(const std::filesystem::path& run, const RunReportOptions& options = {});

}  // namespace sepia::report
