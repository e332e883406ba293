// report.html and the predictions page: whole, escaped, and closed to the network.
#include "tools/report/report_page.h"

#include <gtest/gtest.h>

#include <regex>

#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/base/sha256.h"
#include "tests/tools/closed_page.h"
#include "tests/tools/markup.h"
#include "tools/report/predictions_page.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

const std::string kEvil = "test/real/\"><script>alert('x')</script>&amp;\xFF\x01.jpg";

ReportData full_report() {
  ReportData data;
  data.title = "run <1>";
  data.outcome = Outcome::kLearned;
  data.verdict = "learning: val accuracy rose from 0.52 to 0.87";
  data.notes = {"Trained on toy data."};
  data.history.model = "edgenet";
  data.history.dataset = "faces";
  data.history.train_loss = {0.6, 0.4};
  data.history.train_acc = {0.7, 0.8};
  data.history.val_acc = {0.71, 0.77};
  data.history.test_acc = {0.7, 0.7767};
  data.history.best_epoch = 2;
  data.history.majority_accuracy = 0.5;
  data.parameters = 64066;
  data.seconds = 75;
  data.splits = {{"train", 1400, 700, 0}, {"test", 551, 552, 3}};
  data.samples = {{Image(300, 200), kEvil, 1}, {Image(), "train/real/a.jpg", 0}};
  data.eval_split = "test";
  data.metrics = {{"AUC", Metric::of(0.9421), false, "chance that a fake scores higher", {std::pair{0.93, 0.95}, ""}},
                  {"Cllr", Metric::none("test holds one class"), false, "calibration"}};
  const std::vector<double> scores = {-1, 2};
  const std::vector<std::uint8_t> labels = {0, 1};
  data.scores = ScoreCurves{"test", {{"first score", roc_curve(scores, labels), Metric::of(0.058), Ink::kReal},
                                     {"second score", roc_curve(scores, labels), Metric::of(0.942), Ink::kFake}}};
  data.confusion = Confusion{500, 51, 60, 492};
  data.reliability = reliability_bins(std::vector<Logits2>{{1, 0}, {0, 1}}, labels);
  data.surest_hits = {{Image(64, 64), kEvil, 1, 0.998, true, Image(64, 64)}};
  data.worst_mistakes = {{Image(64, 64), "test/fake/b.jpg", 1, 0.021, false, {}}};
  data.health = {{"stem", {0.1, 0.2}, {1, 0.5}, {1e-2, 1e-4}}};
  data.settings = {{"lr", "0.001"}, {"<b>", "&"}};
  data.environment = {{"device", "cpu"}};
  data.commands = {"sepia train edgenet --data 'a & b' --out run"};
  data.version = "0.1.0";
  return data;
}

std::string decode_base64_to_hex(const std::string& text) {
  static const std::string alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  std::string hex;
  unsigned bits = 0;
  int have = 0;
  for (const char c : text) {
    if (c == '=') break;
    bits = bits << 6 | static_cast<unsigned>(alphabet.find(c));
    for (have += 6; have >= 4; have -= 4) hex += "0123456789abcdef"[bits >> (have - 4) & 15];
  }
  return hex.substr(0, 64);
}

TEST(ReportPage, IsWholeAndLoadsNothing) {
  const std::string html = report_page(full_report());
  test::expect_closed(html);
  for (const char* words :
       {"It learned. Test accuracy is 77.7\u202F% at the best epoch, 2.", "Always answering the commoner class would reach 50.0\u202F% on test.",
        "Trained on toy data.", "64\u202F066", "in 75 s", ">1:2<", ">1.002:1<", "0.9421", "(0.93 to 0.95)", "test holds one class", "first score (AUC=0.058)",
        "fake, called real", "0.9980", "Dead ReLUs", "sepia train edgenet --data &#39;a &amp; b&#39; --out run", "<h1>run &lt;1&gt;</h1>"}) {
    EXPECT_NE(html.find(words), std::string::npos) << words;
  }
}

TEST(ReportPage, FileNamesAreEscapedEverywhere) {
  const std::string html = report_page(full_report());
  EXPECT_EQ(html.find("<script>alert"), std::string::npos);
  EXPECT_GE(test::occurrences(html, "&quot;&gt;&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;&amp;amp;\uFFFD\uFFFD.jpg"), 3);
}

TEST(ReportPage, OnlyItsOwnScriptMayRun) {
  const std::string html = report_page(full_report());
  std::smatch policy;
  ASSERT_TRUE(std::regex_search(html, policy, std::regex("default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'sha256-([^']+)'")));
  const std::size_t begin = html.find("<script>") + 8, end = html.find("</script>");
  const std::string script = html.substr(begin, end - begin);
  EXPECT_EQ(decode_base64_to_hex(policy[1]), sha256_hex(std::as_bytes(std::span(script.data(), script.size()))));
}

