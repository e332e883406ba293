// sepia summary: counts that are known exactly, and costs worked out by hand.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run_command.h"

namespace sepia::test {
namespace {

using ::testing::HasSubstr;

nlohmann::json summary_of(std::vector<std::string> arguments) {
  arguments.insert(arguments.begin(), "summary");
  arguments.push_back("--json");
  const CommandResult result = run_sepia(arguments);
  EXPECT_EQ(result.exit_code, 0) << result.err;
  return nlohmann::json::parse(result.out);
}

const nlohmann::json& layer(const nlohmann::json& summary, const std::string& name) {
  for (const auto& row : summary.at("layers")) {
    if (row.at("name") == name) return row;
  }
  throw std::runtime_error("no layer " + name);
}

TEST(Summary, CountsOfTheDocument) {
  EXPECT_EQ(summary_of({"simplenet"}).at("total_params"), 16901762);
  EXPECT_EQ(summary_of({"edgenet"}).at("total_params"), 64066);
  EXPECT_EQ(summary_of({"xception"}).at("total_params"), 22855952);
  EXPECT_EQ(summary_of({"xception", "--classes", "2"}).at("total_params"), 20811050);
  const auto based = summary_of({"xception_based", "--diff", "xception"});
  EXPECT_EQ(based.at("total_params"), 23128786);
  EXPECT_EQ(based.at("diff").at("params_difference"), 272834);
}

TEST(Summary, LayersOfEdgenet) {
  const auto summary = summary_of({"edgenet"});
  EXPECT_EQ(summary.at("input_shape"), nlohmann::json({1, 256, 256, 3}));
  EXPECT_EQ(summary.at("trainable_params"), 64066);
  const auto& stem = layer(summary, "stem");
  EXPECT_EQ(stem.at("type"), "Conv2d");
  EXPECT_EQ(stem.at("stage"), "stem");
  EXPECT_EQ(stem.at("output_shape"), nlohmann::json({1, 128, 128, 32}));
  EXPECT_EQ(stem.at("params"), 3 * 3 * 3 * 32 + 32);
  EXPECT_EQ(stem.at("flops"), 128 * 128 * 32 * (2 * 27 + 1));  // 2 per multiply-add, 1 for the bias
  EXPECT_EQ(stem.at("activation_bytes"), 128 * 128 * 32 * 4);
  const auto& depthwise = layer(summary, "blocks.1.depthwise");
  EXPECT_EQ(depthwise.at("stage"), "blocks.1");
  EXPECT_EQ(depthwise.at("flops"), 32 * 32 * 64 * (2 * 9 + 1));
  EXPECT_EQ(layer(summary, "fc2").at("stage"), "head");

  std::int64_t params = 0, flops = 0, bytes = 0;
  for (const auto& row : summary.at("layers")) {
    params += row.at("params").get<std::int64_t>();
    flops += row.at("flops").get<std::int64_t>();
    bytes += row.at("activation_bytes").get<std::int64_t>();
  }
  EXPECT_EQ(params, summary.at("total_params"));
  EXPECT_EQ(flops, summary.at("total_flops"));
  EXPECT_EQ(bytes, summary.at("total_activation_bytes"));
}

TEST(Summary, TellsTheMemoryOfATrainingStep) {
  const auto small = summary_of({"edgenet", "--image-size", "96", "--batch-size", "4"}).at("training_memory");
  EXPECT_EQ(small.at("batch"), 4);
  EXPECT_EQ(small.at("total_bytes"), small.at("state_bytes").get<std::int64_t>() + small.at("step_bytes").get<std::int64_t>());
  EXPECT_GE(small.at("state_bytes"), 16 * 64066) << "weights, gradients and two moments in float";
  // The stem's output and its gradient are there at the same time.
  EXPECT_GE(small.at("step_bytes"), 2 * 4 * 48 * 48 * 32 * 4);
  const auto large = summary_of({"edgenet", "--image-size", "96", "--batch-size", "40"}).at("training_memory");
  EXPECT_EQ(large.at("state_bytes"), small.at("state_bytes"));
  EXPECT_NEAR(large.at("step_bytes").get<double>() / small.at("step_bytes").get<double>(), 10, 0.5);

  const auto imagenet = summary_of({"xception"});
  EXPECT_TRUE(imagenet.at("training_memory").is_null());
  EXPECT_NE(imagenet.at("training_memory_reason").get<std::string>().find("1000"), std::string::npos);
}

TEST(Summary, FollowsImageSizeAndClasses) {
  const auto small = summary_of({"simplenet", "--image-size", "64", "--classes", "5"});
  // 64 -> 58/2 = 29 -> 23/2 = 11 -> 5/2 = 2: fc1 takes 24 * 2 * 2.
  EXPECT_EQ(layer(small, "fc1").at("params"), 24 * 2 * 2 * 1024 + 1024);
  EXPECT_EQ(layer(small, "fc3").at("params"), 256 * 5 + 5);
}

TEST(Summary, Differences) {
  const auto summary = summary_of({"simplenet", "--diff", "edgenet"});
  EXPECT_EQ(summary.at("diff").at("params_difference"), 16901762 - 64066);
  const CommandResult text = run_sepia({"summary", "simplenet", "--diff", "edgenet"});
  EXPECT_THAT(text.out, HasSubstr("simplenet - edgenet = +16,837,696\n"));
  EXPECT_THAT(run_sepia({"summary", "edgenet"}).out, HasSubstr("64,066 parameters"));
}

TEST(Summary, RefusesWhatIsNotThere) {
  const CommandResult unknown = run_sepia({"summary", "resnet"});
  EXPECT_EQ(unknown.exit_code, 2);
  EXPECT_THAT(unknown.err, HasSubstr("networks: simplenet, edgenet"));
  EXPECT_THAT(run_sepia({"summary", "edgnet"}).err, HasSubstr("did you mean 'edgenet'?"));
  EXPECT_EQ(run_sepia({"summary", "no/such/run"}).exit_code, 4);
  EXPECT_EQ(run_sepia({"summary", "simplenet", "--image-size", "40"}).exit_code, 2);
  EXPECT_EQ(run_sepia({"summary", "edgenet", "--classes", "-1"}).exit_code, 2);
  EXPECT_EQ(run_sepia({"summary"}).exit_code, 2);
}

}  // namespace
}  // namespace sepia::test
