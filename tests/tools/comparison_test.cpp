// Several runs on one page.
#include "tools/report/comparison.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <set>
#include <string>

#include "engine/base/csv.h"
#include "tests/support/temporary_folder.h"
#include "tests/tools/closed_page.h"

namespace sepia::report {
namespace {

ComparedRun run_named(const std::string& name, const std::string& lr, double shift) {
  ComparedRun run;
  run.name = name;
  run.history.model = "edgenet";
  run.history.dataset = "faces";
  run.history.train_loss = {0.7, 0.5};
  run.history.train_acc = {0.5, 0.8};
  run.history.val_loss = {0.69, 0.55 + shift};
  run.history.val_acc = {0.5, 0.75};
  run.history.best_epoch = 2;
  run.eval_split = "test";
  run.evaluation = evaluate(std::vector<Logits2>{{1 + shift, 0}, {0, 1}, {0, shift}, {0, 2}}, std::vector<std::uint8_t>{0, 1, 0, 1});
  run.verdict = "learning";
  run.settings = {{"lr", lr}, {"epochs", "2"}};
  return run;
}

Comparison two_runs() {
  Comparison comparison;
  comparison.title = "2 runs";
  comparison.runs = {run_named("a", "0.001", 0), run_named("b <&> \"c\"", "0.01", 0.5)};
  comparison.runs[1].settings.push_back({"sched", "onecycle"});
  comparison.commands = {"sepia report a b"};
  return comparison;
}

TEST(Comparison, SaysWhichSettingsDiffer) {
  const auto rows = differing_settings(two_runs());
  ASSERT_EQ(rows.size(), 2U);
  EXPECT_EQ(rows[0].name, "lr");
  EXPECT_EQ(rows[0].values, (std::vector<std::string>{"0.001", "0.01"}));
  EXPECT_EQ(rows[1].name, "sched");
  EXPECT_EQ(rows[1].values, (std::vector<std::string>{"", "onecycle"}));
}

TEST(Comparison, SpreadsNeedTheSameSplitInAllRuns) {
  Comparison comparison = two_runs();
  const auto spreads = spreads_of(comparison);
  const auto auc = std::ranges::find_if(spreads, [](const auto& row) { return row.first == "auc"; });
  ASSERT_NE(auc, spreads.end());
  EXPECT_EQ(auc->second.n, 2U);
  EXPECT_DOUBLE_EQ(auc->second.mean, (*comparison.runs[0].evaluation->auc.value + *comparison.runs[1].evaluation->auc.value) / 2);
  comparison.runs[1].eval_split = "val";
  EXPECT_TRUE(spreads_of(comparison).empty());
  comparison.runs.pop_back();
  EXPECT_TRUE(spreads_of(comparison).empty());
}

TEST(Comparison, CurvesShareOneChartAndOneSplit) {
  Comparison comparison = two_runs();
  const std::vector<Chart> charts = comparison_curves(comparison);
  ASSERT_EQ(charts.size(), 2U);
  EXPECT_EQ(charts[0].title, "Loss, val");
  ASSERT_EQ(charts[0].series.size(), 2U);
  EXPECT_EQ(charts[0].series[1].points[1].y, 0.55 + 0.5);
  EXPECT_NE(charts[0].series[0].ink, charts[0].series[1].ink);
  const auto scores = comparison_scores(comparison);
  ASSERT_TRUE(scores);
  EXPECT_EQ(scores->curves[1].ink, charts[0].series[1].ink) << "a run has one colour everywhere";
  for (const Dot& dot : comparison_score_charts(*scores)[1].dots) EXPECT_EQ(dot.label, "") << "labels of many runs would lie over each other";
  for (ComparedRun& run : comparison.runs) run.history.val_loss.clear(), run.history.val_acc.clear();
  EXPECT_EQ(comparison_curves(comparison)[0].title, "Loss, train");
  comparison.runs[0].history.document_units = true;
  comparison.runs[0].history.batch_size = 10;
  EXPECT_DOUBLE_EQ(comparison_curves(comparison)[0].series[0].points[0].y, 0.07);
}

TEST(Comparison, PageIsClosedEscapedAndComplete) {
  const std::string html = comparison_page(two_runs());
  test::expect_closed(html);
  for (const char* words : {"b &lt;&amp;&gt; &quot;c&quot;", "Settings that differ", "onecycle", "Mean, deviation and range", "Over 2 runs", "learning", "sepia report a b"}) {
    EXPECT_NE(html.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(html.find("b <&>"), std::string::npos);
  test::expect_closed(comparison_page({}));
}

TEST(Comparison, ARunWithoutAnEvaluationHasEmptyCells) {
  Comparison comparison = two_runs();
  comparison.runs[1].evaluation.reset();
  comparison.runs[1].eval_split.clear();
  const std::string html = comparison_page(comparison), csv = comparison_csv(comparison);
  test::expect_closed(html);
  EXPECT_NE(html.find(">n/a<"), std::string::npos);
  EXPECT_EQ(html.find("Mean, deviation and range"), std::string::npos);
  const std::size_t second = csv.find('\n') + 1, third = csv.find('\n', second) + 1;
  EXPECT_EQ(csv_fields_of(csv.substr(0, second - 1)).size(), csv_fields_of(csv.substr(third, csv.size() - third - 1)).size());
}

TEST(Comparison, FilesAreWritten) {
  const test::TemporaryFolder folder;
  write_comparison(two_runs(), folder / "out");
  for (const char* name : {"report.html", "comparison.csv", "plots/compare_loss.svg", "plots/compare_accuracy.png", "plots/compare_roc.svg", "plots/compare_det.png"}) {
    EXPECT_TRUE(std::filesystem::exists(folder / "out" / name)) << name;
  }
}

TEST(Comparison, ManyRunsAreStillOneChart) {
  Comparison comparison;
  for (int i = 0; i < 20; ++i) comparison.runs.push_back(run_named("run-" + std::to_string(i), "0.001", 0.01 * i));
  const std::vector<Chart> charts = comparison_curves(comparison);
  EXPECT_EQ(charts[0].series.size(), 20U);
  EXPECT_FALSE(charts[0].series[0].in_legend) << "twenty names would not leave room for the curves";
  test::expect_closed(comparison_page(comparison));
}

}  // namespace
}  // namespace sepia::report
