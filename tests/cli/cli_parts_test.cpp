// The shared pieces of the command line, each by itself.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <new>
#include <thread>

#include "engine/base/error.h"
#include "kernels/backend.h"
#include "tools/cli/errors.h"
#include "tools/cli/help.h"
#include "tools/cli/nearest.h"
#include "tools/cli/numbers.h"
#include "tools/cli/options.h"
#include "tools/cli/output_folder.h"
#include "tools/cli/progress.h"
#include "tools/cli/signals.h"

namespace sepia::cli {
namespace {

namespace fs = std::filesystem;
using ::testing::AllOf;
using ::testing::EndsWith;
using ::testing::HasSubstr;
using ::testing::StartsWith;

template <class Call>
Failure failure_of(Call&& call) {
  try {
    call();
  } catch (...) {
    return describe_failure(std::current_exception());
  }
  return {0, ""};
}

TEST(Numbers, TakeOnlyWholeNumbersInRange) {
  EXPECT_EQ(parse_whole("--batch-size", "32", 1, 100), 32);
  EXPECT_EQ(parse_whole("--batch-size", "010", 1, 100), 10);  // decimal, not octal
  for (const char* text : {"0", "101", "-4", "", " 3", "3 ", "3.5", "1e1", "0x10", "nan", "99999999999999999999", "+3"}) {
    const Failure failure = failure_of([&] { parse_whole("--batch-size", text, 1, 100); });
    EXPECT_EQ(failure.exit_code, 2) << text;
    EXPECT_EQ(failure.message, std::string("--batch-size ") + text + ": must be a whole number from 1 to 100");
  }
}

TEST(Numbers, TakeOnlyFiniteRealsInRange) {
  EXPECT_EQ(parse_real("--lr", "1e-3", kPositive), 1e-3);
  EXPECT_EQ(parse_real("--dropout", "0", kUnitInterval), 0.0);
  for (const char* text : {"nan", "-nan", "inf", "-inf", "infinity", "1e999", "-1e999", "0", "-1", "", "1,5", "0x1p3", "1e-3x"}) {
    const Failure failure = failure_of([&] { parse_real("--lr", text, kPositive); });
    EXPECT_EQ(failure.exit_code, 2) << text;
    EXPECT_THAT(failure.message, HasSubstr("must be a finite number greater than 0"));
  }
  EXPECT_THAT(failure_of([] { parse_real("--momentum", "1", {.low = 0.0, .high = 1.0, .high_open = true}); }).message,
              HasSubstr("must be a number 0 or more and less than 1"));
  EXPECT_THAT(failure_of([] { parse_real("--threshold", "2", kUnitInterval); }).message, HasSubstr("must be a number from 0 to 1"));
}

TEST(Numbers, SeedsUseAllSixtyFourBits) {
  EXPECT_EQ(parse_seed("--seed", "18446744073709551615"), 18446744073709551615ULL);
  EXPECT_EQ(failure_of([] { parse_seed("--seed", "-1"); }).exit_code, 2);
  EXPECT_EQ(failure_of([] { parse_seed("--seed", "18446744073709551616"); }).exit_code, 2);
}

TEST(Numbers, OptionsShowTheirDefaultAndReplaceIt) {
  CLI::App app;
  int batch_size = 32;
  double rate = 1e-3;
  add_batch_size_option(app, batch_size);
  add_real(app, "--lr", rate, kPositive, "Learning rate");
  app.parse("--batch-size 8 --lr 0.5");
  EXPECT_EQ(batch_size, 8);
  EXPECT_EQ(rate, 0.5);
  EXPECT_EQ(failure_of([&] { app.parse("-b -5"); }).message, "--batch-size -5: must be a whole number from 1 to 65536");
}

TEST(Devices, AbsentOnesAreRefusedInOneSentence) {
  EXPECT_EQ(use_device({.device = "cpu"}).device, kCpuDevice);
  EXPECT_EQ(use_device({.device = "cpu"}).dtype, DType::kF32);
  // A machine may have CUDA's library and even a device, but hardly a thousand.
  const Failure absent = failure_of([] { use_device({.device = "cuda:999"}); });
  EXPECT_EQ(absent.exit_code, 2);
  EXPECT_THAT(absent.message, AllOf(StartsWith("--device cuda:999: "), EndsWith("; use --device cpu")));
  for (const char* device : {"gpu", "cuda:", "cuda:x", "CPU", ""}) {
    EXPECT_THAT(failure_of([&] { use_device({.device = device}); }).message, HasSubstr("must be auto, cpu, cuda or cuda:N"));
  }
  if (kernels::cpu_backend().bfloat16) {
    EXPECT_EQ(use_device({.device = "cpu", .precision = "bf16"}).dtype, DType::kBF16);
  } else {
    EXPECT_EQ(failure_of([] { use_device({.device = "cpu", .precision = "bf16"}); }).exit_code, 2);
  }
  EXPECT_EQ(failure_of([] { use_device({.precision = "fp8"}); }).exit_code, 2);
}

TEST(Failures, KeepTheirExitCodes) {
  for (const auto kind : {ErrorKind::kInternal, ErrorKind::kUsage, ErrorKind::kData, ErrorKind::kPath, ErrorKind::kNumeric, ErrorKind::kMemory}) {
    const Failure failure = failure_of([&] { fail(kind, "what"); });
    EXPECT_EQ(failure.exit_code, static_cast<int>(kind));
    EXPECT_EQ(failure.message, "what");
  }
  EXPECT_EQ(failure_of([] { throw std::bad_alloc(); }).exit_code, 6);
  EXPECT_THAT(failure_of([] { throw std::bad_alloc(); }).message, HasSubstr("smaller --batch-size"));
  EXPECT_EQ(failure_of([] { (void)fs::file_size("/no/such/file"); }).exit_code, 4);
  EXPECT_THAT(failure_of([] { (void)fs::file_size("/no/such/file"); }).message, HasSubstr("/no/such/file: No such file"));
  EXPECT_EQ(failure_of([] { throw std::logic_error("x"); }).exit_code, 1);
  EXPECT_EQ(failure_of([] { throw 1; }).exit_code, 1);
}

TEST(Nearest, FindsMistypedWordsAndOnlyThose) {
  const std::vector<std::string> known = {"train", "eval", "predict", "--batch-size", "--lr"};
  EXPECT_EQ(nearest("trian", known), "train");
  EXPECT_EQ(nearest("--batch", known), "--batch-size");
  EXPECT_EQ(nearest("--batchsize", known), "--batch-size");
  EXPECT_EQ(nearest("predcit", known), "predict");
  EXPECT_EQ(nearest("zebra-crossing", known), "");
  EXPECT_EQ(nearest("xy", known), "");
  EXPECT_EQ(edit_distance("abcd", "acbd"), 1);
  EXPECT_EQ(edit_distance("", "abc"), 3);
  EXPECT_EQ(edit_distance("kitten", "sitting"), 3);
}

class OutputFolder : public ::testing::Test {
 protected:
  OutputFolder() {
    std::string name = (fs::temp_directory_path() / "sepia-cli-XXXXXX").string();
    root_ = ::mkdtemp(name.data());
  }
  ~OutputFolder() override { fs::remove_all(root_); }
  fs::path root_;
};

TEST_F(OutputFolder, IsMadeWithItsParentsAndMayBeEmpty) {
  claim_output_folder(root_ / "a" / "b", false);
  EXPECT_TRUE(fs::is_directory(root_ / "a" / "b"));
  claim_output_folder(root_ / "a" / "b", false);
  EXPECT_TRUE(fs::is_empty(root_ / "a" / "b"));
}

TEST_F(OutputFolder, InUseIsRefusedAndLeftAlone) {
  std::ofstream(root_ / "mine.txt") << "kept";
  const Failure failure = failure_of([&] { claim_output_folder(root_, false, {"mine.txt"}); });
  EXPECT_EQ(failure.exit_code, 2);
  EXPECT_THAT(failure.message, HasSubstr("is in use (not empty)"));
  EXPECT_TRUE(fs::exists(root_ / "mine.txt"));
}

TEST_F(OutputFolder, OverwriteRemovesOnlyWhatAnEarlierRunLeft) {
  std::ofstream(root_ / "mine.txt") << "kept";
  std::ofstream(root_ / "last.safetensors") << "old";
  claim_output_folder(root_, true, {"last.safetensors", "plots"});
  EXPECT_TRUE(fs::exists(root_ / "mine.txt"));
  EXPECT_FALSE(fs::exists(root_ / "last.safetensors"));
}

TEST_F(OutputFolder, AFileOrAnUnwritablePlaceIsAnError) {
  std::ofstream(root_ / "file") << "x";
  EXPECT_EQ(failure_of([&] { claim_output_folder(root_ / "file", true); }).exit_code, 2);
  EXPECT_EQ(failure_of([&] { claim_output_folder(root_ / "file" / "below", true); }).exit_code, 4);
  EXPECT_EQ(failure_of([&] { claim_output_folder("/proc/sepia", false); }).exit_code, 4);
}

TEST(Progress, LineTellsHowFarAndHowLong) {
  const std::string line = progress_line("epoch 3/40", {.done = 500, .total = 1000, .seconds = 10.0, .loss = 0.53125, .accuracy = 0.75}, 100);
  EXPECT_EQ(line, "epoch 3/40 [===============>              ]  50%  50 img/s  loss 0.5312  acc 0.750  left 0:10");
  for (int width = 0; width < 120; ++width) EXPECT_LT(static_cast<int>(progress_line("epoch 3/40", {.done = 1, .total = 9}, width).size()), std::max(width, 1));
  EXPECT_THAT(progress_line("x", {.done = 0, .total = 0}, 80), HasSubstr("left -:--"));
}

TEST(Progress, DurationsReadAsClocks) {
  EXPECT_EQ(duration_text(7.4), "0:07");
  EXPECT_EQ(duration_text(59.6), "1:00");
  EXPECT_EQ(duration_text(3723.0), "1:02:03");
  EXPECT_EQ(duration_text(-1.0), "-:--");
}

std::string drawn(int width) {
  char* text = nullptr;
  std::size_t size = 0;
  std::FILE* out = ::open_memstream(&text, &size);
  {
    ProgressBar bar(out, width);
    bar.start("epoch 1/2", 10);
    bar.update(5, 0.5, 0.5);
    bar.line("epoch 1/2 done");
  }
  std::fclose(out);
  std::string result(text, size);
  std::free(text);
  return result;
}

TEST(Progress, ALogFileSeesOnlyPlainLines) {
  EXPECT_EQ(drawn(0), "epoch 1/2 done\n");
  EXPECT_THAT(drawn(80), HasSubstr("\repoch 1/2 ["));
  EXPECT_THAT(drawn(80), HasSubstr("\r\x1b[Kepoch 1/2 done\n"));
}

/// Sends a signal to this process, as a terminal or `kill` does, and waits until it was taken up (two seconds at most).
void signal_and_wait(int signal_number) {
  ::kill(::getpid(), signal_number);
  for (int i = 0; i < 2000 && !stop_requested(); ++i) std::this_thread::sleep_for(std::chrono::milliseconds(1));
}

TEST(Signals, TheFirstAsksTheSecondEnds) {
  {
    GracefulStop stop;
    EXPECT_FALSE(stop_requested());
    signal_and_wait(SIGTERM);
    EXPECT_TRUE(stop_requested());
    EXPECT_EQ(stop_exit_code(), 143);
  }
  EXPECT_EXIT(
      {
        GracefulStop stop;
        signal_and_wait(SIGTERM);
        ::kill(::getpid(), SIGINT);
        std::this_thread::sleep_for(std::chrono::seconds(5));
      },
      ::testing::ExitedWithCode(130), "");
  EXPECT_EXIT(
      {
        exit_on_signals();
        ::raise(SIGTERM);
      },
      ::testing::ExitedWithCode(143), "");
}

TEST(Help, WrapsAtSpaces) { EXPECT_EQ(wrapped("one two three four", 2, 9), "one two\n  three\n  four"); }

}  // namespace
}  // namespace sepia::cli
