#include "tools/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <set>
#include <system_error>

#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/version.h"
#include "tools/report/from_run.h"
#include "tools/report/loaded_run.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

namespace fs = std::filesystem;

constexpr double kWidth = 470, kHeight = 360, kSquareWidth = 440, kSquareHeight = 490;
constexpr std::size_t kLegendRuns = 8;  // more names than that are only in the table

Ink ink_of(std::size_t run, std::size_t runs) { return ramp_ink(static_cast<int>(run), static_cast<int>(runs)); }

Marker marker_of(std::size_t run) {
  static constexpr Marker kMarkers[] = {Marker::kCircle, Marker::kSquare, Marker::kTriangle, Marker::kDiamond};
  return kMarkers[run % 4];
}

using Values = std::vector<double> RunHistory::*;

// The split that the curves are of: the first that any run has.
struct Split {
  const char* name;
  Values loss, accuracy;
};

Split curve_split(const Comparison& comparison) {
  for (const Split& split : {Split{"val", &RunHistory::val_loss, &RunHistory::val_acc}, {"test", &RunHistory::test_loss, &RunHistory::test_acc}}) {
    if (std::ranges::any_of(comparison.runs, [&](const ComparedRun& run) { return !(run.history.*split.loss).empty(); })) return split;
  }
  return {"train", &RunHistory::train_loss, &RunHistory::train_acc};
}

Chart curve_chart(const Comparison& comparison, Values values, bool loss) {
  Chart chart;
  int epochs = 1;
  double low = std::numeric_limits<double>::infinity(), high = -low;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const RunHistory& history = comparison.runs[i].history;
    epochs = std::max(epochs, history.epochs());
    const double scale = loss && history.document_units ? 1.0 / history.batch_size : 1.0;
    Series series{.name = shorten_middle(comparison.runs[i].name, 28), .ink = ink_of(i, comparison.runs.size()), .width = 1.8,
                  .in_legend = comparison.runs.size() <= kLegendRuns};
    for (const double value : history.*values) {
      const double y = std::isfinite(value) ? scale * value : std::numeric_limits<double>::quiet_NaN();
      series.points.push_back({static_cast<double>(series.points.size() + 1), y});
      if (std::isfinite(y)) low = std::min(low, y), high = std::max(high, y);
    }
    series.marker = series.points.size() <= 60 ? marker_of(i) : Marker::kNone;
    if (!series.points.empty()) chart.series.push_back(std::move(series));
  }
  chart.x = integer_axis("epoch", 1, epochs);
  if (low > high) low = 0, high = 1;
  if (loss) {
    const bool document = std::ranges::any_of(comparison.runs, [](const ComparedRun& run) { return run.history.document_units; });
    const std::string label = document ? "cross-entropy / batch size" : "cross-entropy per picture";
    chart.y = low > 0 && high > 50 * low ? log_axis(label, low, high) : linear_axis(label, 0, 1.04 * high);
  } else {
    const double middle = (low + high) / 2;
    chart.y = linear_axis("accuracy, %", std::max(0.0, std::min(low - 0.02, middle - 0.1)), std::min(1.0, std::max(high + 0.02, middle + 0.1)), true);
    chart.y.high = std::min(1.0, chart.y.high);
  }
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    std::string words = "epoch " + std::to_string(epoch);
    for (const Series& series : chart.series) {
      if (static_cast<std::size_t>(epoch) > series.points.size()) continue;
      const double y = series.points[static_cast<std::size_t>(epoch) - 1].y;
      words += "\n" + series.name + " " + (loss ? number_text(y, 4) : percent_text(y, 1));
    }
    chart.hints.push_back({static_cast<double>(epoch), words});
  }
  return chart;
}

// The shortest ends of the paths that are all different.
std::vector<std::string> names_of(const std::vector<fs::path>& runs) {
  std::vector<std::string> names;
  for (int parts = 1; parts <= 32; ++parts) {
    names.clear();
    for (const fs::path& run : runs) {
      fs::path whole = fs::absolute(run).lexically_normal();
      if (!whole.has_filename()) whole = whole.parent_path();
      fs::path end;
      for (int i = 0; i < parts && whole.has_relative_path(); ++i, whole = whole.parent_path()) end = end.empty() ? whole.filename() : whole.filename() / end;
      names.push_back(end.string());
    }
    if (std::set<std::string>(names.begin(), names.end()).size() == names.size()) return names;
  }
  return names;  // the same folder twice
}

}  // namespace

std::vector<std::pair<std::string, Spread>> spreads_of(const Comparison& comparison) {
  std::vector<const Evaluation*> evaluations;
  for (const ComparedRun& run : comparison.runs) {
    if (!run.evaluation || run.eval_split != comparison.runs.front().eval_split) return {};
    evaluations.push_back(&*run.evaluation);
  }
  if (evaluations.size() < 2) return {};
  return sepia::spreads_of(std::span<const Evaluation* const>(evaluations));
}

