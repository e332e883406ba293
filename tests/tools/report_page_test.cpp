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
  data.surest_hits = {{Image(64, 64), kEvil, 1, 0.998, true, {Image(64, 64), "map for fake: <empty>"}}};
  data.worst_mistakes = {{Image(64, 64), "test/fake/b.jpg", 1, 0.021, false, {}}};
  data.thresholds = {{"eer", "as many <missed> as false", 0.625, {30, 10, 5, 35}, {500, 51, 60, 492}}};
  data.maps.overlay_words = "Below each picture: Grad-CAM at blocks.2 & more";
  data.maps.overlay_legend = {Image(192, 1), "0", "the map's <largest> value"};
  data.maps.samples = {{Image(64, 64), Image(64, 64), kEvil, 1, "map for fake"}, {Image(64, 64), Image(64, 64), "test/real/c.jpg", 0, "map for real: empty"}};
  data.maps.sample_words = "2 pictures of test";
  data.maps.sample_legend = {Image(192, 1), "0", "0.002"};
  data.maps.means = Figure{80, 60, "mean maps of <two> classes", [](Canvas& canvas) {
                             canvas.image({0, 0, 40, 40}, Image(256, 256));
                             canvas.image({44, 0, 4, 40}, Image(1, 256));
                           }};
  data.maps.mean_words = {"fake: a grid of 8 pixels, and of <64%> of the untrained network's"};
  data.maps.commands = {"sepia explain -m 'a & b' --figure means"};
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
        "fake, called real", "0.9980", "map for fake: &lt;empty&gt;", "map for real: empty", "Below each picture: Grad-CAM at blocks.2 &amp; more",
        "the map&#39;s &lt;largest&gt; value", "What it looks at", "of &lt;64%&gt; of the untrained network", "-m &#39;a &amp; b&#39; --figure means",
        "Thresholds chosen on val, measured on test", "as many &lt;missed&gt; as false", "0.625", "<td class=\"number\">25.0\u202F%</td><td class=\"number\">12.5\u202F%</td>", "Dead ReLUs", "sepia train edgenet --data &#39;a &amp; b&#39; --out run", "<h1>run &lt;1&gt;</h1>"}) {
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
  data.maps = {};
  EXPECT_EQ(report_page(data).find("id=\"maps\""), std::string::npos);
  data.maps.missing = "/data/<faces>: no such folder";
  EXPECT_NE(report_page(data).find("No maps: /data/&lt;faces&gt;: no such folder"), std::string::npos);
}

