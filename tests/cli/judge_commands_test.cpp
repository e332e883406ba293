// sepia eval and sepia predict as processes, on one trained model: what they say, that they agree, and what they refuse.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>
#include <sstream>
#include <string>
#include <vector>

#include "engine/base/csv.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "tests/support/trained_run.h"
#include "tests/tools/closed_page.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

std::vector<std::string> lines_of(const std::string& text) {
  std::vector<std::string> lines;
  std::istringstream in(text);
  for (std::string line; std::getline(in, line);) lines.push_back(line);
  return lines;
}

/// A model that really tells the stripes apart, trained once for all tests.
class JudgeCommands : public TrainedRun {
 protected:
  static void SetUpTestSuite() { train({.train = 16, .val = 6, .test = 6}, {"--epochs", "6"}); }

  static json eval_json(std::vector<std::string> more = {}) {
    std::vector<std::string> words = {"eval", run(), "--data", data(), "--json"};
    words.insert(words.end(), more.begin(), more.end());
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return json::parse(result.out);
  }

  static std::vector<json> predict_json(std::vector<std::string> words, int exit_code = 0) {
    words.insert(words.begin(), "predict");
    words.insert(words.end(), {"-m", run(), "--json"});
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    std::vector<json> lines;
    for (const std::string& line : lines_of(result.out)) lines.push_back(json::parse(line));
    return lines;
  }
};

TEST_F(JudgeCommands, EvalAgreesWithACountOverThePredictions) {
  const json result = eval_json();
  int n = 0, right = 0, fakes_called_fake = 0;
  double loss = 0;
  std::vector<std::pair<double, bool>> scores;  // difference of the logits, is fake
  const std::vector<std::string> lines = lines_of(bytes_of(run() / "predictions_test.csv"));
  ASSERT_EQ(lines.front(), "path,label,prob_fake,logit_real,logit_fake");
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = csv_fields_of(lines[i]);
    ASSERT_EQ(fields.size(), 5U);
    const bool fake = fields[1] == "fake";
    const double difference = std::stod(fields[4]) - std::stod(fields[3]);
    EXPECT_NEAR(std::stod(fields[2]), 1 / (1 + std::exp(-difference)), 1e-12);
    ++n;
    right += (difference > 0) == fake;
    fakes_called_fake += fake && difference > 0;
    loss += std::log1p(std::exp(fake ? -difference : difference));
    scores.emplace_back(difference, fake);
  }
  double pairs = 0, wins = 0;
  for (const auto& [a, a_fake] : scores) {
    for (const auto& [b, b_fake] : scores) {
      if (!a_fake || b_fake) continue;
      ++pairs;
      wins += a > b ? 1 : a == b ? 0.5 : 0;
    }
  }
  EXPECT_EQ(result.at("n"), n);
  EXPECT_DOUBLE_EQ(result.at("accuracy").get<double>(), static_cast<double>(right) / n);
  EXPECT_NEAR(result.at("loss").get<double>(), loss / n, 1e-12);
  EXPECT_DOUBLE_EQ(result.at("auc").get<double>(), wins / pairs);
  EXPECT_EQ(result.at("auc_first_score").get<double>() + result.at("auc_second_score").get<double>(), 1.0);
  EXPECT_EQ(result.at("confusion").at(1).at(1), fakes_called_fake);
  EXPECT_EQ(result.at("positive"), "fake");
  EXPECT_EQ(result.at("split"), "test");
  EXPECT_GT(result.at("auc").get<double>(), 0.9) << "stripes are easy";
}

TEST_F(JudgeCommands, EvalDoesNotDependOnBatchOrThreads) {
  const json result = eval_json();
  EXPECT_EQ(eval_json({"--workers", "0", "--threads", "1"}), result);
  EXPECT_NEAR(eval_json({"-b", "5"}).at("loss").get<double>(), result.at("loss").get<double>(), 1e-6);
}

