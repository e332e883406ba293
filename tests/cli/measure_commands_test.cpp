// sepia eval on groups, under harm and as a cross matrix; sepia report; on one trained model.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/trained_run.h"
#include "tests/tools/closed_page.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class MeasureCommands : public TrainedRun {
 protected:
  static void SetUpTestSuite() { train({.train = 16, .val = 6, .test = 6}, {"--epochs", "6"}); }
};

TEST_F(MeasureCommands, GroupsAreJudgedTogether) {
  // 0.png to 5.png: three groups of each class.
  const json grouped = json_of({"eval", run(), "--data", data(), "--group-by", "/[01]|/[23]|/[45]", "--json", "--out", at("groups")});
  EXPECT_EQ(grouped.at("n"), 12) << "the match itself is the name, six of each class";
  const json pairs = json_of({"eval", run(), "--data", data(), "--group-by", "(test/....)", "--json"});
  EXPECT_EQ(pairs.at("n"), 2);
  EXPECT_EQ(pairs.at("n_pictures"), 12);
  EXPECT_TRUE(pairs.at("auc_delong_ci95").is_null());
  EXPECT_TRUE(pairs.at("auc_delong_ci95_reason").is_string());
  expect_refusal({"eval", run(), "--data", data(), "--group-by", "("}, 2, "--group-by");
  expect_refusal({"eval", run(), "--data", data(), "--group-by", "video([0-9]+)"}, 3, "finds nothing");
}

TEST_F(MeasureCommands, HarmIsMeasuredStrengthByStrength) {
  const json result = json_of({"eval", run(), "--data", data(), "--perturb", "jpeg:90..10:3,scale:1..0.25:2", "--json", "--out", at("harm")});
  const json& rows = result.at("perturb");
  ASSERT_EQ(rows.size(), 5U);
  EXPECT_EQ(rows.at(1).at("kind"), "jpeg");
  EXPECT_EQ(rows.at(1).at("strength"), 50);
  EXPECT_EQ(rows.at(3).at("loss"), result.at("loss")) << "scale 1 changes nothing";
  EXPECT_NE(rows.at(4).at("loss"), result.at("loss"));
  for (const char* name : {"perturb.csv", "plots/perturb_jpeg.svg", "plots/perturb_scale.png", "metrics.json"}) EXPECT_TRUE(fs::exists(at("harm") / name)) << name;
  expect_refusal({"eval", run(), "--data", data(), "--perturb", "jpeg:900"}, 2, "--perturb 'jpeg:900'");
}

TEST_F(MeasureCommands, SeveralModelsAndDataSetsGiveTheCrossMatrix) {
  write_small_dataset(at("other"), {.train = 0, .val = 0, .test = 3});
  const json cross = json_of({"eval", run(), run() / "last.safetensors", run(), "--data", data(), "--data", at("other"), "--json", "--out", at("cross")});
  ASSERT_EQ(cross.at("auc").size(), 3U);
  ASSERT_EQ(cross.at("auc").at(0).size(), 2U);
  EXPECT_EQ(cross.at("auc").at(0), cross.at("auc").at(2));
  const json alone = json_of({"eval", run(), "--data", at("other"), "--json"});
  EXPECT_EQ(cross.at("cells").at(0).at(1).at("loss"), alone.at("loss"));
  EXPECT_EQ(cross.at("cells").at(0).at(1).at("auc_ci95"), alone.at("auc_ci95"));
  for (const char* name : {"cross_matrix.json", "cross_matrix.csv", "plots/cross_matrix.svg"}) EXPECT_TRUE(fs::exists(at("cross") / name)) << name;
  expect_refusal({"eval", run(), run(), "--data", data(), "--perturb", "jpeg:50"}, 2, "--perturb is for one model");
}

TEST_F(MeasureCommands, ReportMakesThePageAgain) {
  const std::string page = bytes_of(run() / "report.html");
  fs::remove(run() / "report.html");
  const CommandResult result = run_sepia({"report", run()});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(bytes_of(run() / "report.html"), page);
  expect_closed(page);
  for (const char* words : {"Grad-CAM at blocks.2 for the class that the picture was called", "map for ", "What it looks at", "Saliency", "weights re-drawn", "--figure means"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
  ASSERT_EQ(run_sepia({"report", run(), "--document-units"}).exit_code, 0);
  EXPECT_THAT(bytes_of(run() / "report.html"), HasSubstr("cross-entropy / batch size"));
  ASSERT_EQ(run_sepia({"report", run(), "--no-maps"}).exit_code, 0);
  EXPECT_THAT(bytes_of(run() / "report.html"), ::testing::Not(HasSubstr("Grad-CAM")));
  fs::rename(data() / "test", data() / "moved");
  ASSERT_EQ(run_sepia({"report", run()}).exit_code, 0) << "pictures that have gone leave a page without them";
  EXPECT_THAT(bytes_of(run() / "report.html"), HasSubstr("No maps: "));
  fs::rename(data() / "moved", data() / "test");
  fs::rename(run() / "best.safetensors", run() / "kept");
  ASSERT_EQ(run_sepia({"report", run()}).exit_code, 0) << "and so do weights";
  EXPECT_THAT(bytes_of(run() / "report.html"), HasSubstr("No maps: "));
  fs::rename(run() / "kept", run() / "best.safetensors");
  expect_refusal({"report", run(), "--out", at("elsewhere")}, 2, "--out is for comparing");
  expect_refusal({"report", at("nothing")}, 4, "nothing");
  expect_refusal({"report", data()}, 4, "config.json");
}

TEST_F(MeasureCommands, ReportComparesRunsAndListsTheirLogs) {
  ASSERT_EQ(run_sepia({"train", "edgenet", "--data", data(), "--out", at("second"), "--image-size", "32", "--epochs", "2", "--lr", "0.01"}).exit_code, 0);
  const CommandResult result = run_sepia({"report", run(), at("second"), "--out", at("comparison"), "--log-json", at("logs.json")});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const std::string page = bytes_of(at("comparison") / "report.html");
  EXPECT_THAT(page, HasSubstr("Settings that differ"));
  EXPECT_THAT(page, HasSubstr("0.01"));
  const json logs = json::parse(bytes_of(at("logs.json")));
  ASSERT_EQ(logs.size(), 2U);
  EXPECT_EQ(logs.at(0), json::parse(bytes_of(run() / "log.json")));
  ASSERT_EQ(run_sepia({"report", run(), "--log-json", at("logs.json"), "--document-units"}).exit_code, 0);
  const json converted = json::parse(bytes_of(at("logs.json"))).at(0);
  EXPECT_DOUBLE_EQ(converted.at("train_loss").at(1).get<double>(), logs.at(0).at("train_loss").at(1).get<double>() / 8);
  EXPECT_DOUBLE_EQ(converted.at("test_acc").at(1).get<double>(), logs.at(0).at("test_acc").at(1).get<double>() * 100);
  expect_refusal({"report", run(), at("second"), "--out", at("comparison")}, 2, "is in use");
  fs::resize_file(at("second") / "config.json", 20);
  expect_refusal({"report", at("second")}, 3, "config.json");
}

}  // namespace
}  // namespace sepia::test
