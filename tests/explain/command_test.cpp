// sepia explain as a process: files, index, figures, checks and refusals.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstring>
#include <fstream>
#include <memory>
#include <nlohmann/json.hpp>

#include "tests/support/trained_run.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

class ExplainCommand : public TrainedRun {
 protected:
  static void SetUpTestSuite() { train({.train = 12, .val = 4, .test = 4}, {"--epochs", "4"}); }

  static json explained(std::vector<std::string> words, int exit_code = 0) {
    words.insert(words.begin(), "explain");
    words.insert(words.end(), {"-m", run(), "--json"});
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, exit_code) << result.err;
    return json::parse(result.out);
  }
  static void expect_failure(std::vector<std::string> words, int code, const std::string& part) {
    words.insert(words.begin(), "explain");
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr("error: "));
    EXPECT_THAT(result.err, HasSubstr(part));
  }

  /// The values of a .npy file of 32x32 floats.
  static std::vector<float> array(const fs::path& path) {
    std::ifstream in(path, std::ios::binary);
    std::string bytes{std::istreambuf_iterator<char>(in), {}};
    EXPECT_EQ(bytes.substr(0, 8), std::string("\x93NUMPY\x01\x00", 8));
    EXPECT_THAT(bytes.substr(0, 128), HasSubstr("{'descr': '<f4', 'fortran_order': False, 'shape': (32, 32), }"));
    std::vector<float> values(32 * 32);
    EXPECT_EQ(bytes.size(), 128 + sizeof(float) * values.size());
    std::memcpy(values.data(), bytes.data() + 128, sizeof(float) * values.size());
    return values;
  }
};

TEST_F(ExplainCommand, WritesMapsAndAnIndexThatAgree) {
  const fs::path real = data() / "test/real/0.png", fake = data() / "test/fake/0.png";
  fs::copy_file(real, at("alone.png"), fs::copy_options::overwrite_existing);
  // The numbering of the small data set differs between classes: copy one so that two stems are alike.
  fs::create_directories(at("other"));
  fs::copy_file(fake, at("other") / "alone.png", fs::copy_options::overwrite_existing);
  const json index = explained({at("alone.png"), at("other") / "alone.png", "--method", "ig", "--curves", "--out", at("ig")});
  ASSERT_EQ(index.at("maps").size(), 2u);
  EXPECT_EQ(index, json::parse(std::ifstream(at("ig") / "index.json")));
  EXPECT_EQ(index["maps"][1]["npy"], "other_alone.ig.npy");
  for (const json& map : index["maps"]) {
    EXPECT_EQ(map.at("class"), "fake");
    EXPECT_EQ(map.at("layer"), nullptr);
    const std::vector<float> values = array(at("ig") / map.at("npy").get<std::string>());
    EXPECT_FLOAT_EQ(*std::ranges::min_element(values), map.at("min").get<float>());
    EXPECT_FLOAT_EQ(*std::ranges::max_element(values), map.at("max").get<float>());
    double sum = 0;
    for (const float v : values) sum += v;
    const json& gap = map.at("completeness");
    EXPECT_NEAR(sum, gap.at("score_difference").get<double>() + gap.at("gap").get<double>(), 1e-3);
    EXPECT_LT(gap.at("relative_gap").get<double>(), 0.05);  // a network that has hardly learned: the difference is small
    EXPECT_TRUE(fs::exists(at("ig") / map.at("png").get<std::string>()));
    EXPECT_GE(map.at("curves").at("insertion_auc").get<double>(), 0);
  }
}

TEST_F(ExplainCommand, NamesBadFilesAndGoesOn) {
  std::ofstream(at("bad.png")) << "no picture";
  const json index = explained({at("bad.png"), data() / "test/fake/0.png", "--out", at("bad")});
  EXPECT_THAT(index["maps"][0]["error"].get<std::string>(), HasSubstr("bad.png"));
  EXPECT_EQ(index["maps"][1]["layer"], "blocks.2");
  explained({at("bad.png"), data() / "test/fake/0.png", "--strict", "--out", at("strict")}, 3);
}

TEST_F(ExplainCommand, DrawsTheFigures) {
  const json grid = explained({"--data", data(), "--figure", "grid36", "--method", "saliency", "--out", at("grid")});
  EXPECT_EQ(grid.at("maps").size(), 8u);  // the split holds no more
  const json means = explained({"--data", data(), "--figure", "means", "--method", "saliency", "--out", at("means")});
  for (const char* label : {"real", "fake"}) {
    EXPECT_EQ(means.at(label).at("maps"), 4);
    EXPECT_TRUE(means.at(label).at("period_px").is_number());
    EXPECT_TRUE(means.at(label).at("control").contains("hotspots"));
    EXPECT_EQ(array(at("means") / means.at(label).at("npy").get<std::string>()).size(), 1024u);
  }
  const json overlays = explained({"--data", data(), "--figure", "overlays", "--class", "predicted", "--out", at("overlays")});
  EXPECT_EQ(overlays.at("maps").size(), 6u);
  for (const json& figure : {grid, means, overlays}) {
    for (const json& file : figure.at("files")) {
      EXPECT_TRUE(fs::exists(at("grid") / file.get<std::string>()) || fs::exists(at("means") / file.get<std::string>()) || fs::exists(at("overlays") / file.get<std::string>()));
    }
  }
}

TEST_F(ExplainCommand, ChecksAMethodAndSaysSoByItsExitCode) {
  const CommandResult result = run_sepia({"explain", "-m", run(), "--data", data(), "--sanity", "--method", "saliency", "--pictures", "6", "--json", "--out", at("sanity")});
  const json check = json::parse(result.out);
  EXPECT_EQ(result.exit_code, check.at("passes") ? 0 : 1) << result.err;
  EXPECT_EQ(check.at("passes").get<bool>(), check.at("rank_correlation").get<double>() < check.at("limit").get<double>());
  ASSERT_EQ(check.at("steps").size(), 6u);
  EXPECT_EQ(check.at("steps")[0].at("layer"), "fc2");
  EXPECT_EQ(check.at("from_layer"), "blocks.2");
  EXPECT_GE(check.at("rank_correlation"), check.at("steps")[2].at("rank_correlation"));
  EXPECT_TRUE(fs::exists(at("sanity") / "sanity.saliency.png"));
}

TEST_F(ExplainCommand, RefusesWhatItCannotDo) {
  const std::string picture = data() / "test/fake/0.png", model = run();
  expect_failure({picture, "-m", model, "--out", at("x"), "--method", "lime"}, 2, "there is no method 'lime'; methods: saliency");
  expect_failure({picture, "-m", model, "--out", at("x"), "--layer", "blocks.9"}, 2, "blocks.2");
  expect_failure({picture, "-m", model, "--out", at("y"), "--layer", "fc1"}, 2, "convolutional");
  expect_failure({picture, "-m", model, "--out", at("z"), "--class", "true"}, 2, "no label");
  expect_failure({"-m", model, "--out", at("z")}, 2, "what is to be explained?");
  expect_failure({"-m", model, "--data", data(), "--out", at("z")}, 2, "--figure grid36");
  expect_failure({picture, "-m", model}, 2, "--out");
  expect_failure({picture, "-m", at("nowhere.safetensors"), "--out", at("q")}, 4, "nowhere");
  expect_failure({at("nothing.png"), "-m", model, "--out", at("q")}, 4, "nothing.png");
}

}  // namespace
}  // namespace sepia::test