std::vector<DifferingSetting> differing_settings(const Comparison& comparison) {
  std::vector<DifferingSetting> rows;
  for (const ComparedRun& run : comparison.runs) {
    for (const Setting& setting : run.settings) {
      if (std::ranges::find(rows, setting.name, &DifferingSetting::name) == rows.end()) rows.push_back({setting.name, {}});
    }
  }
  for (DifferingSetting& row : rows) {
    for (const ComparedRun& run : comparison.runs) {
      const auto found = std::ranges::find(run.settings, row.name, &Setting::name);
      row.values.push_back(found == run.settings.end() ? "" : found->value);
    }
  }
  std::erase_if(rows, [](const DifferingSetting& row) { return std::ranges::all_of(row.values, [&](const std::string& value) { return value == row.values.front(); }); });
  return rows;
}

std::vector<Chart> comparison_curves(const Comparison& comparison) {
  const Split split = curve_split(comparison);
  Chart loss = curve_chart(comparison, split.loss, true), accuracy = curve_chart(comparison, split.accuracy, false);
  loss.title = std::string("Loss, ") + split.name;
  accuracy.title = std::string("Accuracy, ") + split.name;
  return {std::move(loss), std::move(accuracy)};
}

std::optional<ScoreCurves> comparison_scores(const Comparison& comparison) {
  ScoreCurves curves;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const ComparedRun& run = comparison.runs[i];
    if (!run.evaluation || !run.evaluation->roc_second.degenerate_reason().empty()) continue;
    curves.curves.push_back({shorten_middle(run.name, 24), run.evaluation->roc_second, run.evaluation->auc, ink_of(i, comparison.runs.size())});
  }
  if (curves.curves.empty()) return std::nullopt;
  return curves;
}

std::vector<Chart> comparison_score_charts(const ScoreCurves& scores) {
  std::vector<Chart> charts{roc_chart(scores), det_chart(scores)};
  for (Dot& dot : charts[1].dots) dot.label.clear();
  for (Chart& chart : charts) {
    if (chart.series.size() > kLegendRuns) {
      for (Series& series : chart.series) series.in_legend = false;
    }
  }
  return charts;
}

Comparison compare_runs(const std::vector<fs::path>& runs, bool document_units) {
  Comparison comparison;
  const std::vector<std::string> names = names_of(runs);
  for (std::size_t i = 0; i < runs.size(); ++i) {
    LoadedRun loaded = load_run(runs[i]);
    ComparedRun run{.name = names[i], .history = run_history(loaded.history, loaded.model(), loaded.dataset(), {}), .eval_split = loaded.predictions.split,
                    .evaluation = std::move(loaded.evaluation), .verdict = loaded.log["run"].value("verdict", ""), .settings = {}};
    run.history.document_units = document_units;
    run.history.batch_size = loaded.config["config"].value("batch_size", 32);
    for (const auto& [name, value] : loaded.config["config"].items()) run.settings.push_back({name, setting_text(value)});
    comparison.runs.push_back(std::move(run));
  }
  comparison.title = std::to_string(runs.size()) + (runs.size() == 1 ? " run" : " runs");
  comparison.version = std::string(version());
  return comparison;
}

std::string comparison_csv(const Comparison& comparison) {
  std::vector<std::string> head{"run", "model", "dataset", "epochs", "best_epoch", "split"};
  const Evaluation nothing;
  for (const NamedMetric& metric : nothing.metrics()) head.emplace_back(metric.name);
  head.insert(head.end(), {"auc_ci95_low", "auc_ci95_high"});
  std::string csv = csv_row(head);
  for (const ComparedRun& run : comparison.runs) {
    std::vector<std::string> row{run.name, run.history.model, run.history.dataset, std::to_string(run.history.epochs()),
                                 run.history.best_epoch > 0 ? std::to_string(run.history.best_epoch) : "", run.eval_split};
    for (const NamedMetric& metric : (run.evaluation ? *run.evaluation : nothing).metrics()) row.push_back(metric.metric->value ? csv_number(*metric.metric->value) : "");
    const bool interval = run.evaluation && run.evaluation->auc_ci95.value;
    row.push_back(interval ? csv_number(run.evaluation->auc_ci95.value->first) : "");
    row.push_back(interval ? csv_number(run.evaluation->auc_ci95.value->second) : "");
    csv += csv_row(row);
  }
  return csv;
}

void write_comparison(const Comparison& comparison, const fs::path& out) {
  std::error_code error;
  fs::create_directories(out / "plots", error);
  if (error) fail(ErrorKind::kPath, (out / "plots").string(), ": cannot make the folder: ", error.message());
  const std::vector<Chart> curves = comparison_curves(comparison);
  const std::string alt = " of " + comparison.title + ".";
  save_figure(side_by_side({curves[0]}, kWidth, kHeight, "Loss" + alt), out / "plots" / "compare_loss");
  save_figure(side_by_side({curves[1]}, kWidth, kHeight, "Accuracy" + alt), out / "plots" / "compare_accuracy");
  if (const std::optional<ScoreCurves> scores = comparison_scores(comparison)) {
    const std::vector<Chart> charts = comparison_score_charts(*scores);
    save_figure(side_by_side({charts[0]}, kSquareWidth, kSquareHeight, "ROC curves" + alt), out / "plots" / "compare_roc");
    save_figure(side_by_side({charts[1]}, kSquareWidth, kSquareHeight, "DET curves" + alt), out / "plots" / "compare_det");
  }
  write_file_atomic(out / "comparison.csv", comparison_csv(comparison));
  write_file_atomic(out / "report.html", comparison_page(comparison));
}

}  // namespace sepia::report