TEST(ReportPage, EveryPictureHasWordsForThoseWhoDoNotSeeIt) {
  const std::string html = report_page(full_report());
  EXPECT_EQ(test::occurrences(html, "<img "), test::occurrences(html, "\" alt=\""));
  EXPECT_EQ(test::occurrences(html, "<svg "), test::occurrences(html, "aria-label=\"") + test::occurrences(html, "aria-hidden=\"true\"") -
                                                  test::occurrences(html, "<nav aria-label=\"") - test::occurrences(html, "class=\"empty\" role=\"img\""));
  EXPECT_NE(html.find("<html lang=\"en\">"), std::string::npos);
}

TEST(ReportPage, AnExplanationStandsBelowItsPicture) {
  ReportData data = full_report();
  const int with = test::occurrences(report_page(data), "<img ");
  data.surest_hits[0].map = {};
  EXPECT_EQ(test::occurrences(report_page(data), "<img "), with - 1);
}

TEST(ReportPage, AnEmptyRunIsStillAPage) {
  const std::string html = report_page({});
  test::expect_closed(html);
  EXPECT_EQ(html.find("<section"), std::string::npos);
  EXPECT_EQ(html.find("nan"), std::string::npos);
}

TEST(ReportPage, FailureIsSaidFirst) {
  ReportData data = full_report();
  data.outcome = Outcome::kNotLearned;
  data.history.test_acc.clear();
  data.scores.reset();
  data.scores_reason = "test holds one class";
  const std::string html = report_page(data);
  EXPECT_NE(html.find("verdict bad"), std::string::npos);
  EXPECT_NE(html.find("It did not learn. Validation accuracy is 77.0\u202F%"), std::string::npos);
  EXPECT_NE(html.find("No ROC and DET curves: test holds one class"), std::string::npos);
}

TEST(ReportPage, ProportionsAsTheDocumentWritesThem) {
  EXPECT_EQ(proportion_text(700, 1400), "1:2");
  EXPECT_EQ(proportion_text(552, 551), "1.002:1");
  EXPECT_EQ(proportion_text(5, 5), "1:1");
  EXPECT_EQ(proportion_text(0, 5), "no fake");
  EXPECT_EQ(proportion_text(5, 0), "no real");
  EXPECT_EQ(proportion_text(0, 0), "no pictures");
}

TEST(ReportPage, HitsAndMistakesAreRankedBySureness) {
  const std::vector<std::uint8_t> labels = {0, 1, 1, 0, 1, 0};
  // Differences -2, 40, -1, 3, 0, -2: a tie is "real", and 40 is surer than 39 although both probabilities are 1.
  const std::vector<Logits2> logits = {{2, 0}, {0, 40}, {1, 0}, {0, 3}, {5, 5}, {1, -1}};
  EXPECT_EQ(surest_hits(labels, logits, 2), (std::vector<std::size_t>{1, 0}));
  EXPECT_EQ(surest_hits(labels, logits, 10), (std::vector<std::size_t>{1, 0, 5})) << "ties keep their order";
  EXPECT_EQ(worst_mistakes(labels, logits, 10), (std::vector<std::size_t>{3, 2, 4}));
  EXPECT_THROW(surest_hits(labels, {}, 1), Error);
}

TEST(PredictionsPage, CountsAndEscapes) {
  PredictionsPage page;
  page.title = "holiday";
  page.model = "edgenet";
  page.predictions = {{kEvil, "ab12", Image(20, 10), "fake", 0.9876, "", ""},
                      {"b.jpg", "cd34", Image(20, 10), "real", 0.0123, "", ""},
                      {"c.jpg", "ef56", Image(20, 10), "fake", 0.55, "inconclusive", ""},
                      {"d.jpg", "", Image(), "", 0, "", "JPEG truncated at byte 7 of <9>"}};
  const std::string html = predictions_page(page);
  test::expect_closed(html);
  for (const char* words : {"called fake</div><div class=\"value fake\">1<", "called real</div><div class=\"value real\">1<",
                            "inconclusive</div><div class=\"value muted\">1<", "could not be read</div><div class=\"value \">1<", "0.9876", "0.0123", "ab12",
                            "JPEG truncated at byte 7 of &lt;9&gt;", "data-key=\"0.55\"", "<b>inconclusive</b>"}) {
    EXPECT_NE(html.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(test::occurrences(html, "<img "), 3);
  test::expect_closed(predictions_page({}));
}

// Pictures as busy as photographs get: noise, which JPEG hardly shrinks.
TEST(PredictionsPage, TwoThousandPicturesStayBelow20Megabytes) {
  PredictionsPage page;
  page.title = "many";
  RandomStream random(1, RandomPurpose::kTest);
  Image picture(160, 160);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(96 + i / 3 % 160 / 4 + random.below(40));
  for (std::uint32_t n = 0; n < 2000; ++n) {
    page.predictions.push_back({"album/" + std::to_string(n) + ".jpg", std::string(64, 'a'), picture, n % 2 ? "fake" : "real", 0.5, "", ""});
  }
  const std::string html = predictions_page(page);
  EXPECT_LT(html.size(), 20U << 20);
  EXPECT_EQ(test::occurrences(html, "<img src=\"data:image/jpeg;base64,"), 2000);
  EXPECT_EQ(test::occurrences(html, "<img "), 2000);
}

}  // namespace
}  // namespace sepia::report
