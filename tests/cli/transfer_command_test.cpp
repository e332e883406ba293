// Transfer learning by the command: weights of a run taken up by another, what is said of it, and what is refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>

#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::HasSubstr;

class TransferCommand : public ::testing::Test {
 protected:
  TransferCommand() { write_small_dataset(folder_ / "data"); }

  CommandResult train(const std::string& architecture, const std::string& run, const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"train", architecture, "--data", folder_ / "data", "--out", folder_ / run, "--image-size", "64", "--epochs", "1", "-b", "8"};
    words.insert(words.end(), more.begin(), more.end());
    return run_sepia(words);
  }

  static void expect_refused(const CommandResult& result, int code, const std::string& part) {
    EXPECT_EQ(result.exit_code, code) << result.err;
    EXPECT_THAT(result.err, AllOf(HasSubstr("error: "), HasSubstr(part)));
  }

  TemporaryFolder folder_;
};

TEST_F(TransferCommand, ARunGoesOnFromTheWeightsOfAnother) {
  ASSERT_EQ(train("edgenet", "first", {"--normalise", "0.5,0.5,0.5/0.25,0.25,0.25"}).exit_code, 0);
  const CommandResult second = train("edgenet", "second", {"--pretrained", folder_ / "first", "--new-head", "--freeze", "backbone", "--head-lr", "0.01"});
  EXPECT_EQ(second.exit_code, 0) << second.err;
  EXPECT_THAT(second.err, AllOf(HasSubstr("29 tensors loaded, 0 missing, 0 unexpected; drawn anew: fc1, fc2; left out of the file: fc"),
                                HasSubstr("--freeze backbone: 16578 parameters are trained, 47488 stay as they are")));
  std::ifstream file(folder_ / "second" / "config.json");
  const auto config = nlohmann::json::parse(file).at("config");
  EXPECT_EQ(config.at("pretrained"), (folder_ / "first" / "best.safetensors").string());
  EXPECT_EQ(config.at("pretrained_sha256").get<std::string>().size(), 64u);
  EXPECT_EQ(config.at("normalise_std"), nlohmann::json({0.25, 0.25, 0.25})) << "the input is scaled as the weights expect it";
  EXPECT_EQ(config.at("head_lr"), 0.01);
  // A finished run may be resumed, freeze and all; another freeze is another run.
  EXPECT_EQ(run_sepia({"train", "--resume", folder_ / "second"}).exit_code, 0);
  expect_refused(run_sepia({"train", "--resume", folder_ / "second", "--freeze", "none"}), 2, "the run has freeze = \"backbone\"");
}

TEST_F(TransferCommand, RefusesWhatCannotBeAndLeavesNoFolder) {
  ASSERT_EQ(train("edgenet", "first", {}).exit_code, 0);
  std::ofstream(folder_ / "weights.pth") << "x";
  const fs::path run = folder_ / "second";
  expect_refused(train("edgenet", "second", {"--pretrained", folder_ / "nowhere.safetensors"}), 4, "nowhere.safetensors");
  expect_refused(train("edgenet", "second", {"--pretrained", folder_ / "weights.pth"}), 3, "sepia convert " + (folder_ / "weights.pth").string());
  expect_refused(train("xception", "second", {"--pretrained", folder_ / "first"}), 3, "belongs to edgenet");
  expect_refused(train("edgenet", "second", {"--new-head"}), 2, "--new-head is for --pretrained");
  expect_refused(train("edgenet", "second", {"--freeze", "up-to:fc2"}), 2, "nothing is left to train");
  expect_refused(train("edgenet", "second", {"--freeze", "up-to:block1"}), 2, "layers: stem, blocks, fc1, fc2");
  expect_refused(train("edgenet", "second", {"--head-lr", "0"}), 2, "--head-lr");
  EXPECT_FALSE(fs::exists(run));
}

TEST_F(TransferCommand, SummaryShowsWhatIsTrainable) {
  const CommandResult result = run_sepia({"summary", "xception", "--freeze", "up-to:block12", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto summary = nlohmann::json::parse(result.out);
  std::int64_t trainable = 0;
  for (const auto& row : summary.at("layers")) {
    trainable += row.at("trainable_params").get<std::int64_t>();
    const bool frozen = row.at("stage") == "stem" || row.at("stage").get<std::string>().starts_with("block");
    EXPECT_EQ(row.at("trainable_params").get<std::int64_t>(), frozen ? 0 : row.at("params").get<std::int64_t>()) << row.at("name");
  }
  EXPECT_EQ(summary.at("trainable_params"), trainable);
  EXPECT_EQ(trainable, 1024 * 9 + 1024 * 1536 + 2 * 1536 + 1536 * 9 + 1536 * 2048 + 2 * 2048 + 2049000);
  EXPECT_THAT(run_sepia({"summary", "edgenet", "--freeze", "backbone"}).out, HasSubstr("64,066 parameters, 16,578 of them trainable"));
}

}  // namespace
}  // namespace sepia::test
