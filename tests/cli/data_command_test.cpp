// sepia data check|show|toy as a user meets them.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "data/image_read.h"
#include "tests/support/run_command.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

void expect_failure(const CommandResult& result, int code, const std::string& part) {
  EXPECT_EQ(result.exit_code, code) << result.err;
  EXPECT_THAT(result.err, StartsWith("error: "));
  EXPECT_EQ(std::count(result.err.begin(), result.err.end(), '\n'), 1) << result.err;
  EXPECT_THAT(result.err, HasSubstr(part));
}

class DataCommand : public ::testing::Test {
 protected:
  void SetUp() override {
    const CommandResult toy = run_sepia({"data", "toy", data(), "--train", "3", "--val", "2", "--test", "2", "--seed", "5"});
    ASSERT_EQ(toy.exit_code, 0) << toy.err;
    EXPECT_THAT(toy.err, HasSubstr("wrote 14 drawn faces"));
  }
  std::string data() const { return (folder_ / "toy").string(); }

  TemporaryFolder folder_;
};

TEST_F(DataCommand, ToyRefusesAFolderInUse) { expect_failure(run_sepia({"data", "toy", data()}), 2, "not an empty folder"); }

TEST_F(DataCommand, BlendMakesADataSetThatGivesNothingAway) {
  const std::string out = (folder_ / "blended").string(), real = data() + "/train/real";
  const CommandResult result = run_sepia({"data", "blend", real, out, "--split", "1,1,1", "--image-size", "64", "--keep-masks"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("wrote 3 real and 3 blended pictures"));
  for (const char* name : {"contact_sheet.png", "contact_sheet.svg", "blend.csv", "train/real/0000.jpg", "val/fake/0001.jpg", "masks/test/0002.png"}) {
    EXPECT_TRUE(fs::exists(fs::path(out) / name)) << name;
  }
  EXPECT_EQ(run_sepia({"data", "check", out}).exit_code, 0);
  expect_failure(run_sepia({"data", "blend", real, out}), 2, "not an empty folder");
  expect_failure(run_sepia({"data", "blend", real, out + "2", "--split", "3,3,3"}), 2, "asks for 9");
  expect_failure(run_sepia({"data", "blend", real, out + "2", "--split", "most"}), 2, "--split must be");
  expect_failure(run_sepia({"data", "blend", real + "?", out + "2"}), 4, "real?");
  EXPECT_FALSE(fs::exists(out + "2"));
}

TEST_F(DataCommand, CheckOfACleanDataSetIsExitZero) {
  const CommandResult result = run_sepia({"data", "check", data()});
  EXPECT_EQ(result.exit_code, 0);
  EXPECT_THAT(result.err, HasSubstr("3 fake : 3 real = 1:1"));
  EXPECT_THAT(result.err, HasSubstr("nothing found"));
  EXPECT_EQ(result.out, "");
}

TEST_F(DataCommand, CheckWithFindingsIsExitOneAndJson) {
  fs::copy_file(folder_ / "toy/train/real/0001.png", folder_ / "toy/test/real/copy.png");
  const CommandResult result = run_sepia({"data", "check", data(), "--json"});
  EXPECT_EQ(result.exit_code, 1);
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json["exact_duplicates"][0]["paths"][1], "train/real/0001.png");
  EXPECT_EQ(json["findings"].size(), 1u);
}

TEST_F(DataCommand, CheckRefusals) {
  expect_failure(run_sepia({"data", "check", (folder_ / "none").string()}), 4, "No such file");
  expect_failure(run_sepia({"data", "check", data(), "--group-by", "(["}), 2, "not a regular expression");
  expect_failure(run_sepia({"data", "check", data(), "--near", "-1"}), 2, "--near -1");
  fs::rename(folder_ / "toy/train/real", folder_ / "toy/train/Real");
  expect_failure(run_sepia({"data", "check", data()}), 3, "Try --class-map real=Real,fake=fake");
  fs::remove_all(folder_ / "toy/val");
  fs::remove_all(folder_ / "toy/test");
  EXPECT_EQ(run_sepia({"data", "check", data(), "--class-map", "real=Real,fake=fake"}).exit_code, 0);
}

TEST_F(DataCommand, ShowDrawsOneRowForEachDataSet) {
  const std::string out = (folder_ / "figure").string();
  const CommandResult result = run_sepia({"data", "show", data(), data(), "--samples", "2", "--augmented", "--out", out});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_THAT(result.err, HasSubstr("toy/train/fake/000"));
  const Image sheet = read_image(folder_ / "figure/samples.png");
  EXPECT_GT(sheet.height, sheet.width / 2);
  EXPECT_TRUE(fs::exists(folder_ / "figure/samples.svg"));
  expect_failure(run_sepia({"data", "show", data(), "--out", out}), 2, "in use");
}

}  // namespace
}  // namespace sepia::test
