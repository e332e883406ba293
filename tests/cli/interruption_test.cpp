// Training that is stopped at random moments: by SIGKILL, SIGINT and SIGTERM. `last.safetensors` is always whole, and a resumed run
// ends with the very bytes of one that was never stopped.
//
// SEPIA_TORTURE=N in the environment does each N times (tools/torture.sh); a few times otherwise.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <chrono>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <string>
#include <thread>
#include <vector>

#include "engine/base/random.h"
#include "engine/io/safetensors.h"
#include "tests/support/files.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using Clock = std::chrono::steady_clock;

int repetitions(int few) {
  const char* many = std::getenv("SEPIA_TORTURE");
  return many == nullptr ? few : std::atoi(many);
}

class Interruption : public ::testing::Test {
 protected:
  Interruption() {
    write_small_dataset(data(), {.train = 24, .val = 6, .test = 6, .side = 64});
    const Clock::time_point start = Clock::now();
    const CommandResult unbroken = Process(start_words(folder_ / "unbroken")).wait();
    EXPECT_EQ(unbroken.exit_code, 0) << unbroken.err;
    seconds_ = std::chrono::duration<double>(Clock::now() - start).count();
  }

  fs::path data() const { return folder_ / "data"; }

  std::vector<std::string> start_words(const fs::path& run) const {
    return sepia_words({"train", "edgenet", "--data", data(), "--out", run, "--image-size", "64", "--epochs", "4", "-b", "4", "--checkpoint-every", "1",
                        "--threads", "1", "--model-ema-decay", "0.9", "--sched", "cosine"});
  }
  static std::vector<std::string> resume_words(const fs::path& run) { return sepia_words({"train", "--resume", run}); }

  /// Somewhere in the time that an unbroken run takes.
  void sleep_a_while() { std::this_thread::sleep_for(std::chrono::duration<double>(seconds_ * random_.uniform(0.05, 0.9))); }

  /// Once the first checkpoint is there, the run is at work.
  static void wait_for_checkpoint(const fs::path& run) {
    const Clock::time_point deadline = Clock::now() + std::chrono::minutes(2);
    while (!fs::exists(run / "last.safetensors")) {
      if (Clock::now() > deadline) throw std::runtime_error("no checkpoint within two minutes");
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  }

  /// True when there is no checkpoint yet or one that reads.
  static bool checkpoint_is_whole(const fs::path& run) {
    const fs::path last = run / "last.safetensors";
    if (!fs::exists(last)) return true;
    try {
      SafetensorsFile::open(last);
      return true;
    } catch (const std::exception& error) {
      ADD_FAILURE() << error.what();
      return false;
    }
  }

  void expect_same_as_unbroken(const fs::path& run) const {
    for (const char* name : {"last.safetensors", "best.safetensors", "predictions_test.csv"}) {
      EXPECT_EQ(bytes_of(run / name) == bytes_of(folder_ / "unbroken" / name), true) << name << " differs from the unbroken run's";
    }
  }

  TemporaryFolder folder_;
  double seconds_ = 0.0;
  RandomStream random_{static_cast<std::uint64_t>(Clock::now().time_since_epoch().count()), RandomPurpose::kTest};
};

TEST_F(Interruption, KilledAtRandomMomentsTheRunEndsWithTheSameBytes) {
  const int wanted = repetitions(4);
  int kills = 0, whole = 0, runs = 0;
  while (kills < wanted && !HasFailure()) {
    const fs::path run = folder_ / ("killed" + std::to_string(runs++));
    std::vector<std::string> words = start_words(run);
    for (int attempt = 0; attempt < 50; ++attempt) {
      Process process(words);
      // Towards the end of a run let it live, so that it does end.
      const bool spare = attempt >= 5 || kills >= wanted;
      if (!spare) {
        sleep_a_while();
        process.send(SIGKILL);
      }
      const CommandResult result = process.wait();
      const bool killed = result.exit_code == 128 + SIGKILL;
      kills += killed;
      whole += killed && checkpoint_is_whole(run);
      if (!killed) {
        ASSERT_EQ(result.exit_code, 0) << result.err;
        break;
      }
      words = fs::exists(run / "config.json") ? resume_words(run) : start_words(run);
      // Killed before the settings were on disk: nothing to resume, and nothing but the folder in the way.
      if (!fs::exists(run / "config.json")) fs::remove_all(run);
    }
    expect_same_as_unbroken(run);
    fs::remove_all(run);
  }
  std::cout << whole << " of " << kills << " kills left a whole checkpoint; " << runs << " runs ended with the bytes of the unbroken one\n";
  EXPECT_EQ(whole, kills);
}

TEST_F(Interruption, StoppedBySignalsItSavesAndSaysHowToGoOn) {
  const int wanted = repetitions(4);
  int stopped = 0;
  for (int i = 0; stopped < wanted && i < 20 * wanted && !HasFailure(); ++i) {
    const int signal_number = i % 2 == 0 ? SIGINT : SIGTERM;
    const fs::path run = folder_ / ("stopped" + std::to_string(i));
    Process process(start_words(run));
    wait_for_checkpoint(run);
    std::this_thread::sleep_for(std::chrono::duration<double>(0.5 * seconds_ * random_.uniform()));
    process.send(signal_number);
    const CommandResult result = process.wait();
    if (result.exit_code == 0) continue;  // it was just done
    ++stopped;
    EXPECT_EQ(result.exit_code, 128 + signal_number) << result.err;
    EXPECT_THAT(result.err, HasSubstr("sepia train --resume"));
    EXPECT_TRUE(checkpoint_is_whole(run));
    const CommandResult resumed = Process(resume_words(run)).wait();
    EXPECT_EQ(resumed.exit_code, 0) << resumed.err;
    expect_same_as_unbroken(run);
    fs::remove_all(run);
  }
  EXPECT_EQ(stopped, wanted);
  std::cout << stopped << " of " << wanted << " signals left a checkpoint from which the run ended with the same bytes\n";
}

TEST_F(Interruption, ASecondSignalEndsAtOnce) {
  const fs::path run = folder_ / "twice";
  Process process(start_words(run));
  wait_for_checkpoint(run);
  process.send(SIGTERM);
  process.send(SIGINT);
  const CommandResult result = process.wait();
  EXPECT_THAT(result.exit_code, ::testing::AnyOf(130, 143)) << result.err;
  EXPECT_TRUE(checkpoint_is_whole(run));
}

}  // namespace
}  // namespace sepia::test
