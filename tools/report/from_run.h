// From what the engine measured to what the plots and the page show: the one place that knows both.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/metrics/evaluation.h"
#include "engine/train/history.h"
#include "tools/report/report_page.h"

namespace sepia::report {

/// Where the majority line of the accuracy plot stands, and of which split it is.
struct MajorityLevel {
  double accuracy = 0;
  std::string split;  ///< "test"
};

/// The curves of a run. Without a best epoch (no validation split) none is marked.
RunHistory run_history(const train::History& history, const std::string& model, const std::string& dataset, const MajorityLevel& majority);

/// The health figures, layer by layer in network order, over the epochs.
std::vector<LayerHealth> layer_histories(const train::History& history);

/// Both scores' curves under the document's names.
ScoreCurves score_curves(const Evaluation& evaluation, const std::string& title);

/// How a measure of Evaluation::metrics() is written for people; none for those that only machines read.
struct MeasureWording {
  std::string label;
  bool percent = false;
};
std::optional<MeasureWording> wording_of(std::string_view name);

/// The table of measures, each with a sentence that says what it means.
std::vector<MetricRow> metric_rows(const Evaluation& evaluation);

/// From the closing line of a training: "learning...", "overfitting ...", "not learning: ...".
Outcome outcome_of(const std::string& verdict);

/// How many surest hits and worst mistakes a page shows.
inline constexpr std::size_t kShownPictures = 8;

/// The pictures that were evaluated, all lists in one order. `picture` reads one; what it throws leaves that thumbnail empty.
struct EvaluatedPictures {
  std::span<const std::string> paths;
  std::span<const std::uint8_t> labels;
  std::span<const Logits2> logits;
  std::function<Image(std::size_t)> picture;
  const std::map<std::size_t, MapOverlay>* maps = nullptr;  ///< explanations of some of them
};

/// Fills the page's part about one split: metrics, curves, confusion, calibration, surest hits and worst mistakes (`count` of each).
void add_evaluation(ReportData& data, const Evaluation& evaluation, const std::string& split, const EvaluatedPictures& pictures,
                    std::size_t count = kShownPictures);

/// Writes every plot of the run that there are figures for into `folder` (made when missing), as SVG and PNG: history (loss and accuracy
/// side by side, Figure 2), loss, accuracy, health; and of the evaluation, unless the page has none: roc, det, roc_det (Figure 3),
/// confusion, reliability. kPath when it cannot be written.
void save_run_plots(const ReportData& data, const std::filesystem::path& folder);

/// Points of both ROC curves: score,threshold,false_positive_rate,true_positive_rate,miss_rate (DET is miss rate over false
/// positive rate). Numbers read back as the same doubles.
std::string curve_points_csv(const Evaluation& evaluation);

}  // namespace sepia::report