TEST(ReportPage, PicturesInAPagesFigureAreSmall) {
  RandomStream random(2, RandomPurpose::kTest);
  Image noise(256, 256);
  for (std::uint8_t& value : noise.rgb) value = static_cast<std::uint8_t>(random.below(256));
  const Figure figure{120, 60, "noise", [&](Canvas& canvas) { canvas.image({0, 0, 50, 50}, noise); }};
  EXPECT_LT(to_svg(figure, false).size(), 20'000u) << "twice the pixels it covers, as JPEG";
  EXPECT_NE(to_svg(figure, false).find("data:image/jpeg"), std::string::npos);
  EXPECT_GT(to_svg(figure, true).size(), 200'000u) << "a file of its own keeps every pixel";
  const Figure bar{20, 60, "legend", [](Canvas& canvas) { canvas.image({0, 0, 5, 50}, Image(1, 256)); }};
  EXPECT_NE(to_svg(bar, false).find("data:image/png"), std::string::npos);
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
  const Thumbnail small = make_thumbnail(Image(20, 10), 5000);
  page.threshold = 0.625;
  page.threshold_words = "chosen by <eer>";
  page.map_words = "Beside each picture: Grad-CAM at blocks.2";
  page.map_legend = {Image(192, 1), "0", "the map's largest value"};
  page.predictions = {{kEvil, "ab12", small, "fake", 0.9876, "", "", small, "map for fake"},
                      {"b.jpg", "cd34", small, "real", 0.0123, "", "", small, "map for real: <empty>"},
                      {"c.jpg", "ef56", small, "fake", 0.55, "inconclusive", "", {}, ""},
                      {"d.jpg", "", {}, "", 0, "", "JPEG truncated at byte 7 of <9>"}};
  const std::string html = predictions_page(page);
  test::expect_closed(html);
  for (const char* words : {"called fake</div><div class=\"value fake\">1<", "called real</div><div class=\"value real\">1<",
                            "inconclusive</div><div class=\"value muted\">1<", "could not be read</div><div class=\"value \">1<", "0.9876", "0.0123", "ab12",
                            "JPEG truncated at byte 7 of &lt;9&gt;", "data-key=\"0.55\"", "<b>inconclusive</b>",
                            "Called fake: a probability of fake above 0.625, chosen by &lt;eer&gt;.", "Beside each picture: Grad-CAM at blocks.2", "map for real: &lt;empty&gt;"}) {
    EXPECT_NE(html.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(test::occurrences(html, "<img "), 3 + 2 + 1) << "pictures, maps, legend";
  EXPECT_EQ(test::occurrences(html, "<script>alert"), 0);
  test::expect_closed(predictions_page({}));
}

// Pictures as busy as photographs get: noise, which JPEG hardly shrinks.
TEST(PredictionsPage, TwoThousandPicturesWithMapsStayBelow20Megabytes) {
  RandomStream random(1, RandomPurpose::kTest);
  Image picture(256, 256);
  for (std::size_t i = 0; i < picture.rgb.size(); ++i) picture.rgb[i] = static_cast<std::uint8_t>(96 + i / 3 % 160 / 4 + random.below(40));
  for (const bool maps : {false, true}) {
    PredictionsPage page;
    page.title = "many";
    page.map_words = maps ? "Beside each picture: Grad-CAM" : "";
    const Thumbnail thumbnail = make_thumbnail(picture, thumbnail_bytes(2000, maps));
    EXPECT_GE(thumbnail.width, 40);
    for (std::uint32_t n = 0; n < 2000; ++n) {
      page.predictions.push_back({"a folder with a longer name/another one/" + std::to_string(n) + ".jpg", std::string(64, 'a'), thumbnail, n % 2 ? "fake" : "real", 0.5, "", "",
                                  maps ? thumbnail : Thumbnail{}, maps ? "map for fake: empty" : ""});
    }
    const std::string html = predictions_page(page);
    EXPECT_LT(html.size(), 20'000'000u);
    EXPECT_EQ(test::occurrences(html, "<img src=\"data:image/jpeg;base64,"), maps ? 4000 : 2000);
    EXPECT_EQ(test::occurrences(html, "<img "), maps ? 4000 : 2000);
  }
}

TEST(PredictionsPage, ThumbnailsKeepToTheirBytes) {
  RandomStream random(3, RandomPurpose::kTest);
  Image noise(256, 192);
  for (std::uint8_t& value : noise.rgb) value = static_cast<std::uint8_t>(random.below(256));
  int before = 1000;
  for (const std::size_t bytes : {200'000u, 24'000u, 6'000u, 2'400u}) {
    const Thumbnail thumbnail = make_thumbnail(noise, bytes);
    EXPECT_TRUE(thumbnail.jpeg.size() <= bytes || thumbnail.width == 40) << bytes;
    EXPECT_LT(thumbnail.width, before);
    EXPECT_NEAR(thumbnail.height, 0.75 * thumbnail.width, 1);
    before = thumbnail.width;
  }
  EXPECT_EQ(make_thumbnail(Image(256, 256), thumbnail_bytes(10, true)).width, 256) << "few pictures are shown large";
  EXPECT_TRUE(make_thumbnail(Image(), 1000).jpeg.empty());
  EXPECT_GE(thumbnail_bytes(1'000'000, true), 1000u);
}

}  // namespace
}  // namespace sepia::report
