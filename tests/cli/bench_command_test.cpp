// sepia bench as a user runs it: what machines read, what people read, and what it refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/run_command.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;

std::vector<std::string> small_bench(const std::vector<std::string>& more) {
  std::vector<std::string> words{"bench", "edgenet", "--image-size", "128", "--batch", "4", "--rounds", "5", "--device", "cpu"};
  words.insert(words.end(), more.begin(), more.end());
  return words;
}

TEST(BenchCommand, JsonHoldsWhatWasAskedForAndAddsUp) {
  const CommandResult result = run_sepia(small_bench({"--json", "--threads", "1"}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json bench = json::parse(result.out);
  EXPECT_EQ(bench.at("model"), "edgenet");
  EXPECT_EQ(bench.at("batch"), 4);
  EXPECT_EQ(bench.at("precision"), "fp32");
  EXPECT_EQ(bench.at("threads"), 1);
  for (const char* positive : {"train_step_s", "infer_s", "peak_rss_mib", "copy_gbps", "gemm_gflops", "train_images_per_s", "arena_mib"}) {
    EXPECT_GT(bench.at(positive).get<double>(), 0) << positive;
  }

  double train = 0, infer = 0;
  for (const auto& [name, seconds] : bench.at("train_outside").items()) train += seconds.get<double>();
  for (const auto& [name, seconds] : bench.at("infer_outside").items()) infer += seconds.get<double>();
  const json summary = json::parse(run_sepia({"summary", "edgenet", "--image-size", "128", "--json"}).out);
  ASSERT_EQ(bench.at("layers").size(), summary.at("layers").size());
  for (std::size_t i = 0; i < summary.at("layers").size(); ++i) {
    const json &layer = bench.at("layers").at(i), &known = summary.at("layers").at(i);
    for (const char* same : {"name", "type", "params", "flops", "activation_bytes"}) EXPECT_EQ(layer.at(same), known.at(same)) << same << " of layer " << i;
    train += layer.at("forward_s").get<double>() + layer.at("backward_s").get<double>();
    infer += layer.at("infer_s").get<double>();
    if (layer.at("params") > 0 && layer.at("type") != "BatchNorm2d") {
      EXPECT_EQ(layer.at("forward_flops").get<double>(), 4 * known.at("flops").get<double>());
      EXPECT_GT(layer.at("backward_s").get<double>(), 0);
      EXPECT_GT(layer.at("backward_share_of_ceiling").get<double>(), 0);
    }
    if (layer.at("type") == "DepthwiseConv2d") {
      EXPECT_TRUE(layer.at("infer_share_of_ceiling").is_null());
      EXPECT_THAT(layer.at("infer_share_of_ceiling_reason"), HasSubstr("the next layer carries it out"));
    }
    if (layer.at("type") == "ReLU") {
      EXPECT_TRUE(layer.at("forward_share_of_ceiling").is_null());
      EXPECT_THAT(layer.at("forward_share_of_ceiling_reason"), HasSubstr("next layer"));
    }
  }
  // Within one round the parts add up exactly (LayerClock's test). Of their medians that cannot be asked on a machine that does other
  // things too: its interruptions hit whole steps, but seldom the same layer.
  const json& train_range = bench.at("train_step_range_s");
  const double infer_layers = bench.at("infer_layers_s").get<double>();
  EXPECT_EQ(bench.at("infer_depth_first"), true);
  EXPECT_GT(train, 0.1 * train_range.at(0).get<double>());
  EXPECT_LT(train, 1.5 * train_range.at(1).get<double>());
  EXPECT_GT(infer, 0.1 * infer_layers);
  EXPECT_LT(infer, 5 * infer_layers);
}

TEST(BenchCommand, PeopleReadATableAndAChart) {
  const TemporaryFolder folder;
  const fs::path out = folder / "speed";
  const CommandResult result = run_sepia(small_bench({"--out", out.string()}));
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* part : {"edgenet, batch 4 of 128x128, fp32, cpu", "medians of 5 rounds", "training step", "img/s", "GFLOP/s in fp32", "blocks.1.pointwise", "update", "one by one",
                           "In inference depthwise convolutions are left pending: the next layer carries them out"}) {
    EXPECT_THAT(result.out, HasSubstr(part));
  }
  std::ifstream svg(out / "layers.svg");
  EXPECT_THAT(std::string(std::istreambuf_iterator<char>(svg), {}), HasSubstr("blocks.0.depthwise"));
  EXPECT_GT(fs::file_size(out / "layers.png"), 10000U);
  std::ifstream written(out / "bench.json");
  EXPECT_EQ(json::parse(written).at("rounds"), 5);
  const CommandResult again = run_sepia(small_bench({"--out", out.string()}));
  EXPECT_EQ(again.exit_code, 2);
  EXPECT_THAT(again.err, HasSubstr("--overwrite"));
}

TEST(BenchCommand, RefusesWhatCannotBeMeasured) {
  const auto expect_error = [](const std::vector<std::string>& words, int code, const std::string& part) {
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_THAT(result.err, HasSubstr("error: "));
    EXPECT_THAT(result.err, HasSubstr(part));
    EXPECT_EQ(result.out, "");
  };
  expect_error({"bench"}, 2, "MODEL");
  expect_error({"bench", "edgnet"}, 2, "did you mean 'edgenet'?");
  expect_error({"bench", "no/such/run"}, 4, "no/such/run");
  expect_error({"bench", "edgenet", "--rounds", "4"}, 2, "must be a whole number from 5");
  expect_error({"bench", "edgenet", "--batch", "0"}, 2, "--batch 0");
  expect_error({"bench", "edgenet", "--precision", "fp16"}, 2, "must be fp32 or bf16");
  expect_error({"bench", "simplenet", "--image-size", "40"}, 2, "image");
}

}  // namespace
}  // namespace sepia::test
