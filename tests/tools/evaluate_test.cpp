// What `sepia eval` does beyond one number: perturbations and the cross matrix.
#include <gtest/gtest.h>

#include <cmath>
#include <string>
#include <vector>

#include "data/augment_strong.h"
#include "engine/base/csv.h"
#include "engine/base/error.h"
#include "tests/data/test_pictures.h"
#include "tests/tools/markup.h"
#include "tools/evaluate/cross_matrix.h"
#include "tools/evaluate/perturbation.h"

namespace sepia::tools {
namespace {

TEST(Perturbation, ReadsRanges) {
  const auto list = perturbations_from_text("jpeg:95..30,scale:1..0.25:4,blur:0.5");
  ASSERT_EQ(list.size(), 3U);
  EXPECT_EQ(list[0].kind, "jpeg");
  EXPECT_EQ(list[0].strengths, (std::vector<double>{95, 82, 69, 56, 43, 30}));
  EXPECT_EQ(list[1].strengths, (std::vector<double>{1, 0.75, 0.5, 0.25}));
  EXPECT_EQ(list[2].strengths, (std::vector<double>{0.5}));
  EXPECT_EQ(perturbations_from_text("jpeg:50..51")[0].strengths, (std::vector<double>{50, 51})) << "whole qualities, each once";
}

TEST(Perturbation, RefusesWhatItDoesNotKnow) {
  for (const char* wrong : {"", "jpeg", "jpeg:", "jpeg:95..", "jpeg:0..50", "jpeg:101", "scale:0..1", "scale:1..2", "rot:1..2", "jpeg:90..30:0", "jpeg:90..30:2.5", "jpeg:a..b",
                            "jpeg:90..30,", ",", "blur:-1", "jpeg:nan", "jpeg:1e9"}) {
    try {
      perturbations_from_text(wrong);
      ADD_FAILURE() << "'" << wrong << "' was taken";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kUsage) << wrong;
    }
  }
}

TEST(Perturbation, ChangesPicturesAsItSays) {
  const Image picture = test::make_picture(64, 64);
  EXPECT_EQ(perturbed(picture, "jpeg", 40), recompressed(picture, 40, true));
  EXPECT_EQ(perturbed(picture, "blur", 0), picture);
  EXPECT_EQ(perturbed(picture, "blur", 1), blurred(picture, 256));
  EXPECT_EQ(perturbed(picture, "scale", 1), picture);
  const Image small = perturbed(picture, "scale", 0.25);
  EXPECT_EQ(small.width, 64);
  EXPECT_EQ(small.height, 64);
  EXPECT_NE(small, picture);
  EXPECT_THROW(perturbed(picture, "melt", 1), Error);
}

Evaluation evaluation_of(double strength) {
  EvaluationParams params;
  params.bootstrap.replicates = 0;
  return evaluate(std::vector<Logits2>{{0, -1}, {0, 1}, {0, strength}, {0, -strength}}, std::vector<std::uint8_t>{0, 1, 1, 0}, params);
}

TEST(Perturbation, ChartHasTheThreeCurves) {
  const std::vector<PerturbedResult> results{{"jpeg", 95, evaluation_of(2)}, {"jpeg", 30, evaluation_of(-2)}, {"scale", 1, evaluation_of(2)}};
  const report::Chart chart = perturbation_chart(results, "jpeg", 0.5);
  ASSERT_EQ(chart.series.size(), 3U);
  ASSERT_EQ(chart.series[0].points.size(), 2U) << "the other kind is left out";
  EXPECT_EQ(chart.series[0].points[0].y, 1);
  EXPECT_EQ(chart.series[0].points[1].y, *evaluation_of(-2).auc.value);
  EXPECT_EQ(chart.series[1].points[1].y, 0.5) << "one of two fakes is missed";
  EXPECT_EQ(chart.series[2].points[1].y, 0.5) << "one of two real pictures is called fake";
  const report::Chart single = perturbation_chart({results[2]}, "scale", 0.5);
  EXPECT_LT(single.x.low, single.x.high);
}

TEST(CrossMatrix, JsonCsvAndPicture) {
  CrossMatrix matrix{.models = {"runs/a", "runs/<b>"}, .data = {"swaps", "synthetic", "toy"}, .split = "test"};
  for (int m = 0; m < 2; ++m) {
    matrix.cells.emplace_back();
    for (int d = 0; d < 3; ++d) matrix.cells.back().push_back(evaluation_of(m + d - 1.5));
  }
  matrix.cells[1][2] = evaluate(std::vector<Logits2>{{0, 1}}, std::vector<std::uint8_t>{1});
  const auto json = cross_json(matrix);
  EXPECT_EQ(json.at("auc").at(0).at(1), *matrix.cells[0][1].auc.value);
  EXPECT_TRUE(json.at("auc").at(1).at(2).is_null());
  EXPECT_TRUE(json.at("cells").at(1).at(2).at("auc_reason").is_string());
  EXPECT_EQ(json.at("cells").at(1).size(), 3U);
  const std::string csv = cross_csv(matrix);
  EXPECT_EQ(test::occurrences(csv, "\n"), 7);
  EXPECT_EQ(csv_fields_of(csv.substr(0, csv.find('\n'))).front(), "model");
  const report::Figure figure = plot_cross_matrix(matrix);
  const std::string svg = report::to_svg(figure);
  EXPECT_EQ(test::markup_fault(svg), "");
  EXPECT_NE(svg.find("runs/&lt;b&gt;"), std::string::npos);
  EXPECT_NE(figure.alt.find("runs/<b> on toy n/a"), std::string::npos);
}

}  // namespace
}  // namespace sepia::tools
