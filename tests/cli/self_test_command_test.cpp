// sepia train --self-test: exit codes, what is printed, and that nothing is written.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>

#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

class SelfTestCommand : public ::testing::Test {
 protected:
  SelfTestCommand() { write_small_dataset(folder_ / "data", {.train = 12, .val = 0, .test = 0, .side = 64}); }

  CommandResult run(const std::vector<std::string>& more) const {
    std::vector<std::string> words = {"train", "edgenet", "--data", folder_ / "data", "--image-size", "64", "-b", "8", "--augment", "none", "--self-test"};
    words.insert(words.end(), more.begin(), more.end());
    return run_sepia(words);
  }

  TemporaryFolder folder_;
};

TEST_F(SelfTestCommand, PassesAndSaysSoToPeopleAndMachines) {
  const CommandResult result = run({"--json"});
  EXPECT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, AllOf(HasSubstr("control 1 of 3: pass: 8 pictures learned by heart"), HasSubstr("self-test passed")));
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("passed"), true);
  EXPECT_TRUE(json.at("faulty_part").is_null());
  EXPECT_EQ(json.at("controls").size(), 3U);
  EXPECT_EQ(json.at("controls")[1].at("name"), "planted_mark");
  EXPECT_EQ(std::distance(std::filesystem::directory_iterator(folder_.path()), {}), 1) << "nothing beside the data";
}

TEST_F(SelfTestCommand, AFaultIsNamedWithExitOne) {
  const CommandResult result = run({"--lr", "1e-9"});
  EXPECT_EQ(result.exit_code, 1);
  EXPECT_THAT(result.err, AllOf(HasSubstr("control 1 of 3: FAIL"), HasSubstr("self-test failed: look for the fault in the network or the optimiser")));
}

TEST_F(SelfTestCommand, GoesWithNoRun) {
  const CommandResult result = run_sepia({"train", "--resume", folder_ / "run", "--self-test"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("--self-test makes no run"));
}

}  // namespace
}  // namespace sepia::test
