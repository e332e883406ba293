// The document's numbers beside a run's, by hand, and the page that shows them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/tools/closed_page.h"
#include "tools/paper/paper_page.h"

namespace sepia::paper {
namespace {

using ::testing::HasSubstr;
using ::testing::StartsWith;

Outcome two_epochs() {
  Outcome outcome;
  outcome.experiment = experiments().front();
  for (int epoch = 1; epoch <= 2; ++epoch) {
    outcome.history.epochs.push_back({.epoch = epoch, .train_loss = epoch == 1 ? 0.48 : 0.096, .train_acc = epoch == 1 ? 0.75 : 0.95,
                                      .val = train::SplitFigures{.loss = 0.4, .accuracy = 0.87 + 0.01 * epoch, .auc = {}},
                                      .test = train::SplitFigures{.loss = 0.4, .accuracy = 0.86, .auc = {}}, .health = {}});
  }
  outcome.history.best_epoch = 2;
  outcome.evaluation = evaluate(std::vector<Logits2>{{1, 0}, {0, 1}, {0, 0.5}, {0, 2}}, std::vector<std::uint8_t>{0, 1, 0, 1});
  outcome.evaluated_split = "test";
  outcome.verdict = "learning";
  outcome.splits = {{.name = "train", .real = 10, .fake = 10}, {.name = "test", .real = 1400, .fake = 700}};
  return outcome;
}

std::string ours(const std::vector<Comparison>& rows, const std::string& section, const std::string& quantity) {
  for (const Comparison& row : rows) {
    if (row.section == section && row.quantity.starts_with(quantity)) return row.ours;
  }
  return "no such row";
}

TEST(Paper, NumbersAreInTheDocumentsUnits) {
  const std::vector<Comparison> rows = compare({two_epochs()});
  EXPECT_EQ(ours(rows, "3.1.1", "training loss"), "0.0150 to 0.0030");  // divided by the batch of 32
  EXPECT_EQ(ours(rows, "3.1.1", "training accuracy"), "75.00% to 95.00%");
  EXPECT_EQ(ours(rows, "3.1.1", "best validation"), "89.00% at epoch 2");
  EXPECT_EQ(ours(rows, "3.1.1", "test accuracy"), "86.00%");
  EXPECT_EQ(ours(rows, "3.1.3", "fake to real"), "700 fake, 1400 real = 1:2");
  EXPECT_EQ(ours(rows, "3.1.4", "AUC of the second"), "1.000 (test)");
  EXPECT_EQ(ours(rows, "3.1.4", "AUC of the first"), "0.000 (test)");
}

TEST(Paper, CountsTheNetworksAndSaysWhatWasNotRun) {
  const std::vector<Comparison> rows = compare({two_epochs()});
  for (const Comparison& row : rows) {
    const bool counted = row.section == "4.1.4" || row.section == "4.2.1" || row.section == "6.1";
    const bool of_other_runs = row.section.starts_with("3.2") || row.section.starts_with("4.3") || row.section == "6.2";
    if (counted) {
      EXPECT_EQ(row.ours, row.document) << row.quantity;
    } else if (of_other_runs) {
      EXPECT_EQ(row.ours, "n/a (not run)") << row.quantity;
    }
  }
}

TEST(Paper, WithoutValidationThereIsNoBestEpoch) {
  Outcome outcome = two_epochs();
  outcome.history.best_epoch.reset();
  for (train::EpochRecord& epoch : outcome.history.epochs) epoch.val.reset();
  EXPECT_THAT(ours(compare({outcome}), "3.1.1", "test accuracy"), StartsWith("n/a ("));
}

TEST(Paper, ThePageIsClosedAndEscaped) {
  PaperPage page;
  page.comparisons = compare({two_epochs()});
  const report::Figure sheet{400, 300, "a sheet of <pictures>", [](report::Canvas& canvas) {
                               canvas.image({10, 10, 96, 96}, Image(256, 256));
                               canvas.text({10, 130}, "a & b", {});
                             }};
  page.figures = {{.number = 2, .file = "figure", .caption = "loss <&> \"accuracy\"", .document = "rises", .figure = sheet}};
  page.notes = {"toy"};
  page.commands = {"sepia train simplenet"};
  const std::string html = paper_page(page);
  test::expect_closed(html);
  EXPECT_THAT(html, HasSubstr("Figure 2"));
  EXPECT_THAT(html, HasSubstr("loss &lt;&amp;&gt; &quot;accuracy&quot;"));
  EXPECT_THAT(paper_json(page), HasSubstr("\"figure.svg\""));
  EXPECT_THAT(html, HasSubstr("aria-label=\"a sheet of &lt;pictures&gt;\""));
  EXPECT_THAT(html, HasSubstr("href=\"data:image/jpeg;base64,")) << "pictures are in the page, not beside it";
  EXPECT_LT(html.size(), 60'000u);
}

}  // namespace
}  // namespace sepia::paper
