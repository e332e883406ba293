// Maps for the reports of runs, made with the weights in their folders.
#pragma once

#include "tools/report/run_report.h"

namespace sepia::cli {

/// What a run's report is made with: maps from the run's best weights, on the CPU wherever it was trained, so that the page made at the end of a
/// training and the page made later are the same to the byte.
report::RunReportOptions report_with_maps(bool document_units);

}  // namespace sepia::cli