TEST_F(JudgeCommands, EvalSaysWhyAFigureIsMissing) {
  const fs::path one_class = at("one-class");
  fs::create_directories(one_class / "test");
  fs::copy(data() / "test/real", one_class / "test/real", fs::copy_options::recursive);
  const CommandResult result = run_sepia({"eval", run(), "--data", one_class, "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json figures = json::parse(result.out);
  EXPECT_TRUE(figures.at("auc").is_null());
  EXPECT_TRUE(figures.at("auc_reason").is_string());
  EXPECT_TRUE(figures.at("accuracy").is_number());
}

TEST_F(JudgeCommands, EvalRefuses) {
  expect_refusal({"eval", "edgenet", "--data", data()}, 2, "without weights");
  expect_refusal({"eval", at("nothing"), "--data", data()}, 4, "nothing");
  expect_refusal({"eval", run(), "--data", at("nothing")}, 4, "nothing");
  expect_refusal({"eval", run()}, 2, "--data");
  expect_refusal({"eval", run(), "--data", data(), "--threshold", "1.5"}, 2, "--threshold 1.5: must be a number from 0 to 1");
  expect_refusal({"eval", run(), "--data", data(), "--batch-size", "-1"}, 2, "--batch-size -1: must be");
  expect_refusal({"eval", run(), "--data", data(), "--arch", "simplenet"}, 3, "edgenet");
  const std::string whole = bytes_of(run() / "best.safetensors");
  std::ofstream(at("cut.safetensors"), std::ios::binary) << whole.substr(0, whole.size() - 100);
  expect_refusal({"eval", at("cut.safetensors"), "--data", data()}, 3, "cut.safetensors");
  fs::create_directories(at("used"));
  std::ofstream(at("used/file")) << "x";
  expect_refusal({"eval", run(), "--data", data(), "--out", at("used")}, 2, "is in use");
}

TEST_F(JudgeCommands, PredictAgreesWithEvalAndNamesFilesInOrder) {
  const std::vector<json> lines = predict_json({data() / "test/fake/3.png", data() / "test/real"});
  ASSERT_EQ(lines.size(), 7U);
  EXPECT_EQ(lines[0].at("path"), (data() / "test/fake/3.png").string());
  for (std::size_t i = 2; i < lines.size(); ++i) EXPECT_LT(lines[i - 1].at("path").get<std::string>(), lines[i].at("path").get<std::string>());
  std::vector<std::string> csv;
  for (const std::string& line : lines_of(bytes_of(run() / "predictions_test.csv"))) csv.push_back(line);
  for (const json& line : lines) {
    const std::string path = line.at("path");
    EXPECT_EQ(line.at("sha256"), sha256_hex(read_file(path, 1 << 20)));
    EXPECT_EQ(line.at("label"), line.at("prob_fake") > 0.5 ? "fake" : "real");
    EXPECT_NEAR(line.at("prob_real").get<double>() + line.at("prob_fake").get<double>(), 1.0, 1e-12);
    const std::string relative = fs::relative(path, data()).generic_string();
    const auto row = std::find_if(csv.begin(), csv.end(), [&](const std::string& text) { return text.starts_with(relative + ","); });
    ASSERT_NE(row, csv.end()) << relative;
    const std::vector<std::string> fields = csv_fields_of(*row);
    EXPECT_NEAR(line.at("logits").at(0).get<double>(), std::stod(fields[3]), 1e-5);
    EXPECT_NEAR(line.at("logits").at(1).get<double>(), std::stod(fields[4]), 1e-5);
  }
}

TEST_F(JudgeCommands, PredictNamesBadFilesAndGoesOn) {
  const fs::path album = at("album");
  fs::create_directories(album / "deeper");
  fs::copy(data() / "test/real/0.png", album / "=1+1,\"<script>.png");
  fs::copy(data() / "test/real/1.png", album / "deeper/1.png");
  std::ofstream(album / "empty.png");
  const std::string good = bytes_of(data() / "test/real/0.png");
  std::ofstream(album / "short.png", std::ios::binary) << good.substr(0, good.size() / 2);

  const std::vector<json> lines = predict_json({album});
  ASSERT_EQ(lines.size(), 3U);
  int errors = 0;
  for (const json& line : lines) errors += line.contains("error");
  EXPECT_EQ(errors, 2);
  EXPECT_EQ(predict_json({album, "-r"}).size(), 4U);
  EXPECT_EQ(predict_json({album, "--strict"}, 3).size(), 3U);

  const CommandResult written = run_sepia({"predict", "=1+1,\"<script>.png", "empty.png", "-m", run(), "--out", at("answer")}, album);
  ASSERT_EQ(written.exit_code, 0) << written.err;
  EXPECT_THAT(written.err, HasSubstr("1 of 2 pictures could not be judged"));
  const std::string page = bytes_of(at("answer/index.html"));
  EXPECT_EQ(page.find("<script>.png"), std::string::npos) << "a file name must not become markup";
  EXPECT_NE(page.find("&lt;script&gt;.png"), std::string::npos);
  const std::vector<std::string> csv = lines_of(bytes_of(at("answer/predictions.csv")));
  EXPECT_EQ(csv_fields_of(csv.at(1)).front(), "=1+1,\"<script>.png");
  EXPECT_THAT(csv.at(1), ::testing::StartsWith("\"'=1+1")) << "a spreadsheet must not take a file name for a formula";
}

/// Differences of the logits and labels of a predictions file.
std::vector<std::pair<double, bool>> scores_of(const fs::path& csv) {
  std::vector<std::pair<double, bool>> scores;
  const std::vector<std::string> lines = lines_of(bytes_of(csv));
  for (std::size_t i = 1; i < lines.size(); ++i) {
    const std::vector<std::string> fields = csv_fields_of(lines[i]);
    scores.emplace_back(std::stod(fields[4]) - std::stod(fields[3]), fields[1] == "fake");
  }
  return scores;
}

/// [[tn, fp], [fn, tp]] of calling fake what lies above.
json counted(const std::vector<std::pair<double, bool>>& scores, double border) {
  int counts[2][2] = {};
  for (const auto& [score, fake] : scores) ++counts[fake][score > border];
  return {{counts[0][0], counts[0][1]}, {counts[1][0], counts[1][1]}};
}

TEST_F(JudgeCommands, AThresholdIsChosenOnValAndMeasuredOnTest) {
  eval_json({"--split", "val", "-b", "8", "--out", at("val-scores")});
  const auto val = scores_of(at("val-scores/predictions_val.csv")), test = scores_of(run() / "predictions_test.csv");
  double best = -1;
  for (const auto& [border, ignored] : val) {
    const json c = counted(val, border - 1e-9);
    best = std::max(best, c[1][1].get<double>() / 6 - c[0][1].get<double>() / 6);
  }
  const json result = eval_json({"--threshold", "val:youden", "-b", "8"});
  const double threshold = result.at("threshold"), border = std::log(threshold / (1 - threshold));
  const json on_val = result.at("threshold_chosen_on");
  EXPECT_EQ(on_val.at("split"), "val");
  EXPECT_EQ(on_val.at("confusion"), counted(val, border));
  EXPECT_NEAR(on_val["confusion"][1][1].get<double>() / 6 - on_val["confusion"][0][1].get<double>() / 6, best, 1e-12) << "no cut of val has a larger TPR - FPR";
  EXPECT_EQ(result.at("threshold_rule"), "val:youden");
  EXPECT_EQ(result.at("confusion"), counted(test, border));
  EXPECT_EQ(result.at("n"), 12);

  const json stored = eval_json({"--threshold", "stored:youden", "-b", "8"});
  EXPECT_EQ(stored.at("threshold"), threshold) << "the training saw the same val split through the same weights";
  EXPECT_EQ(stored.at("confusion"), result.at("confusion"));
  const json metrics = json::parse(bytes_of(run() / "metrics.json"));
  ASSERT_EQ(metrics.at("thresholds").size(), 4U);
  EXPECT_EQ(metrics["thresholds"][0]["rule"], "youden");
  EXPECT_EQ(metrics["thresholds"][0]["threshold"], threshold);
  EXPECT_EQ(metrics["thresholds"][0]["test"]["accuracy"], result.at("accuracy"));
  EXPECT_NE(bytes_of(run() / "report.html").find("Thresholds chosen on val, measured on test"), std::string::npos);

  const json line = predict_json({data() / "test/fake/3.png", "--threshold", "stored:youden"}).at(0);
  EXPECT_EQ(line.at("label"), line.at("prob_fake") > threshold ? "fake" : "real");
  EXPECT_EQ(predict_json({data() / "test/real/3.png", "--threshold", "0"}).at(0).at("label"), "fake");
}

TEST_F(JudgeCommands, AThresholdNeedsSomethingToBeChosenOn) {
  const fs::path no_val = at("no-val"), one_class = at("one-class-val");
  fs::create_directories(no_val);
  fs::copy(data() / "test", no_val / "test", fs::copy_options::recursive);
  expect_refusal({"eval", run(), "--data", no_val, "--threshold", "val:eer"}, 3, "does not have");
  fs::create_directories(one_class / "val");
  fs::copy(data() / "test", one_class / "test", fs::copy_options::recursive);
  fs::copy(data() / "val/fake", one_class / "val/fake", fs::copy_options::recursive);
  expect_refusal({"eval", run(), "--data", one_class, "--threshold", "val:eer"}, 3, "there are no real pictures");
  expect_refusal({"eval", run(), "--data", data(), "--threshold", "val:best"}, 2, "there is no rule 'best'");
  expect_refusal({"eval", run(), "--data", data(), "--threshold", "stored:fpr:0.2"}, 3, "stored are youden, eer, accuracy, fpr:0.01");
  expect_refusal({"eval", run() / "last.safetensors", "--data", data(), "--threshold", "stored:eer"}, 3, "finds no stored threshold");
  expect_refusal({"predict", data() / "test/real", "-m", run(), "--threshold", "val:eer"}, 2, "give a number, or stored:eer");
  expect_refusal({"predict", data() / "test/real", "-m", run(), "--threshold", "1.5"}, 2, "--threshold 1.5: must be");
}

TEST_F(JudgeCommands, APageOfPredictionsShowsMapsHashesAndErrors) {
  const fs::path album = at("suspects");
  fs::create_directories(album);
  fs::copy(data() / "test/real/0.png", album / "a&b <i>.png");
  fs::copy(data() / "test/fake/0.png", album / "c.png");
  std::ofstream(album / "broken.png") << "nothing";
  const CommandResult result = run_sepia({"predict", album, "-m", run(), "--out", at("judged"), "--maps", "gradcam", "--threshold", "stored:eer"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("chosen by eer; on val (6 real, 6 fake)"));
  const std::string page = bytes_of(at("judged/index.html"));
  expect_closed(page);
  EXPECT_EQ(occurrences(page, "<img src=\"data:image/jpeg"), 4) << "two pictures and their maps";
  for (const char* words : {"Grad-CAM at blocks.2 for the class that it was called", "map for ", "a&amp;b &lt;i&gt;.png", "chosen by eer; on val", "weights, SHA-256", "broken.png"}) {
    EXPECT_THAT(page, HasSubstr(words));
  }
  EXPECT_THAT(page, HasSubstr(sha256_hex(read_file(album / "c.png", 1 << 20))));
  EXPECT_THAT(page, HasSubstr(sha256_hex(read_file(run() / "best.safetensors", 1 << 24))));
  const json line = json::parse(lines_of(bytes_of(at("judged/predictions.jsonl"))).back());
  EXPECT_EQ(line.at("map").at("class"), line.at("label"));
  EXPECT_EQ(line.at("map").at("empty").get<bool>(), line.at("map").at("max") == 0);
  expect_refusal({"predict", album, "-m", run(), "--maps", "gradcam"}, 2, "add --out");
  expect_refusal({"predict", album, "-m", run(), "--maps", "lime", "--out", at("x")}, 2, "there is no method 'lime'");
}

TEST_F(JudgeCommands, PredictRefuses) {
  const std::string picture = data() / "test/real/0.png";
  expect_refusal({"predict", picture}, 2, "-m");
  expect_refusal({"predict", at("nothing.png"), "-m", run()}, 4, "nothing.png");
  expect_refusal({"predict", picture, "-m", at("nothing")}, 4, "nothing");
  expect_refusal({"predict", picture, "-m", "edgenet"}, 2, "without weights");
  expect_refusal({"predict", picture, "-m", run() / "config.json"}, 3, "config.json");
  fs::create_directories(at("no-pictures"));
  expect_refusal({"predict", at("no-pictures"), "-m", run()}, 3, "no-pictures");
}

}  // namespace
}  // namespace sepia::test
