// sepia convert as a user runs it: what it says, what it refuses and with which code.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <functional>
#include <nlohmann/json.hpp>

#include "engine/io/safetensors.h"
#include "engine/io/weights.h"
#include "models/model.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class ConvertCommandTest : public ::testing::Test {
 protected:
  /// edgenet's weights under other names, as a file without sepia's metadata.
  std::string write_edgenet(const std::string& name, const std::string& prefix, const std::string& left_out = "") {
    const auto module = models::make_model(models::default_spec("edgenet"));
    module->place(kCpuDevice, DType::kF32, 5);
    std::vector<FileTensor> tensors = state_dict(*module, prefix);
    std::erase_if(tensors, [&](const FileTensor& tensor) { return !left_out.empty() && tensor.name.starts_with(prefix + left_out); });
    SafetensorsWriter writer;
    add_tensors(writer, tensors);
    writer.write(folder_ / name);
    return (folder_ / name).string();
  }
  std::string out(const std::string& name) const { return (folder_ / name).string(); }

  TemporaryFolder folder_;
};

TEST_F(ConvertCommandTest, PrefixesGoAndTheResultLoadsEverywhere) {
  const std::string in = write_edgenet("in.safetensors", "module.net.");
  const CommandResult done = run_sepia({"convert", in, out("w.safetensors"), "--arch", "edgenet"});
  ASSERT_EQ(done.exit_code, 0) << done.err;
  EXPECT_THAT(done.out, HasSubstr("33 tensors loaded, 0 missing, 0 unexpected"));
  EXPECT_THAT(done.out, HasSubstr("edgenet, 64,066 parameters, 2 outputs, pytorch numerics, sha256 "));
  EXPECT_EQ(run_sepia({"summary", out("w.safetensors")}).exit_code, 0);
  const CommandResult again = run_sepia({"convert", in, out("w.safetensors"), "--arch", "edgenet"});
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("exists already"));
}

TEST_F(ConvertCommandTest, LabelOrderSwapsTheOutputs) {
  const std::string in = write_edgenet("in.safetensors", "");
  ASSERT_EQ(run_sepia({"convert", in, out("a.safetensors"), "--arch", "edgenet"}).exit_code, 0);
  ASSERT_EQ(run_sepia({"convert", in, out("b.safetensors"), "--arch", "edgenet", "--label-order", "fake,real"}).exit_code, 0);
  const SafetensorsFile a = SafetensorsFile::open(out("a.safetensors")), b = SafetensorsFile::open(out("b.safetensors"));
  for (const TensorEntry& entry : a.entries()) {
    const auto before = a.data(entry), after = b.data(*b.find(entry.name));
    const std::size_t half = entry.name.starts_with("fc2.") ? before.size() / 2 : 0;
    std::vector<std::byte> expected(before.begin(), before.end());
    std::rotate(expected.begin(), expected.begin() + static_cast<std::ptrdiff_t>(half), expected.end());
    EXPECT_TRUE(std::equal(after.begin(), after.end(), expected.begin(), expected.end())) << entry.name;
  }
}

TEST_F(ConvertCommandTest, WhatIsMissingIsNamedUnlessItIsANewHead) {
  const std::string headless = write_edgenet("headless.safetensors", "", "fc");
  const CommandResult refused = run_sepia({"convert", headless, out("w.safetensors"), "--arch", "edgenet"});
  EXPECT_EQ(refused.exit_code, 3);
  EXPECT_THAT(refused.err, HasSubstr("4 missing (fc1.weight, fc1.bias, fc2.weight, fc2.bias)"));
  EXPECT_FALSE(fs::exists(out("w.safetensors")));
  const CommandResult json = run_sepia({"convert", headless, out("w.safetensors"), "--arch", "edgenet", "--new-head", "--classes", "3", "--json"});
  ASSERT_EQ(json.exit_code, 0) << json.err;
  const auto report = nlohmann::json::parse(json.out);
  EXPECT_EQ(report.at("classes"), 3);
  EXPECT_EQ(report.at("missing").size(), 4U);
  EXPECT_EQ(report.at("loaded"), 29);
  const std::string stemless = write_edgenet("stemless.safetensors", "", "stem");
  EXPECT_EQ(run_sepia({"convert", stemless, out("v.safetensors"), "--arch", "edgenet", "--new-head"}).exit_code, 3);
}

TEST_F(ConvertCommandTest, OtherClassesThanTwoArePredictedByNumber) {
  write_small_dataset(folder_ / "data", {.train = 1, .val = 1, .test = 1});
  const std::string picture = folder_ / "data" / "test" / "real" / "0.png", weights = out("seven.safetensors");
  const std::string headless = write_edgenet("headless.safetensors", "", "fc");
  ASSERT_EQ(run_sepia({"convert", headless, weights, "--arch", "edgenet", "--new-head", "--classes", "7"}).exit_code, 0);
  const CommandResult said = run_sepia({"predict", picture, "-m", weights, "--image-size", "32", "--json"});
  ASSERT_EQ(said.exit_code, 0) << said.err;
  const auto line = nlohmann::json::parse(said.out);
  const std::vector<double> logits = line.at("logits");
  ASSERT_EQ(logits.size(), 7U);
  ASSERT_EQ(line.at("top").size(), 5U);
  double sum = 0;
  for (const double logit : logits) sum += std::exp(logit);
  std::vector<double> sorted = logits;
  std::ranges::sort(sorted, std::greater());
  for (std::size_t i = 0; i < 5; ++i) {
    const double logit = logits.at(line["top"][i]["class"].get<std::size_t>());
    EXPECT_EQ(logit, sorted[i]);
    EXPECT_NEAR(line["top"][i]["prob"].get<double>(), std::exp(logit) / sum, 1e-12);
  }
  const std::string best = std::to_string(line["top"][0]["class"].get<int>()) + " 0.";
  EXPECT_THAT(run_sepia({"predict", picture, "-m", weights, "--image-size", "32"}).out, StartsWith(best));
  EXPECT_EQ(run_sepia({"predict", picture, "-m", weights, "--out", out("answer")}).exit_code, 2);
  EXPECT_FALSE(fs::exists(out("answer")));
}

TEST_F(ConvertCommandTest, UsageErrors) {
  const std::string in = write_edgenet("in.safetensors", "");
  EXPECT_EQ(run_sepia({"convert", in, out("w.pth"), "--arch", "edgenet"}).exit_code, 2);
  EXPECT_EQ(run_sepia({"convert", in, out("w.safetensors")}).exit_code, 2);
  EXPECT_EQ(run_sepia({"convert", in, out("w.safetensors"), "--arch", "edgnet"}).exit_code, 2);
  EXPECT_EQ(run_sepia({"convert", in, out("w.safetensors"), "--arch", "edgenet", "--numerics", "keras"}).exit_code, 2);
  EXPECT_EQ(run_sepia({"convert", in, out("w.safetensors"), "--arch", "edgenet", "--classes", "3"}).exit_code, 3);
  EXPECT_EQ(run_sepia({"convert", out("none.pth"), out("w.safetensors"), "--arch", "edgenet"}).exit_code, 4);
}

}  // namespace
}  // namespace sepia::test
