// A model that sees residuals and whose weights are averages goes through every command that uses weights.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <set>
#include <string>

#include "tests/support/trained_run.h"
#include "tests/tools/closed_page.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class ResidualCommands : public TrainedRun {
 protected:
  static void SetUpTestSuite() { train({.train = 12, .val = 4, .test = 4}, {"--epochs", "5", "--input", "residual", "--model-ema-decay", "0.8"}); }
};

TEST_F(ResidualCommands, EvalAndPredictAgreeWithTheTraining) {
  const json metrics = json::parse(bytes_of(run() / "metrics.json")), evaluated = json_of({"eval", run(), "--data", data(), "-b", "8", "--json"});
  EXPECT_EQ(evaluated.at("loss"), metrics.at("loss"));
  EXPECT_EQ(evaluated.at("auc"), metrics.at("auc"));
  const CommandResult predicted = run_sepia({"predict", data() / "test/fake/1.png", "-m", run(), "--json", "--out", at("judged"), "--maps", "hirescam"});
  ASSERT_EQ(predicted.exit_code, 0) << predicted.err;
  const json line = json::parse(predicted.out);
  EXPECT_TRUE(line.contains("map"));
  std::ifstream csv(run() / "predictions_test.csv");
  std::string row;
  while (std::getline(csv, row) && !row.starts_with("test/fake/1.png,")) continue;
  ASSERT_FALSE(row.empty());
  EXPECT_NEAR(line.at("logits").at(1).get<double>(), std::stod(row.substr(row.rfind(',') + 1)), 1e-5);
  expect_closed(bytes_of(at("judged") / "index.html"));
}

TEST_F(ResidualCommands, EveryMethodExplains) {
  std::set<std::string> seen;
  for (const char* method : {"saliency", "smoothgrad", "ig", "guided", "gradcam", "gradcam++", "hirescam", "layercam", "eigencam"}) {
    SCOPED_TRACE(method);
    const json index = json_of({"explain", data() / "test/fake/1.png", "-m", run(), "--method", method, "--class", "predicted", "--json", "--out", at(std::string("maps-") + method)});
    const json& map = index.at("maps").at(0);
    EXPECT_FALSE(map.contains("error")) << map;
    EXPECT_TRUE(map.at("max").is_number());
    const std::string array = bytes_of(at(std::string("maps-") + method) / map.at("npy").get<std::string>());
    if (!map.at("empty").get<bool>()) {
      EXPECT_TRUE(seen.insert(array).second) << "the same map as another method's";
    }
    // Completeness holds wherever the input is smooth: the residual is computed before the network, so it must here too.
    if (std::string(method) == "ig") {
      EXPECT_LT(std::abs(map.at("completeness").at("gap").get<double>()), 0.01 + 0.05 * std::abs(map["completeness"]["score_difference"].get<double>()));
    }
  }
  EXPECT_GE(seen.size(), 6u);
}

TEST_F(ResidualCommands, TheReportAndTheFiguresAreMade) {
  const std::string page = bytes_of(run() / "report.html");
  expect_closed(page);
  EXPECT_THAT(page, HasSubstr("What it looks at"));
  EXPECT_THAT(page, HasSubstr("residual"));
  const CommandResult again = run_sepia({"report", run()});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(bytes_of(run() / "report.html"), page);
  for (const char* figure : {"grid36", "means", "overlays"}) {
    EXPECT_EQ(run_sepia({"explain", "-m", run(), "--data", data(), "--figure", figure, "--method", "layercam", "--out", at(figure)}).exit_code, 0) << figure;
  }
}

}  // namespace
}  // namespace sepia::test
