// From a run's figures to plots and page.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <set>

#include "engine/base/error.h"
#include "tests/tools/markup.h"
#include "tools/report/from_run.h"

namespace sepia::report {
namespace {

train::History two_epochs() {
  train::History history;
  history.epochs.push_back({1, 1e-3, 0.6, 0.7, train::SplitFigures{0.5, 0.75, 0.8}, {}, {{"stem", 0.25, 1.5, 1e-3}}});
  history.epochs.push_back({2, 1e-3, 0.4, 0.8, train::SplitFigures{0.45, 0.77, 0.82}, {}, {{"stem", 0.5, 0.5, 2e-3}, {"fc1", {}, 0.1, 3e-3}}});
  history.best_epoch = 2;
  return history;
}

struct Evaluated {
  std::vector<std::string> paths = {"test/real/a.jpg", "test/real/b.jpg", "test/fake/<c>.jpg", "test/fake/d.jpg"};
  std::vector<std::uint8_t> labels = {0, 0, 1, 1};
  std::vector<Logits2> logits = {{3, 0}, {0, 1}, {0, 2}, {0.5, 0}};
  Evaluation evaluation = evaluate(logits, labels);
  EvaluatedPictures pictures() const {
    return {paths, labels, logits, [](std::size_t i) {
              if (i == 3) fail(ErrorKind::kPath, "gone");
              return Image(8, 8);
            }};
  }
};

TEST(ReportFromRun, HistoryKeepsEveryFigureAndLeavesOutMissingSplits) {
  const RunHistory history = run_history(two_epochs(), "edgenet", "faces", {0.6, "val"});
  EXPECT_EQ(history.train_loss, (std::vector<double>{0.6, 0.4}));
  EXPECT_EQ(history.train_acc, (std::vector<double>{0.7, 0.8}));
  EXPECT_EQ(history.val_loss, (std::vector<double>{0.5, 0.45}));
  EXPECT_EQ(history.val_acc, (std::vector<double>{0.75, 0.77}));
  EXPECT_TRUE(history.test_loss.empty());
  EXPECT_EQ(history.best_epoch, 2);
  EXPECT_EQ(history.majority_accuracy, 0.6);
  train::History gap = two_epochs();
  gap.epochs[0].val.reset();
  gap.best_epoch.reset();
  const RunHistory with_gap = run_history(gap, "edgenet", "faces", {0.6, "val"});
  EXPECT_TRUE(std::isnan(with_gap.val_loss[0]));
  EXPECT_EQ(with_gap.best_epoch, 0);
}

TEST(ReportFromRun, LayersThatAppearLateBeginWithAGap) {
  const auto layers = layer_histories(two_epochs());
  ASSERT_EQ(layers.size(), 2u);
  EXPECT_EQ(layers[0].name, "stem");
  EXPECT_EQ(layers[0].gradient_norm, (std::vector<double>{1.5, 0.5}));
  EXPECT_EQ(layers[0].dead_relu_share, (std::vector<double>{0.25, 0.5}));
  ASSERT_EQ(layers[1].update_ratio.size(), 2u);
  EXPECT_TRUE(std::isnan(layers[1].update_ratio[0]));
  EXPECT_EQ(layers[1].update_ratio[1], 3e-3);
  EXPECT_TRUE(std::isnan(layers[1].dead_relu_share[1])) << "fc1 has no ReLU";
}

TEST(ReportFromRun, VerdictsHaveTheirOutcome) {
  EXPECT_EQ(outcome_of("learning"), Outcome::kLearned);
  EXPECT_EQ(outcome_of("overfitting (train - val = 21 points)"), Outcome::kOverfitted);
  EXPECT_EQ(outcome_of("not learning: training loss stayed at ln 2"), Outcome::kNotLearned);
  EXPECT_EQ(outcome_of("stopped"), Outcome::kUnknown);
}

TEST(ReportFromRun, EveryNamedMeasureThatPeopleReadIsThere) {
  const Evaluated run;
  const auto rows = metric_rows(run.evaluation);
  std::set<std::string> names;
  for (const MetricRow& row : rows) names.insert(row.name);
  for (const char* name : {"accuracy", "balanced accuracy", "AUC", "equal error rate", "average precision", "found at 1 % false alarms", "Brier score", "loss"}) {
    EXPECT_TRUE(names.contains(name)) << name;
  }
  for (const MetricRow& row : rows) {
    if (row.name != "AUC") continue;
    EXPECT_DOUBLE_EQ(row.metric.value.value(), 0.75) << "3 of 4 pairs are in order";
    EXPECT_TRUE(row.interval.value.has_value());
  }
}

TEST(ReportFromRun, AnEvaluationFillsThePage) {
  const Evaluated run;
  ReportData data;
  add_evaluation(data, run.evaluation, "test", run.pictures());
  ASSERT_EQ(data.surest_hits.size(), 2u);
  EXPECT_EQ(data.surest_hits[0].path, "test/real/a.jpg");
  EXPECT_FALSE(data.surest_hits[0].called_fake);
  ASSERT_EQ(data.worst_mistakes.size(), 2u);
  EXPECT_EQ(data.worst_mistakes[0].path, "test/real/b.jpg");
  EXPECT_EQ(data.worst_mistakes[1].picture.width, 0) << "a picture that has gone leaves its place empty";
  ASSERT_TRUE(data.scores.has_value());
  EXPECT_EQ(data.scores->curves[0].name, "first score");
  EXPECT_EQ(*data.scores->curves[0].auc.value + *data.scores->curves[1].auc.value, 1.0);
  const std::string html = report_page(data);
  EXPECT_EQ(test::markup_fault(html, true), "");
  EXPECT_NE(html.find("&lt;c&gt;.jpg"), std::string::npos);
  EvaluatedPictures short_list = run.pictures();
  short_list.paths = short_list.paths.subspan(1);
  EXPECT_THROW(add_evaluation(data, run.evaluation, "test", short_list), Error);
}

TEST(ReportFromRun, OneClassSaysWhyThereAreNoCurves) {
  Evaluated run;
  run.labels = {0, 0, 0, 0};
  run.evaluation = evaluate(run.logits, run.labels);
  ReportData data;
  add_evaluation(data, run.evaluation, "test", run.pictures());
  EXPECT_FALSE(data.scores.has_value());
  EXPECT_FALSE(data.scores_reason.empty());
  EXPECT_NE(report_page(data).find("No ROC and DET curves: "), std::string::npos);
}

TEST(ReportFromRun, PlotsAreSavedForWhatThereIs) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "sepia_run_plots" / "plots";
  std::filesystem::remove_all(folder.parent_path());
  ReportData data;
  data.history = run_history(two_epochs(), "edgenet", "faces", {0.6, "val"});
  data.health = layer_histories(two_epochs());
  save_run_plots(data, folder);
  const auto names = [&] {
    std::set<std::string> found;
    for (const auto& entry : std::filesystem::directory_iterator(folder)) found.insert(entry.path().filename().string());
    return found;
  };
  EXPECT_EQ(names(), (std::set<std::string>{"accuracy.png", "accuracy.svg", "health.png", "health.svg", "history.png", "history.svg", "loss.png", "loss.svg"}));
  const Evaluated run;
  add_evaluation(data, run.evaluation, "test", run.pictures());
  save_run_plots(data, folder);
  for (const char* name : {"roc.svg", "det.svg", "roc_det.png", "confusion.svg", "reliability.png"}) EXPECT_TRUE(names().contains(name)) << name;
  std::filesystem::remove_all(folder.parent_path());
}

TEST(ReportFromRun, CurvePointsReadBack) {
  const Evaluated run;
  const std::string csv = curve_points_csv(run.evaluation);
  EXPECT_TRUE(csv.starts_with("score,threshold,false_positive_rate,true_positive_rate,miss_rate\nfirst,inf,0,0,1\n"));
  EXPECT_EQ(test::occurrences(csv, "\n"), static_cast<int>(1 + run.evaluation.roc_first.size() + run.evaluation.roc_second.size()));
  EXPECT_TRUE(csv.ends_with(",1,1,0\n"));
}

}  // namespace
}  // namespace sepia::report
