// sepia paper from two small data sets to the page with all figures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>

#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

TEST(PaperCommand, MakesEveryFigureAndEveryNumber) {
  const TemporaryFolder folder;
  write_small_dataset(folder / "swaps", {.train = 6, .val = 2, .test = 3, .side = 64});
  write_small_dataset(folder / "generated", {.train = 6, .val = 2, .test = 3, .side = 64});
  const CommandResult result = run_sepia({"paper", folder / "swaps", folder / "generated", "--out", folder / "paper", "--epochs", "1", "--image-size", "64"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.out, HasSubstr("AUC of the second score"));
  std::ifstream file(folder / "paper" / "paper.json");
  const auto json = nlohmann::json::parse(file);
  EXPECT_EQ(json.at("comparisons").size(), 23U);
  for (const auto& row : json.at("comparisons")) EXPECT_THAT(row.at("ours").get<std::string>(), ::testing::Not(HasSubstr("not run"))) << row;
  std::set<int> numbers;
  for (const auto& figure : json.at("figures")) {
    if (figure.at("number").is_number()) numbers.insert(figure.at("number").get<int>());
    EXPECT_TRUE(fs::exists(folder / "paper" / figure.at("file").get<std::string>())) << figure;
  }
  EXPECT_THAT(numbers, ::testing::ElementsAre(1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_TRUE(fs::exists(folder / "paper" / "paper.html"));
  EXPECT_TRUE(fs::exists(folder / "paper" / "runs" / "edgenet_deepfake" / "report.html"));
}

TEST(PaperCommand, RefusesBeforeAnythingSlow) {
  const TemporaryFolder folder;
  write_small_dataset(folder / "swaps", {.train = 2, .val = 0, .test = 0, .side = 64});
  const CommandResult missing = run_sepia({"paper", folder / "swaps", folder / "nowhere", "--out", folder / "paper"});
  EXPECT_EQ(missing.exit_code, 4);
  EXPECT_THAT(missing.err, HasSubstr("nowhere: No such file or directory"));
  fs::create_directories(folder / "empty");
  const CommandResult empty = run_sepia({"paper", folder / "swaps", folder / "empty", "--out", folder / "paper"});
  EXPECT_EQ(empty.exit_code, 4);
  EXPECT_THAT(empty.err, HasSubstr("empty/train: no such folder"));
  EXPECT_FALSE(fs::exists(folder / "paper"));
  EXPECT_EQ(run_sepia({"paper", folder / "swaps", folder / "swaps"}).exit_code, 2);
}

}  // namespace
}  // namespace sepia::test
