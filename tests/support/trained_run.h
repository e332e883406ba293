// A small data set and an edgenet trained on it as a user would, once for all tests of a suite.
#pragma once

#include <gtest/gtest.h>

#include <filesystem>
#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "tests/support/files.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {

/// Base of suites that try commands on one run. Theirs is to call train() in SetUpTestSuite().
class TrainedRun : public ::testing::Test {
 protected:
  /// `options` beside edgenet, 32 pixels and batches of 8.
  static void train(const SmallDataset& sizes, const std::vector<std::string>& options) {
    folder_ = std::make_unique<TemporaryFolder>();
    write_small_dataset(data(), sizes);
    std::vector<std::string> words = {"train", "edgenet", "--data", data(), "--out", run(), "--image-size", "32", "-b", "8"};
    words.insert(words.end(), options.begin(), options.end());
    const CommandResult trained = run_sepia(words);
    ASSERT_EQ(trained.exit_code, 0) << trained.err;
  }
  static void TearDownTestSuite() { folder_.reset(); }

  static std::filesystem::path data() { return *folder_ / "data"; }
  static std::filesystem::path run() { return *folder_ / "run"; }
  static std::filesystem::path at(const std::string& name) { return *folder_ / name; }

  /// What a command that succeeds prints.
  static nlohmann::json json_of(const std::vector<std::string>& words) {
    const CommandResult result = run_sepia(words);
    EXPECT_EQ(result.exit_code, 0) << result.err;
    return nlohmann::json::parse(result.out);
  }

 private:
  inline static std::unique_ptr<TemporaryFolder> folder_;  // suites of one program run one after another
};

}  // namespace sepia::test
