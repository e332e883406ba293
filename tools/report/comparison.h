// Several runs on one page: their curves in one figure each, their measures in one table, what they were asked for where it differs.
#pragma once

#include <filesystem>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "engine/metrics/evaluation.h"
#include "engine/metrics/spread.h"
#include "tools/report/html.h"
#include "tools/report/plots.h"

namespace sepia::report {

struct ComparedRun {
  std::string name;  ///< distinguishes it from the others
  RunHistory history;
  std::string eval_split;                ///< "test"; empty when nothing was evaluated
  std::optional<Evaluation> evaluation;  ///< of the best weights
  std::string verdict;
  std::vector<Setting> settings;
};

struct Comparison {
  std::string title;
  std::vector<ComparedRun> runs;
  std::vector<std::string> commands;  ///< what to type to get this page again
  std::string version;
};

/// Measures over the runs that were evaluated: mean, deviation and range. Empty unless there are two or more and all were evaluated on a
/// split of one name.
std::vector<std::pair<std::string, Spread>> spreads_of(const Comparison& comparison);

/// Settings that are not the same in all runs, in the order of the first run's; one value per run ("" where a run lacks it).
struct DifferingSetting {
  std::string name;
  std::vector<std::string> values;
};
std::vector<DifferingSetting> differing_settings(const Comparison& comparison);

/// Loss and accuracy by epoch, one line per run: of val, or of test or train where no run has val. Then ROC and DET of the "fake" score of the
/// runs that were evaluated with both classes. A run has the same colour everywhere, from the first (light) to the last (dark).
std::vector<Chart> comparison_curves(const Comparison& comparison);
std::optional<ScoreCurves> comparison_scores(const Comparison& comparison);
/// ROC, then DET; equal error rates are dots without words, which would lie over each other (the table has them).
std::vector<Chart> comparison_score_charts(const ScoreCurves& scores);

/// The page, self-contained.
std::string comparison_page(const Comparison& comparison);

/// One line per run: name, model, dataset, epochs, best_epoch, split and every measure; numbers read back as the same doubles.
std::string comparison_csv(const Comparison& comparison);

/// Reads the runs. Names are the shortest ends of the paths that tell them apart. Errors are load_run's.
Comparison compare_runs(const std::vector<std::filesystem::path>& runs, bool document_units = false);

/// Writes OUT/report.html, OUT/comparison.csv and OUT/plots/compare_{loss,accuracy,roc,det}.{svg,png}; OUT is there. kPath when it cannot be
/// written.
void write_comparison(const Comparison& comparison, const std::filesystem::path& out);

}  // namespace sepia::report
