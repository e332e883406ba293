#include "tools/report/from_run.h"

#include <fmt/format.h>

#include <algorithm>
#include <limits>
#include <system_error>

#include "engine/base/error.h"

namespace sepia::report {
namespace {

constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

// What each measure of Evaluation::metrics() is called and means; those not listed are not shown to people.
struct Wording {
  std::string_view name, label;
  bool percent;
  const char* meaning;
};

constexpr Wording kWordings[] = {
    {"accuracy", "accuracy", true, "share of pictures judged right"},
    {"balanced_accuracy", "balanced accuracy", true, "mean of both classes' shares judged right, so that the commoner class does not count more"},
    {"majority_accuracy", "majority class", true, "what always answering the commoner class reaches"},
    {"precision", "precision", true, "of the pictures called fake, how many are"},
    {"recall", "recall", true, "of the fakes, how many are found"},
    {"f1", "F1", false, "harmonic mean of precision and recall"},
    {"auc", "AUC", false, "chance that a fake scores higher than a real picture; 0.5 is guessing"},
    {"auc_p_value", "p-value of the AUC", false, "how often guessing would be this far from 0.5"},
    {"eer", "equal error rate", true, "where as many fakes are missed as real pictures are called fake"},
    {"average_precision", "average precision", false, "mean precision over all thresholds"},
    {"tpr_at_fpr_1pct", "found at 1 % false alarms", true, "fakes found when one real picture in a hundred is called fake"},
    {"loss", "loss", false, "cross-entropy per picture; guessing costs ln 2 = 0.693"},
    {"brier", "Brier score", false, "mean squared error of the probability; answering 50 % everywhere gets 0.25"},
    {"ece", "calibration error", true, "gap between stated probability and observed share (ECE)"},
    {"cllr", "Cllr", false, "cost of the scores as evidence, in bits: 0 is perfect, 1 says nothing"},
};

ScoredPicture scored(const Evaluation& evaluation, const EvaluatedPictures& pictures, std::size_t i) {
  ScoredPicture out{{}, pictures.paths[i], pictures.labels[i], evaluation.samples[i].prob_fake, evaluation.samples[i].called_fake, {}};
  if (pictures.maps && pictures.maps->contains(i)) out.map = pictures.maps->at(i);
  try {
    out.picture = pictures.picture(i);
  } catch (const Error&) {
    // The file has gone or changed since; its score still holds, and its place stays empty.
  }
  return out;
}

}  // namespace

RunHistory run_history(const train::History& history, const std::string& model, const std::string& dataset, const MajorityLevel& majority) {
  RunHistory out;
  out.model = model;
  out.dataset = dataset;
  out.majority_accuracy = majority.accuracy;
  out.majority_split = majority.split;
  out.best_epoch = history.best_epoch.value_or(0);
  const auto any = [&](auto member) {
    return std::any_of(history.epochs.begin(), history.epochs.end(), [&](const train::EpochRecord& record) { return (record.*member).has_value(); });
  };
  const bool has_val = any(&train::EpochRecord::val), has_test = any(&train::EpochRecord::test);
  for (const train::EpochRecord& record : history.epochs) {
    out.train_loss.push_back(record.train_loss);
    out.train_acc.push_back(record.train_acc);
    if (has_val) {
      out.val_loss.push_back(record.val ? record.val->loss : kNaN);
      out.val_acc.push_back(record.val ? record.val->accuracy : kNaN);
    }
    if (has_test) {
      out.test_loss.push_back(record.test ? record.test->loss : kNaN);
      out.test_acc.push_back(record.test ? record.test->accuracy : kNaN);
    }
  }
  return out;
}

std::vector<LayerHealth> layer_histories(const train::History& history) {
  std::vector<LayerHealth> layers;
  for (std::size_t e = 0; e < history.epochs.size(); ++e) {
    for (const train::LayerHealth& health : history.epochs[e].health) {
      auto layer = std::find_if(layers.begin(), layers.end(), [&](const LayerHealth& known) { return known.name == health.layer; });
      if (layer == layers.end()) layer = layers.insert(layers.end(), LayerHealth{health.layer, {}, {}, {}});
      // An epoch without figures for this layer is a gap.
      layer->dead_relu_share.resize(e, kNaN);
      layer->gradient_norm.resize(e, kNaN);
      layer->update_ratio.resize(e, kNaN);
      layer->dead_relu_share.push_back(health.dead_share.value_or(kNaN));
      layer->gradient_norm.push_back(health.gradient_norm);
      layer->update_ratio.push_back(health.update_ratio);
    }
  }
  return layers;
}

ScoreCurves score_curves(const Evaluation& evaluation, const std::string& title) {
  return {title,
          {{"first score", evaluation.roc_first, evaluation.auc_first_score, Ink::kReal},
           {"second score", evaluation.roc_second, evaluation.auc_second_score, Ink::kFake}}};
}

std::optional<MeasureWording> wording_of(std::string_view name) {
  for (const Wording& wording : kWordings) {
    if (wording.name == name) return MeasureWording{std::string(wording.label), wording.percent};
  }
  return std::nullopt;
}

std::vector<MetricRow> metric_rows(const Evaluation& evaluation) {
  std::vector<MetricRow> rows;
  const std::vector<NamedMetric> metrics = evaluation.metrics();
  for (const Wording& wording : kWordings) {
    const auto found = std::find_if(metrics.begin(), metrics.end(), [&](const NamedMetric& metric) { return metric.name == wording.name; });
    if (found == metrics.end()) continue;
    MetricRow row{std::string(wording.label), *found->metric, wording.percent, wording.meaning};
    if (wording.name == "auc") row.interval = evaluation.auc_ci95;
    rows.push_back(std::move(row));
  }
  return rows;
}

Outcome outcome_of(const std::string& verdict) {
  if (verdict.starts_with("learning")) return Outcome::kLearned;
  if (verdict.starts_with("overfitting")) return Outcome::kOverfitted;
  if (verdict.starts_with("not learning")) return Outcome::kNotLearned;
  return Outcome::kUnknown;
}

void add_evaluation(ReportData& data, const Evaluation& evaluation, const std::string& split, const EvaluatedPictures& pictures, std::size_t count) {
  SEPIA_CHECK(pictures.paths.size() == evaluation.samples.size() && pictures.labels.size() == evaluation.samples.size() &&
                  pictures.logits.size() == evaluation.samples.size(),
              "[report] ", evaluation.samples.size(), " samples were evaluated, but there are ", pictures.paths.size(), " paths, ",
              pictures.labels.size(), " labels and ", pictures.logits.size(), " logits");
  data.eval_split = split;
  data.metrics = metric_rows(evaluation);
  data.confusion = evaluation.confusion;
  data.reliability = evaluation.n > 0 ? evaluation.reliability : std::vector<ReliabilityBin>{};
  data.scores_reason = evaluation.roc_second.degenerate_reason();
  if (data.scores_reason.empty()) data.scores = score_curves(evaluation, split);
  for (const std::size_t i : surest_hits(pictures.labels, pictures.logits, count)) data.surest_hits.push_back(scored(evaluation, pictures, i));
  for (const std::size_t i : worst_mistakes(pictures.labels, pictures.logits, count)) data.worst_mistakes.push_back(scored(evaluation, pictures, i));
}

void save_run_plots(const ReportData& data, const std::filesystem::path& folder) {
  std::error_code error;
  std::filesystem::create_directories(folder, error);
  if (error) fail(ErrorKind::kPath, folder.string(), ": cannot make the folder: ", error.message());
  if (data.history.epochs() > 0) {
    save_figure(plot_history(data.history), folder / "history");
    save_figure(plot_loss(data.history), folder / "loss");
    save_figure(plot_accuracy(data.history), folder / "accuracy");
  }
  if (!health_charts(data.health).empty()) save_figure(plot_health(data.health), folder / "health");
  const std::string title = data.history.model + (data.history.dataset.empty() ? "" : " on " + data.history.dataset) +
                            (data.eval_split.empty() ? "" : ", " + data.eval_split);
  if (data.scores) {
    ScoreCurves curves = *data.scores;
    curves.title = title;
    save_figure(plot_roc(curves), folder / "roc");
    save_figure(plot_det(curves), folder / "det");
    save_figure(plot_roc_det(curves), folder / "roc_det");
  }
  if (data.confusion) save_figure(plot_confusion(*data.confusion, title), folder / "confusion");
  if (!data.reliability.empty()) save_figure(plot_reliability(data.reliability, title), folder / "reliability");
}

std::string curve_points_csv(const Evaluation& evaluation) {
  std::string out = "score,threshold,false_positive_rate,true_positive_rate,miss_rate\n";
  const auto append = [&](const char* name, const RocCurve& roc) {
    for (std::size_t i = 0; i < roc.size(); ++i) {
      out += fmt::format("{},{},{},{},{}\n", name, roc.thresholds[i], roc.fpr(i), roc.tpr(i), roc.fnr(i));
    }
  };
  append("first", evaluation.roc_first);
  append("second", evaluation.roc_second);
  return out;
}

}  // namespace sepia::report
