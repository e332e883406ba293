// The plots: what they say, where they put it, and that SVG and PNG both come out whole.
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <limits>

#include "engine/base/file.h"
#include "tests/tools/markup.h"
#include "tests/tools/png_pixels.h"
#include "tests/tools/recording_canvas.h"
#include "tools/report/image_grid.h"
#include "tools/report/plots.h"

namespace sepia::report {
namespace {

using test::RecordingCanvas;
constexpr double kNaN = std::numeric_limits<double>::quiet_NaN();

RunHistory five_epochs() {
  RunHistory history;
  history.model = "simplenet";
  history.dataset = "fakes & <more>";
  history.train_loss = {0.48, 0.30, 0.21, 0.15, 0.10};
  history.train_acc = {0.751, 0.865, 0.91, 0.935, 0.952};
  history.val_loss = {0.40, 0.36, 0.33, 0.41, 0.38};
  history.val_acc = {0.81, 0.85, 0.872, 0.86, 0.868};
  history.best_epoch = 3;
  history.majority_accuracy = 2.0 / 3;
  return history;
}

RecordingCanvas record(const Figure& figure) {
  RecordingCanvas canvas;
  figure.draw(canvas);
  return canvas;
}

// Ten pictures by hand: one real picture (0.6) outscores two of the fakes.
ScoreCurves ten_pictures() {
  const std::vector<double> second = {-3, -2, -1, -0.5, 0.6, -0.2, 0.5, 0.8, 1, 2};
  const std::vector<std::uint8_t> labels = {0, 0, 0, 0, 0, 1, 1, 1, 1, 1};
  std::vector<double> first;
  for (const double score : second) first.push_back(-score);
  ScoreCurves curves{"simplenet on deepfake, test", {}};
  curves.curves.push_back({"first score", roc_curve(first, labels), auc(first, labels), Ink::kReal});
  curves.curves.push_back({"second score", roc_curve(second, labels), auc(second, labels), Ink::kFake});
  return curves;
}

TEST(ReportPlots, HistoryIsWellFormedAndSaysItsValues) {
  const std::string svg = to_svg(plot_history(five_epochs()));
  EXPECT_EQ(test::markup_fault(svg), "");
  for (const char* words : {">Loss<", ">Accuracy<", ">train<", ">val<", ">epoch<", "chance: ln 2 = 0.693", "majority class (test): 66.7\u202F%",
                            ">best epoch 3<", ">0.210<", ">0.330<", ">87.2\u202F%<", "epoch 5\ntrain 0.100\nval 0.380", "fakes &amp; &lt;more&gt;"}) {
    EXPECT_NE(svg.find(words), std::string::npos) << words;
  }
  EXPECT_EQ(svg.find(">test<"), std::string::npos) << "there is no test split";
}

TEST(ReportPlots, TheLossPanelPutsChanceAtLnTwo) {
  const RunHistory history = five_epochs();
  const RecordingCanvas canvas = record(plot_loss(history));
  const auto reference = canvas.in(Ink::kReference);
  ASSERT_EQ(reference.size(), 1u);
  EXPECT_EQ(reference[0].stroke.dash, Dash::kDashed);
  // Its height from the tick labels 0.0 and 0.8, which stand 0.36 of their size below their grid lines.
  const double zero = canvas.find("0.0")->at.y, top = canvas.find("0.8")->at.y;
  const double expected = zero + (top - zero) * std::log(2.0) / 0.8 - 0.36 * canvas.find("0.0")->style.size;
  EXPECT_NEAR(reference[0].points[0].y, expected, 1e-9);
  EXPECT_NEAR(reference[0].points[1].y, expected, 1e-9);
  const auto train = canvas.in(Ink::kTrain);
  const auto longest = std::max_element(train.begin(), train.end(), [](const auto& a, const auto& b) { return a.points.size() < b.points.size(); });
  ASSERT_EQ(longest->points.size(), 5u);
  EXPECT_NEAR(longest->points[0].x, canvas.find("1")->at.x, 1e-9) << "epoch 1 stands above its tick";
  EXPECT_NEAR(longest->points[4].x, canvas.find("5")->at.x, 1e-9);
}

TEST(ReportPlots, TheBestEpochIsRinged) {
  const RecordingCanvas canvas = record(plot_accuracy(five_epochs()));
  ASSERT_EQ(canvas.rings.size(), 2u) << "train and val";
  for (const auto& [centre, stroke] : canvas.rings) EXPECT_NEAR(centre.x, canvas.find("3")->at.x, 1e-9);
}

TEST(ReportPlots, DocumentUnitsDivideLossesByTheBatch) {
  RunHistory history = five_epochs();
  history.document_units = true;
  const std::string svg = to_svg(plot_loss(history));
  EXPECT_NE(svg.find("chance: ln 2 / 32 = 0.022"), std::string::npos);
  EXPECT_NE(svg.find("cross-entropy / batch size"), std::string::npos);
}

TEST(ReportPlots, MissingValuesAreGapsAndEmptyRunsStillDraw) {
  RunHistory history = five_epochs();
  history.val_loss = {0.4, 0.36, kNaN, 0.3, 0.2};
  const auto lines = record(plot_loss(history)).in(Ink::kVal);
  int pieces = 0;
  for (const auto& line : lines) {
    for (const Point& point : line.points) EXPECT_TRUE(std::isfinite(point.x) && std::isfinite(point.y));
    pieces += line.stroke.width == 2.0;
  }
  EXPECT_EQ(pieces, 3) << "the legend's sample and two pieces of the curve";
  EXPECT_EQ(test::markup_fault(to_svg(plot_history(RunHistory{}))), "");
  RunHistory one;
  one.train_loss = {30};
  one.val_loss = {0.3};
  one.best_epoch = 1;
  EXPECT_EQ(test::markup_fault(to_svg(plot_history(one))), "");
  one.train_loss = {kNaN};
  one.val_loss = {std::numeric_limits<double>::infinity()};
  EXPECT_EQ(test::markup_fault(to_svg(plot_history(one))), "");
}

TEST(ReportPlots, PngHasItsSizeItsDensityAndInk) {
  const Figure figure = plot_history(five_epochs());
  const auto png = to_png(figure, 2);
  const Image image = test::decode_png(png);
  EXPECT_EQ(image.width, std::lround(2 * figure.width));
  EXPECT_EQ(image.height, std::lround(2 * figure.height));
  EXPECT_GT(test::colour_count(image), 50u);
  const std::string_view bytes(reinterpret_cast<const char*>(png.data()), png.size());
  ASSERT_NE(bytes.find("pHYs"), std::string_view::npos);
  EXPECT_EQ(bytes.substr(bytes.find("pHYs") + 4, 4), std::string_view("\0\0\x1d\x87", 4)) << "7559 pixels a metre are 192 dpi";
}

TEST(ReportPlots, RocAndDetNameBothScores) {
  const std::string svg = to_svg(plot_roc_det(ten_pictures()));
  EXPECT_EQ(test::markup_fault(svg), "");
  EXPECT_EQ(test::occurrences(svg, ">first score (AUC=0.080)<"), 2) << "23 of 25 pairs are in order";
  EXPECT_EQ(test::occurrences(svg, ">second score (AUC=0.920)<"), 2);
  EXPECT_NE(svg.find("simplenet on deepfake, test \u00B7 5 real, 5 fake"), std::string::npos);
  EXPECT_NE(svg.find("EER 20.0\u202F%"), std::string::npos);
  EXPECT_NE(svg.find("false positive rate 20\u202F%\nfirst score: true positives 0.0\u202F%\nsecond score: true positives 100.0\u202F%"), std::string::npos);
}

// The longest line in an ink: the curve, not the legend's sample.
RecordingCanvas::Line curve_in(const RecordingCanvas& canvas, Ink ink) {
  RecordingCanvas::Line longest;
  for (const auto& line : canvas.in(ink)) {
    if (line.points.size() > longest.points.size()) longest = line;
  }
  return longest;
}

TEST(ReportPlots, RocCurvesStandAtTheirRates) {
  const RecordingCanvas canvas = record(plot_roc(ten_pictures()));
  double x0 = 0, x20 = 0, y60 = 0;
  for (const auto& text : canvas.texts) {
    if (text.words == "0" && text.style.anchor == Anchor::kMiddle) x0 = text.at.x;
    if (text.words == "20" && text.style.anchor == Anchor::kMiddle) x20 = text.at.x;
    if (text.words == "60" && text.style.anchor == Anchor::kEnd) y60 = text.at.y - 0.36 * text.style.size;
  }
  const auto points = curve_in(canvas, Ink::kFake).points;
  ASSERT_EQ(points.size(), 5u) << "(0,0) (0,0.6) (0.2,0.6) (0.2,1) (1,1)";
  EXPECT_NEAR(points[1].x, x0, 1e-9);
  EXPECT_NEAR(points[1].y, y60, 1e-9);
  EXPECT_NEAR(points[2].x, x20, 1e-9);
  EXPECT_NEAR(points[2].y, y60, 1e-9);
}

TEST(ReportPlots, DetCurvesStandAtNormalDeviates) {
  const RecordingCanvas canvas = record(plot_det(ten_pictures()));
  double x20 = 0;
  for (const auto& text : canvas.texts) {
    if (text.words == "20" && text.style.anchor == Anchor::kMiddle) x20 = text.at.x;
  }
  const auto points = curve_in(canvas, Ink::kFake).points;
  ASSERT_EQ(points.size(), 5u);
  EXPECT_NEAR(points[2].x, x20, 1e-9);
  // A true positive rate of 60% is a miss rate of 40%; deviates -0.253347 and, at the ends of the axis (5% and 95%), 1.644854.
  const double top = curve_in(canvas, Ink::kReal).points[0].y, bottom = points.back().y;
  EXPECT_NEAR((bottom - points[2].y) / (bottom - top), (1.644854 - 0.253347) / (2 * 1.644854), 1e-5);
}

TEST(ReportPlots, ConfusionShowsCountsAndShares) {
  const std::string svg = to_svg(plot_confusion(Confusion{1302, 98, 112, 588}, "test"));
  EXPECT_EQ(test::markup_fault(svg), "");
  for (const char* words : {">1\u202F302<", ">98<", ">112<", ">588<", "93.0\u202F% of real", "84.0\u202F% of fake"}) {
    EXPECT_NE(svg.find(words), std::string::npos) << words;
  }
  EXPECT_NE(to_svg(plot_confusion(Confusion{0, 0, 1, 2}, "")).find("no pictures"), std::string::npos);
}

TEST(ReportPlots, HealthLeavesOutWhatWasNotMeasured) {
  std::vector<LayerHealth> layers = {{"stem", {0.1, 0.2}, {1, 0.5}, {1e-2, 1e-4}}, {"fc1", {kNaN, kNaN}, {0, 0.25}, {}}};
  const std::string svg = to_svg(plot_health(layers));
  EXPECT_EQ(test::markup_fault(svg), "");
  for (const char* words : {"Dead ReLUs", "Gradient", "Update / weight", "customary 10\u207B\u00B3", "epoch 2\nstem 20.0\u202F%"}) {
    EXPECT_NE(svg.find(words), std::string::npos) << words;
  }
  for (LayerHealth& layer : layers) layer.update_ratio.clear();
  EXPECT_EQ(to_svg(plot_health(layers)).find("Update / weight"), std::string::npos);
  EXPECT_NE(to_svg(plot_health({})).find("No layer health"), std::string::npos);
}

TEST(ReportPlots, ReliabilityDrawsOnlyBinsThatHoldPictures) {
  const std::vector<ReliabilityBin> bins = {{0, 0.5, 40, 10, 8}, {0.5, 0.9, 10, 7, 8}, {0.9, 1, 0, 0, 0}};
  const RecordingCanvas canvas = record(plot_reliability(bins, "val"));
  // |0.2 - 0.25| on 40 pictures and |0.8 - 0.7| on 10.
  ASSERT_NE(canvas.find("val \u00B7 expected calibration error 6.0\u202F%"), nullptr);
  int points = 0;
  for (const auto& [centre, fill] : canvas.circles) points += fill.ink == Ink::kFake;
  EXPECT_EQ(points, 3) << "two bins and the legend's sample";
}

TEST(ReportPlots, ImageGridPlacesPicturesAndCutsCaptions) {
  ImageGrid grid;
  grid.title = "Samples";
  grid.column_labels = {"real", "fake"};
  grid.cell = 100;
  Image wide(200, 100);
  grid.rows = {{{wide, "<b>.jpg", Ink::kReal}, {Image(10, 10), std::string(200, 'x') + "\xFF", Ink::kFake}}, {{Image(), "none", Ink::kMuted}}};
  const Figure figure = draw_image_grid(grid);
  const RecordingCanvas canvas = record(figure);
  ASSERT_EQ(canvas.images.size(), 2u);
  EXPECT_DOUBLE_EQ(canvas.images[0].width, 100);
  EXPECT_DOUBLE_EQ(canvas.images[0].height, 50) << "pictures keep their proportions";
  EXPECT_DOUBLE_EQ(canvas.images[1].x - canvas.images[0].x, 110);
  for (const auto& text : canvas.texts) EXPECT_LE(text_width(text.words, text.style), 140) << text.words;
  const std::string svg = to_svg(figure);
  EXPECT_EQ(test::markup_fault(svg), "");
  EXPECT_EQ(test::occurrences(svg, "href=\"data:image/png;base64,"), 2);
  EXPECT_EQ(test::decode_png(to_png(figure, 1)).width, std::lround(figure.width));
}

TEST(ReportPlots, SaveWritesBothFiles) {
  const auto folder = std::filesystem::path(testing::TempDir()) / "sepia_plots";
  std::filesystem::create_directories(folder);
  save_figure(plot_loss(five_epochs()), folder / "loss");
  EXPECT_GT(std::filesystem::file_size(folder / "loss.svg"), 1000u);
  EXPECT_GT(std::filesystem::file_size(folder / "loss.png"), 1000u);
  std::filesystem::remove_all(folder);
}

TEST(ReportChart, LabelsSpreadWithoutOverlapAndKeepOrder) {
  const auto placed = spread_labels({50, 52, 10, 51}, 12, 0, 100);
  EXPECT_EQ(placed[2], 10);
  EXPECT_GE(placed[3] - placed[0], 12);
  EXPECT_GE(placed[1] - placed[3], 12);
  const auto low = spread_labels({99, 98, 100}, 10, 0, 100);
  EXPECT_EQ(low, (std::vector<double>{90, 80, 100}));
}

TEST(ReportChart, StraightRunsOfACurveAreThinned) {
  Chart chart;
  chart.x = linear_axis("x", 0, 1);
  chart.y = linear_axis("y", 0, 1);
  Series series;
  series.ink = Ink::kTest;
  series.in_legend = false;
  for (int i = 0; i <= 1000; ++i) series.points.push_back({i / 1000.0, i < 500 ? 0.25 : 0.75});
  chart.series.push_back(series);
  RecordingCanvas canvas;
  draw_chart(canvas, {0, 0, 400, 300}, chart);
  ASSERT_EQ(canvas.in(Ink::kTest).size(), 1u);
  EXPECT_EQ(canvas.in(Ink::kTest)[0].points.size(), 4u);
}

}  // namespace
}  // namespace sepia::report
