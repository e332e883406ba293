// sepia train as a process: what it leaves behind, and what it says to wrong options, wrong folders and wrong pictures.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "kernels/backend.h"
#include "tests/support/files.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using ::testing::StartsWith;

class TrainCommand : public ::testing::Test {
 protected:
  TrainCommand() { write_small_dataset(data()); }

  fs::path data() const { return folder_ / "data"; }
  fs::path run() const { return folder_ / "run"; }

  /// sepia train edgenet on the small data set, with more options; the last of two equal options must not be needed.
  CommandResult train(const std::vector<std::string>& more = {}) const {
    std::vector<std::string> words = {"train", "edgenet", "--data", data(), "--out", run(), "--image-size", "32", "--epochs", "2", "-b", "8"};
    words.insert(words.end(), more.begin(), more.end());
    return run_sepia(words);
  }

  void write(const fs::path& path, const std::string& bytes) const {
    fs::create_directories((data() / path).parent_path());
    std::ofstream(data() / path, std::ios::binary) << bytes;
  }

  /// Exit code `code`, and an error of one line that holds `parts`; progress may stand before it.
  static void expect_failure(const CommandResult& result, int code, const std::vector<std::string>& parts) {
    EXPECT_EQ(result.exit_code, code) << result.err;
    const std::size_t at = result.err.rfind("error: ");
    ASSERT_NE(at, std::string::npos) << result.err;
    const std::string line = result.err.substr(at);
    EXPECT_EQ(std::count(line.begin(), line.end(), '\n'), 1) << line;
    for (const std::string& part : parts) EXPECT_THAT(line, HasSubstr(part));
    EXPECT_EQ(result.out, "");
  }

  TemporaryFolder folder_;
};

