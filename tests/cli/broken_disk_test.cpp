// Disks that are full and folders that may not be read: exit code 4, the path named, and nothing half-written left.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;

class BrokenDisk : public ::testing::Test {
 protected:
  BrokenDisk() { write_small_dataset(folder_ / "data", {.train = 4, .val = 2, .test = 2}); }

  /// The command line of a short training into `run`, for a shell.
  std::string train_into(const std::string& run) const {
    return std::string(SEPIA_BINARY_DIR "/sepia train edgenet --image-size 32 --epochs 3 -b 8 --data ") + (folder_ / "data").string() + " --out " + run;
  }

  TemporaryFolder folder_;
};

TEST_F(BrokenDisk, AFullDiskEndsTheRunAndLeavesTheLastCheckpointWhole) {
  const std::string mount = folder_ / "small", saved = folder_ / "saved";
  fs::create_directories(mount);
  const auto in_small_disk = [&](int kilobytes, const std::string& script) {
    return run_program({"unshare", "--map-root-user", "--mount", "sh", "-c",
                        "mount -t tmpfs -o size=" + std::to_string(kilobytes) + "k none " + mount + " || exit 99; " + script});
  };
  if (in_small_disk(64, "true").exit_code != 0) GTEST_SKIP() << "no small file system can be mounted here (unshare, tmpfs)";

  // One checkpoint takes about 0.8 MB and the best weights 0.3 MB: the disk fills at the first file, at the first checkpoint, and
  // when the second checkpoint stands beside the first.
  int failed = 0, with_checkpoint = 0;
  for (const int kilobytes : {4, 100, 400, 900, 1300, 1600}) {
    const CommandResult result = in_small_disk(kilobytes, train_into(mount + "/run") + "; code=$?; rm -rf " + saved + "; cp -r " + mount + "/run " + saved + "; exit $code");
    if (result.exit_code == 0) continue;
    ++failed;
    EXPECT_EQ(result.exit_code, 4) << kilobytes << " kB: " << result.err;
    EXPECT_THAT(result.err, HasSubstr("error: " + mount + "/run"));
    EXPECT_THAT(result.err, HasSubstr("No space left on device"));
    for (const char* name : {"last.safetensors", "best.safetensors"}) {
      if (!fs::exists(fs::path(saved) / name)) continue;
      with_checkpoint += std::string(name).starts_with("last");
      EXPECT_NO_THROW(SafetensorsFile::open(fs::path(saved) / name)) << kilobytes << " kB";
    }
  }
  EXPECT_GE(failed, 4);
  EXPECT_GE(with_checkpoint, 1) << "no size let the first checkpoint through and stopped the second";
}

TEST_F(BrokenDisk, WhatMayNotBeReadOrWrittenIsNamed) {
  // Root may read everything: there the command runs as nobody.
  std::vector<std::string> as_user = {"sh", "-c"};
  if (::geteuid() == 0) as_user.insert(as_user.begin(), {"setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"});
  const auto run_as_user = [&](const std::string& line) {
    std::vector<std::string> words = as_user;
    words.push_back(line);
    return run_program(words);
  };
  fs::permissions(folder_.path(), fs::perms::all);
  if (run_as_user(SEPIA_BINARY_DIR "/sepia --version").exit_code != 0) GTEST_SKIP() << "no other user can run the command here";

  const fs::path real = folder_ / "data" / "train/real";
  fs::permissions(real, fs::perms::none);
  const CommandResult unreadable = run_as_user(train_into(folder_ / "run1"));
  fs::permissions(real, fs::perms::all);
  EXPECT_EQ(unreadable.exit_code, 4) << unreadable.err;
  EXPECT_THAT(unreadable.err, HasSubstr("train/real"));

  const fs::path picture = real / "0.png";
  fs::permissions(picture, fs::perms::none);
  const CommandResult closed = run_as_user(train_into(folder_ / "run2"));
  EXPECT_EQ(closed.exit_code, 4) << closed.err;
  EXPECT_THAT(closed.err, HasSubstr("train/real/0.png"));
  fs::permissions(picture, fs::perms::all);

  const fs::path locked = folder_ / "locked";
  fs::create_directories(locked);
  fs::permissions(locked, fs::perms::owner_read | fs::perms::owner_exec);
  const CommandResult unwritable = run_as_user(train_into(locked / "run3"));
  fs::permissions(locked, fs::perms::all);
  EXPECT_EQ(unwritable.exit_code, 4) << unwritable.err;
  EXPECT_THAT(unwritable.err, HasSubstr("locked/run3"));
}

}  // namespace
}  // namespace sepia::test
