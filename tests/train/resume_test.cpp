// A run that was stopped or killed and resumed ends with the same bytes as one that never was; so does one with other threads.
// SEPIA_TORTURE in the environment breaks a longer run (tools/torture.sh).
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <numeric>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/io/safetensors.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_training.h"

namespace sepia::test {
namespace {

using train::TrainConfig;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class Resume : public ::testing::Test {
 protected:
  Resume() {
    write_tiny_data(data());
    set_num_threads(1);  // steps this small only wait for each other on more
  }
  ~Resume() override { set_num_threads(0); }
  std::filesystem::path data() const { return folder_ / "data"; }

  // Runs `config` to its end with an interruption after `step` steps: a stop when `kill` is false, else a death.
  void run_with_break(const TrainConfig& config, const std::filesystem::path& run, int step, bool kill) {
    Saboteur first;
    (kill ? first.kill_after : first.stop_after) = step;
    try {
      EXPECT_TRUE(run_tiny(config, run, false, first, {}, dtype_).interrupted);
    } catch (const Killed&) {
    }
    EXPECT_EQ(first.steps, step);
    Saboteur second;
    EXPECT_FALSE(run_tiny(config, run, true, second, {}, dtype_).interrupted);
  }

  // Breaks `config` at each of `steps`, by turns with a stop and a death.
  void expect_same_bytes(const TrainConfig& config, const std::vector<int>& steps) {
    const auto whole = folder_ / "whole";
    train::TrainObserver nobody;
    run_tiny(config, whole, false, nobody, {}, dtype_);
    int alike = 0;
    for (const int step : steps) {
      for (const bool kill : {false, true}) {
        if (kill && step % 3 != 0) continue;  // a third of them, for time's sake
        const auto run = folder_ / str("run-", step, kill);
        run_with_break(config, run, step, kill);
        const auto differing = differing_files(whole, run);
        EXPECT_THAT(differing, IsEmpty()) << (kill ? "killed" : "stopped") << " after step " << step;
        if (!kill) alike += differing.empty();
      }
    }
    std::printf("%d of %zu resumes byte-equal\n", alike, steps.size());
  }

  TemporaryFolder folder_;
  DType dtype_ = DType::kF32;
};

TEST_F(Resume, EveryStepOfEdgenet) {
  TrainConfig config = tiny_config(data());
  if (std::getenv("SEPIA_TORTURE")) config.epochs = 8;
  config.checkpoint_every = 2;
  std::vector<int> steps(static_cast<std::size_t>(7 * config.epochs - 1));  // every one but the last: 20, or 55 in the long form
  std::iota(steps.begin(), steps.end(), 1);
  expect_same_bytes(config, steps);
}

TEST_F(Resume, SimplenetWithEverySetting) {
  TrainConfig config = tiny_config(data());
  config.model = "simplenet";
  config.image_size = 58;
  config.optimizer.algorithm = optim::Algorithm::kAdamW;
  config.optimizer.weight_decay = 0.01;
  config.schedule.kind = optim::ScheduleKind::kCosine;
  config.schedule.warmup_epochs = 1;
  config.ema_decay = 0.9;
  config.accumulate = 2;
  config.clip_grad = 1;
  config.smoothing = 0.1;
  config.balance_classes = true;
  config.select = train::Select::kValAuc;
  config.checkpoint_every = 1;
  expect_same_bytes(config, {1, 3, 4, 6, 9, 11});  // 4 steps an epoch
}

// Weights are saved as the fp32 masters; what the network multiplies by is rounded from them anew when they are loaded.
TEST_F(Resume, InBf16) {
  if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products";
  dtype_ = DType::kBF16;
  TrainConfig config = tiny_config(data());
  config.ema_decay = 0.9;
  config.clip_grad = 1;
  config.checkpoint_every = 2;
  expect_same_bytes(config, {1, 3, 7, 12, 18});  // 7 steps an epoch
  const auto rounded = SafetensorsFile::open(folder_ / "whole/last.safetensors");
  dtype_ = DType::kF32;
  run_tiny(config, folder_ / "fp32");
  const auto single = SafetensorsFile::open(folder_ / "fp32/last.safetensors");
  const TensorEntry *ours = rounded.find("fc1.weight"), *theirs = single.find("fc1.weight");
  ASSERT_TRUE(ours && theirs);
  EXPECT_EQ(ours->dtype, theirs->dtype) << "masters are fp32";
  EXPECT_FALSE(std::ranges::equal(rounded.data(*ours), single.data(*theirs))) << "this was not bf16";
}

TEST_F(Resume, SeveralTimesOverWithOtherThreadsAndWorkers) {
  TrainConfig config = tiny_config(data());
  const auto whole = folder_ / "whole", run = folder_ / "run";
  run_tiny(config, whole);
  Saboteur stopper;
  stopper.stop_after = 0;  // before the first step
  EXPECT_TRUE(run_tiny(config, run, false, stopper).interrupted);
  EXPECT_TRUE(std::filesystem::exists(run / "last.safetensors"));
  for (bool interrupted = true; interrupted;) {
    config.workers = (config.workers + 1) % 4;
    set_num_threads(1 + config.workers);
    Saboteur next;
    next.stop_after = 1 + config.workers;
    interrupted = run_tiny(config, run, true, next).interrupted;
  }
  // log.json keeps the settings of the last resume, workers included.
  EXPECT_THAT(differing_files(whole, run), ElementsAre("log.json"));
}

TEST_F(Resume, ThreadsAndWorkersDoNotMatter) {
  for (const char* model : {"edgenet", "simplenet"}) {
    TrainConfig config = tiny_config(data());
    config.model = model;
    config.batch_size = 4;
    config.epochs = 1;
    const auto first = folder_ / str(model, "-1");
    set_num_threads(1);
    config.workers = 1;
    run_tiny(config, first);
    for (const int threads : {2, 4}) {
      const auto run = folder_ / str(model, "-", threads);
      set_num_threads(threads);
      run_tiny(config, run);
      EXPECT_THAT(differing_files(first, run), IsEmpty()) << threads << " threads";
    }
    config.workers = 3;
    const auto run = folder_ / str(model, "-workers");
    run_tiny(config, run);
    EXPECT_THAT(differing_files(first, run), ElementsAre("log.json")) << "the number of workers stands in log.json and nowhere else";
  }
}

TEST_F(Resume, KilledBeforeItsFirstCheckpointStartsOverAndSaysSo) {
  const TrainConfig config = tiny_config(data());
  const auto whole = folder_ / "whole", run = folder_ / "run";
  run_tiny(config, whole);
  Saboteur first;
  first.kill_after = 5;
  EXPECT_THROW(run_tiny(config, run, false, first), Killed);
  EXPECT_FALSE(std::filesystem::exists(run / "last.safetensors"));
  Saboteur second;
  run_tiny(config, run, true, second);
  EXPECT_THAT(second.notes, ElementsAre(HasSubstr("starting over")));
  EXPECT_THAT(differing_files(whole, run), IsEmpty());
}

TEST_F(Resume, OfAFinishedRunChangesNothing) {
  const TrainConfig config = tiny_config(data());
  const auto whole = folder_ / "whole", run = folder_ / "run";
  run_tiny(config, whole);
  run_tiny(config, run);
  Saboteur again;
  run_tiny(config, run, true, again);
  EXPECT_EQ(again.steps, 0);
  EXPECT_THAT(differing_files(whole, run), IsEmpty());
}

TEST_F(Resume, RefusesOtherPictures) {
  const TrainConfig config = tiny_config(data());
  const auto run = folder_ / "run";
  Saboteur stopper;
  stopper.stop_after = 2;
  run_tiny(config, run, false, stopper);
  const std::string before = bytes_of(run / "last.safetensors");
  const auto expect_refused = [&](const char* what) {
    try {
      run_tiny(config, run, true);
      ADD_FAILURE() << what << " was not seen";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kData) << error.what();
      EXPECT_THAT(error.what(), HasSubstr("not the pictures the run was started on"));
    }
    EXPECT_EQ(bytes_of(run / "last.safetensors"), before);
  };
  // The same pictures under other names come in another order.
  std::filesystem::rename(data() / "train/real/0.png", data() / "train/real/9.png");
  expect_refused("a renamed picture");
  std::filesystem::rename(data() / "train/real/9.png", data() / "train/real/0.png");
  std::filesystem::copy_file(data() / "val/real/0.png", data() / "val/real/7.png");
  expect_refused("an added picture");
  std::filesystem::remove(data() / "val/real/7.png");
  EXPECT_FALSE(run_tiny(config, run, true).interrupted);
}

}  // namespace
}  // namespace sepia::test
