// The `sepia` command on a CUDA device, as a user types it: --device cuda in place of --device cpu, and nothing else changes.
#include <gmock/gmock.h>

#include <nlohmann/json.hpp>
#include <sstream>

#include "tests/cuda/support/device_table.h"
#include "tests/support/run_command.h"
#include "tests/support/small_dataset.h"
#include "tests/support/temporary_folder.h"

namespace sepia::test {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class CudaCommand : public CudaTest {
 protected:
  std::string path(const std::string& name) const { return (folder_.path() / name).string(); }
  /// Trains on pictures so small that an emulated device does it in seconds.
  CommandResult train(const std::string& run, const std::vector<std::string>& more) {
    std::vector<std::string> words{"train", "edgenet", "--data", path("data"), "--out", path(run), "--epochs", "2", "--image-size", "32", "-b", "4",
                                   "--lr", "3e-3", "--json"};
    words.insert(words.end(), more.begin(), more.end());
    return run_sepia(words);
  }
  void SetUp() override {
    CudaTest::SetUp();
    if (!IsSkipped()) write_small_dataset(path("data"), {.train = 4, .val = 2, .test = 3, .side = 32});
  }

  TemporaryFolder folder_;
};

TEST_F(CudaCommand, DoctorSaysWhatRuns) {
  const CommandResult result = run_sepia({"doctor", "--device", "cuda", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  const json report = json::parse(result.out);
  EXPECT_EQ(report.at("backend"), "cuda:0");
  EXPECT_EQ(report.at("cuda"), cuda_under_test().backend->device);
  EXPECT_EQ(report.at("precisions"), (json{"fp32", "bf16"}));
  const std::string libraries = report.at("cuda_libraries");
  EXPECT_THAT(libraries, cuda_under_test().simt ? HasSubstr("emulated") : HasSubstr("cuBLASLt"));
}

TEST_F(CudaCommand, AutoTakesARealDeviceAndNeverAnEmulatedOne) {
  const CommandResult result = run_sepia({"doctor", "--json"});
  ASSERT_EQ(result.exit_code, 0) << result.err;
  EXPECT_EQ(json::parse(result.out).at("backend"), cuda_under_test().simt ? "cpu" : "cuda:0");
}

TEST_F(CudaCommand, ADeviceThatIsNotThereIsRefused) {
  const CommandResult result = run_sepia({"doctor", "--device", "cuda:99"});
  EXPECT_EQ(result.exit_code, 2);
  EXPECT_THAT(result.err, HasSubstr("error: --device cuda:99: there is no CUDA device 99; this machine has "));
}

TEST_F(CudaCommand, TrainsEvaluatesAndPredicts) {
  for (const char* precision : {"fp32", "bf16"}) {
    const std::string run = str("run-", precision);
    const CommandResult trained = train(run, {"--device", "cuda", "--precision", precision});
    ASSERT_EQ(trained.exit_code, 0) << trained.err;

    // The weights that came out, judged on the CPU and on the device: the same file, the same figures.
    const auto predictions = [&](const std::vector<std::string>& where) {
      std::vector<std::string> words{"predict", "-r", path("data") + "/test", "-m", path(run), "--json"};
      words.insert(words.end(), where.begin(), where.end());
      const CommandResult result = run_sepia(words);
      EXPECT_EQ(result.exit_code, 0) << result.err;
      std::vector<double> probabilities;
      std::istringstream lines(result.out);
      for (std::string line; std::getline(lines, line);) probabilities.push_back(json::parse(line).at("prob_fake").get<double>());
      return probabilities;
    };
    const auto on_cpu = predictions({"--device", "cpu"}), on_cuda = predictions({"--device", "cuda"}),
               in_bf16 = predictions({"--device", "cuda", "--precision", "bf16"});
    ASSERT_EQ(on_cpu.size(), 6U);
    ASSERT_EQ(on_cuda.size(), 6U);
    for (std::size_t i = 0; i < on_cpu.size(); ++i) {
      EXPECT_NEAR(on_cuda[i], on_cpu[i], 1e-4) << i;
      EXPECT_NEAR(in_bf16[i], on_cpu[i], 3e-2) << i;
    }
    const CommandResult evaluated = run_sepia({"eval", path(run), "--data", path("data"), "--device", "cuda", "--json"});
    ASSERT_EQ(evaluated.exit_code, 0) << evaluated.err;
    EXPECT_EQ(json::parse(evaluated.out).at("n"), 6);
  }
}

TEST_F(CudaCommand, ARunKeepsItsDeviceWhenItGoesOn) {
  const CommandResult trained = train("run", {"--device", "cuda"});
  ASSERT_EQ(trained.exit_code, 0) << trained.err;
  const CommandResult elsewhere = run_sepia({"train", "--resume", path("run"), "--device", "cpu"});
  EXPECT_EQ(elsewhere.exit_code, 2);
  EXPECT_THAT(elsewhere.err, HasSubstr("device = \"cuda:0\""));
}

}  // namespace
}  // namespace sepia::test