TEST_F(TrainCommand, LeavesARunFolderThatHoldsEverything) {
  const CommandResult result = train({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  for (const char* name : {"config.json", "log.json", "log.jsonl", "best.safetensors", "last.safetensors", "predictions_test.csv", "metrics.json", "manifest.csv",
                           "report.html"}) {
    EXPECT_GT(fs::file_size(run() / name), 0U) << name;
  }
  EXPECT_FALSE(fs::is_empty(run() / "plots"));
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("epochs"), 2);
  const auto log = nlohmann::json::parse(bytes_of(run() / "log.json"));
  EXPECT_EQ(log.at("train_loss").size(), 2U);
  EXPECT_EQ(log.at("optimizer").at("name"), "adam");
  // One plain line per epoch: stderr is no terminal here.
  EXPECT_EQ(result.err.find('\r'), std::string::npos);
  EXPECT_EQ(result.err.find('\x1b'), std::string::npos);
  EXPECT_THAT(result.err, HasSubstr("epoch 2/2 "));
  EXPECT_EQ(run_sepia({"summary", run(), "--json"}).exit_code, 0);
}

TEST_F(TrainCommand, DoesNotDependOnThreadsOrWorkers) {
  ASSERT_EQ(train({"--threads", "1", "--workers", "0"}).exit_code, 0);
  const std::string weights = bytes_of(run() / "best.safetensors");
  const CommandResult again = train({"--threads", "3", "--workers", "3", "--overwrite"});
  ASSERT_EQ(again.exit_code, 0) << again.err;
  EXPECT_EQ(bytes_of(run() / "best.safetensors"), weights);
}

TEST_F(TrainCommand, StrongChangesAndResidualInputAreTheSameForAnyThreadsAndWorkers) {
  const std::vector<std::string> recipe{"--augment", "strong", "--input", "residual", "--sched", "onecycle", "--opt", "adamw", "--weight-decay", "0.05"};
  const auto with = [&](std::vector<std::string> more) {
    more.insert(more.begin(), recipe.begin(), recipe.end());
    return train(more);
  };
  ASSERT_EQ(with({"--threads", "1", "--workers", "0"}).exit_code, 0);
  const std::string weights = bytes_of(run() / "best.safetensors"), predictions = bytes_of(run() / "predictions_test.csv");
  EXPECT_THAT(weights.substr(0, 4096), HasSubstr(R"("sepia.input":"residual")"));
  EXPECT_EQ(nlohmann::json::parse(bytes_of(run() / "config.json")).at("config").at("input"), "residual");
  ASSERT_EQ(with({"--threads", "3", "--workers", "3", "--overwrite"}).exit_code, 0);
  EXPECT_EQ(bytes_of(run() / "best.safetensors"), weights);
  // What eval and predict say is what training said: they feed the pictures as the file asks.
  const CommandResult evaluated = run_sepia({"eval", run(), "--data", data(), "--out", folder_ / "evaluated", "--json"});
  ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
  EXPECT_EQ(bytes_of(folder_ / "evaluated/predictions_test.csv"), predictions);
  const CommandResult predicted = run_sepia({"predict", data() / "test/fake/0.png", "-m", run(), "--json"});
  const std::string row = predictions.substr(predictions.find("test/fake/0.png,fake,") + 21);
  EXPECT_NEAR(nlohmann::json::parse(predicted.out).at("prob_fake").get<double>(), std::stod(row), 1e-6);
  expect_failure(run_sepia({"train", "--resume", run(), "--input", "rgb"}), 2, {"input", "residual"});
}

TEST_F(TrainCommand, APresetStandsUnderWhatIsGiven) {
  const auto settings = [](const fs::path& of_run) { return nlohmann::json::parse(bytes_of(of_run / "config.json")).at("config"); };
  ASSERT_EQ(train({"--preset", "detector", "--lr", "0.002"}).exit_code, 0);
  const auto config = settings(run());
  EXPECT_EQ(config.at("input"), "residual");
  EXPECT_EQ(config.at("opt"), "adamw");
  EXPECT_EQ(config.at("weight_decay"), 0.05);
  EXPECT_EQ(config.at("sched"), "onecycle");
  EXPECT_EQ(config.at("lr"), 0.002) << "given";
  EXPECT_EQ(config.at("epochs"), 2) << "given before the preset's name";

  const CommandResult same = run_sepia({"train", "--resume", run(), "--preset", "detector", "--lr", "0.002", "--epochs", "2", "-b", "8"});
  EXPECT_EQ(same.exit_code, 0) << same.err;
  expect_failure(run_sepia({"train", "--resume", run(), "--preset", "detector"}), 2, {"--resume", "the run has", "this command asks for"});

  const fs::path tuned = folder_ / "tuned";
  ASSERT_EQ(run_sepia({"train", "edgenet", "--data", data(), "--out", folder_ / "plain", "--image-size", "32", "--epochs", "1"}).exit_code, 0);
  ASSERT_EQ(run_sepia({"train", "edgenet", "--data", data(), "--out", tuned, "--preset", "detector", "--epochs", "1", "--pretrained", folder_ / "plain"}).exit_code, 0);
  EXPECT_EQ(settings(tuned).at("input"), "rgb") << "that of the weights";
  EXPECT_EQ(settings(tuned).at("opt"), "adamw");
  expect_failure(train({"--preset", "magic"}), 2, {"--preset: there is no 'magic'; there are document, detector"});
}

TEST_F(TrainCommand, FakesThatAreBlendedNeedNoFolderOfThem) {
  fs::remove_all(data() / "train/fake");
  expect_failure(train(), 3, {"train"});
  const CommandResult trained = train({"--fakes", "blend", "--threads", "1", "--workers", "0"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const auto config = nlohmann::json::parse(bytes_of(run() / "config.json"));
  EXPECT_EQ(config.at("data").at("train").at("n_real"), config.at("data").at("train").at("n_fake"));
  EXPECT_GT(config.at("data").at("train").at("n_real"), 0);
  EXPECT_THAT(bytes_of(run() / "manifest.csv"), ::testing::Not(HasSubstr("train/fake")));
  EXPECT_THAT(bytes_of(run() / "manifest.csv"), HasSubstr("train/real"));
  EXPECT_THAT(bytes_of(run() / "report.html"), HasSubstr("blended with themselves"));
  const std::string weights = bytes_of(run() / "last.safetensors");
  ASSERT_EQ(train({"--fakes", "blend", "--threads", "3", "--workers", "3", "--overwrite"}).exit_code, 0);
  EXPECT_EQ(bytes_of(run() / "last.safetensors"), weights);
  expect_failure(run_sepia({"train", "--resume", run(), "--fakes", "files"}), 2, {"fakes"});
}

TEST_F(TrainCommand, ResumingAFinishedOrInterruptedRunGivesTheSameBytes) {
  ASSERT_EQ(train({"--checkpoint-every", "1"}).exit_code, 0);
  const std::string last = bytes_of(run() / "last.safetensors");
  const CommandResult finished = run_sepia({"train", "--resume", run()});
  EXPECT_EQ(finished.exit_code, 0) << finished.err;
  EXPECT_EQ(bytes_of(run() / "last.safetensors"), last);
  expect_failure(run_sepia({"train", "--resume", run(), "--lr", "0.5"}), 2, {"lr", "0.5"});
  expect_failure(run_sepia({"train", "--resume", folder_ / "nothing"}), 4, {"nothing"});
}

TEST_F(TrainCommand, RepeatTrainsSeedAfterSeedAndSumsUp) {
  const CommandResult result = train({"--repeat", "3", "--seed", "4", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_EQ(json.at("seeds"), nlohmann::json({4, 5, 6}));
  std::vector<double> losses;
  for (const char* seed : {"seed-4", "seed-5", "seed-6"}) {
    losses.push_back(nlohmann::json::parse(bytes_of(run() / seed / "metrics.json")).at("loss"));
    EXPECT_TRUE(fs::exists(run() / seed / "report.html"));
  }
  const auto& loss = json.at("summary").at("loss");
  const double mean = (losses[0] + losses[1] + losses[2]) / 3;
  EXPECT_NEAR(loss.at("mean").get<double>(), mean, 1e-12);
  EXPECT_EQ(loss.at("low"), *std::ranges::min_element(losses));
  EXPECT_EQ(loss.at("high"), *std::ranges::max_element(losses));
  EXPECT_THAT(result.err, HasSubstr("3 seeds, on test:"));
  // One of them by itself is the same run, and its folder says so.
  const std::string weights = bytes_of(run() / "seed-5/best.safetensors");
  const auto command = nlohmann::json::parse(bytes_of(run() / "seed-5/config.json")).at("command").get<std::vector<std::string>>();
  EXPECT_EQ(std::count(command.begin(), command.end(), "--repeat"), 0);
  std::vector<std::string> alone(command.begin() + 1, command.end());
  alone.push_back("--overwrite");
  ASSERT_EQ(run_sepia(alone).exit_code, 0);
  EXPECT_EQ(bytes_of(run() / "seed-5/best.safetensors"), weights);
  // Resuming fills what is missing and keeps the rest.
  fs::remove_all(run() / "seed-6");
  const CommandResult resumed = run_sepia({"train", "--resume", run(), "--json"});
  ASSERT_EQ(resumed.exit_code, 0) << resumed.err;
  EXPECT_EQ(nlohmann::json::parse(resumed.out).at("summary"), json.at("summary"));
  expect_failure(run_sepia({"train", "--resume", run(), "--repeat", "2"}), 2, {"--repeat 3", "asks for 2"});
}

TEST_F(TrainCommand, RefusesNumbersThatMakeNoSense) {
  for (const auto& [option, value] : std::vector<std::pair<std::string, std::string>>{{"--lr", "nan"},
                                                                                      {"--lr", "-1"},
                                                                                      {"--lr", "1e999"},
                                                                                      {"--weight-decay", "inf"},
                                                                                      {"--smoothing", "1"},
                                                                                      {"--patience", "-1"},
                                                                                      {"--workers", "many"},
                                                                                      {"--seed", "-7"},
                                                                                      {"--threads", "2.5"}}) {
    expect_failure(train({option, value}), 2, {option + " " + value + ": must be"});
  }
  expect_failure(run_sepia({"train", "edgenet", "--data", data(), "--out", run(), "--batch-size", "-8"}), 2, {"--batch-size -8: must be"});
  expect_failure(run_sepia({"train", "edgenet", "--data", data(), "--out", run(), "--epochs", "0"}), 2, {"--epochs 0: must be"});
  EXPECT_FALSE(fs::exists(run())) << "a refused command must not leave a folder behind";
}

TEST_F(TrainCommand, RefusesWhatIsNotThere) {
  expect_failure(train({"--learning-rate", "1"}), 2, {"unknown option '--learning-rate'", "sepia train --help"});
  expect_failure(train({"--epoch", "1"}), 2, {"did you mean '--epochs'?"});
  expect_failure(train({"--device", "cuda:999"}), 2, {"--device cuda:999: ", "use --device cpu"});
  expect_failure(train({"--opt", "adamax"}), 2, {"adamax"});
  expect_failure(train({"--sched", "step"}), 2, {"step"});
  expect_failure(train({"--augment", "wild"}), 2, {"wild"});
  expect_failure(train({"--input", "grey"}), 2, {"grey", "rgb or residual"});
  expect_failure(train({"--input", "residual", "--normalise", "document"}), 2, {"--normalise", "--input rgb"});
  expect_failure(run_sepia({"train", "resnet", "--data", data(), "--out", run()}), 2, {"resnet", "edgenet"});
  expect_failure(run_sepia({"train", "edgenet", "--data", folder_ / "no-data", "--out", run()}), 4, {"no-data"});
  expect_failure(run_sepia({"train", "edgenet", "--out", run()}), 2, {"--data"});
  expect_failure(run_sepia({"train", "simplenet", "--data", data(), "--out", run(), "--image-size", "32"}), 2, {"50"});
}

// bf16 where the processor can, twice to the same bytes, and a reason where it cannot.
TEST_F(TrainCommand, Bfloat16WhereTheProcessorCan) {
  const auto in_bf16 = [&](const std::string& folder, const std::string& epochs) {
    return run_sepia({"train", "edgenet", "--data", data(), "--out", folder_ / folder, "--image-size", "32", "-b", "8", "--epochs", epochs, "--precision", "bf16"});
  };
  const CommandResult refused = run_sepia({"train", "edgenet", "--data", data(), "--out", run(), "--precision", "bf16"}, "", {"SEPIA_MAX_ISA=avx2"});
  expect_failure(refused, 2, {"--precision bf16", "AVX-512 BF16 or AMX", "use --precision fp32"});
  if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products";
  ASSERT_EQ(in_bf16("whole", "2").exit_code, 0);
  ASSERT_EQ(in_bf16("again", "2").exit_code, 0);
  EXPECT_EQ(bytes_of(folder_ / "whole" / "last.safetensors"), bytes_of(folder_ / "again" / "last.safetensors"));
  EXPECT_THAT(bytes_of(folder_ / "whole" / "config.json"), HasSubstr("\"precision\": \"bf16\""));
  const CommandResult judged = run_sepia({"eval", folder_ / "whole", "--data", data(), "--split", "test", "--json", "--precision", "bf16"});
  EXPECT_EQ(judged.exit_code, 0) << judged.err;
}

TEST_F(TrainCommand, RefusesAnOutputFolderInUse) {
  fs::create_directories(run());
  std::ofstream(run() / "thesis.txt") << "precious";
  expect_failure(train(), 2, {"is in use"});
  EXPECT_EQ(bytes_of(run() / "thesis.txt"), "precious");
  EXPECT_EQ(train({"--overwrite"}).exit_code, 0);
  EXPECT_EQ(bytes_of(run() / "thesis.txt"), "precious");
}

TEST_F(TrainCommand, NamesTheFolderThatIsMisspelt) {
  fs::rename(data() / "train/real", data() / "train/Real");
  fs::rename(data() / "train/fake", data() / "train/FAKE");
  expect_failure(train(), 3, {"'Real'", "'FAKE'", "real/ and fake/"});
}

TEST_F(TrainCommand, NeedsBothClassesInTrain) {
  fs::remove_all(data() / "train/fake");
  expect_failure(train(), 3, {"fake"});
  EXPECT_FALSE(fs::exists(run())) << "the corrected command must be able to use the folder";
  fs::create_directories(data() / "train/fake");
  expect_failure(train(), 3, {"fake"});
}

TEST_F(TrainCommand, ListsEveryBadPictureOrGoesOnWithout) {
  const std::string good = bytes_of(data() / "train/real/0.png");
  write("train/real/empty.png", "");
  write("train/real/text.png", "this is no picture\n");
  write("train/fake/short.png", good.substr(0, good.size() / 2));
  std::string huge = good;
  huge.replace(16, 8, std::string("\0\0\xff\xff\0\0\xff\xff", 8));  // IHDR width and height; the checksum is wrong then, too
  write("train/fake/huge.png", huge);
  const std::vector<std::byte> jpeg = encode_jpeg(striped_picture(32, false, 99));
  write("val/real/short.jpg", std::string(reinterpret_cast<const char*>(jpeg.data()), jpeg.size() / 2));
  expect_failure(train(), 3, {"5 pictures", "train/real/empty.png", "train/real/text.png", "train/fake/short.png", "train/fake/huge.png", "val/real/short.jpg",
                              "--bad-images skip"});
  const CommandResult skipped = train({"--bad-images", "skip"});
  EXPECT_EQ(skipped.exit_code, 0) << skipped.err;
  EXPECT_THAT(skipped.err, HasSubstr("train/real/empty.png"));
  EXPECT_EQ(bytes_of(run() / "manifest.csv").find("empty.png"), std::string::npos);
}

TEST_F(TrainCommand, TrainsWithoutValOrTestAndSaysWhatIsMissing) {
  fs::remove_all(data() / "val");
  fs::remove_all(data() / "test");
  const CommandResult result = train({"--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const auto json = nlohmann::json::parse(result.out);
  EXPECT_TRUE(json.at("auc").is_null());
  EXPECT_TRUE(json.at("auc_reason").is_string());
  const auto log = nlohmann::json::parse(bytes_of(run() / "log.json"));
  EXPECT_TRUE(log.at("test_loss").is_null());
}

}  // namespace
}  // namespace sepia::test
