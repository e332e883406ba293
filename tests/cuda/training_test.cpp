// Whole training steps on the CUDA device beside the CPU's: the engine, the backend and every kernel together, step by step and as
// a recorded graph, in fp32 and bf16.
#include <gmock/gmock.h>

#include <cmath>
#include <cstdlib>
#include <memory>

#include "engine/train/stepper.h"
#include "models/model.h"
#include "tests/cuda/support/device_table.h"
#include "tests/support/noise_batch.h"

namespace sepia::test {
namespace {

constexpr Device kCuda{DeviceKind::kCuda, 0};

struct Network {
  std::string name;
  int image_size, batch;
};

std::unique_ptr<nn::Module> placed(const Network& network, Device device, DType dtype) {
  models::ModelSpec spec = models::default_spec(network.name);
  spec.image_size = network.image_size;
  auto model = models::make_model(spec);
  model->place(device, dtype, 3);
  model->train();
  return model;
}

struct Curve {
  std::vector<double> losses;
  std::vector<double> weights, running;  // after the last step
  std::int64_t played_back = 0;
};

struct RunOptions {
  int steps = 5;
  bool record = false;
  bool halves = false;  ///< accumulate() and commit() in place of step()
};

Curve train(const Network& network, Device device, DType dtype, const RunOptions& options) {
  const auto model = placed(network, device, dtype);
  train::StepOptions step_options{.clip_grad = 5, .ema_decay = 0.9};
  step_options.record = options.record;
  train::Stepper stepper(*model, step_options);
  Curve curve;
  for (int i = 0; i < options.steps; ++i) {
    const Batch batch = noise_batch(network.batch, network.image_size, static_cast<std::uint32_t>(i));
    const double lr = 1e-3 / (1 + i);
    if (options.halves) {
      curve.losses.push_back(stepper.accumulate(batch, 1).loss);
      stepper.commit(lr);
    } else {
      curve.losses.push_back(stepper.step(batch, lr).loss);
    }
  }
  curve.weights = model->flat().weights().to_doubles();
  curve.running = model->flat().running_statistics().to_doubles();
  curve.played_back = stepper.steps_played_back();
  return curve;
}

class CudaTraining : public CudaTest, public ::testing::WithParamInterface<Network> {};
INSTANTIATE_TEST_SUITE_P(All, CudaTraining, ::testing::Values(Network{"edgenet", 32, 4}, Network{"simplenet", 50, 2}),
                         [](const auto& info) { return info.param.name; });

void expect_curves_close(const Curve& actual, const Curve& expected, double tolerance) {
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(actual.losses[i], expected.losses[i], tolerance * (1 + std::abs(expected.losses[i]))) << "step " << i + 1;
  }
}

TEST_P(CudaTraining, FollowsTheCpuStepByStep) {
  const Curve cpu = train(GetParam(), kCpuDevice, DType::kF32, {});
  expect_curves_close(train(GetParam(), kCuda, DType::kF32, {}), cpu, 1e-5);
  expect_curves_close(train(GetParam(), kCuda, DType::kF32, {.steps = 2, .halves = true}), Curve{{cpu.losses[0], cpu.losses[1]}, {}, {}, 0}, 1e-5);
}

TEST_P(CudaTraining, ARecordedStepIsTheStepItself) {
  const Curve plain = train(GetParam(), kCuda, DType::kF32, {});
  const Curve recorded = train(GetParam(), kCuda, DType::kF32, {.record = true});
  EXPECT_EQ(recorded.played_back, 3) << "the third step and all after it";
  EXPECT_EQ(recorded.losses, plain.losses);
  EXPECT_EQ(recorded.weights, plain.weights);
  EXPECT_EQ(recorded.running, plain.running);
}

TEST_P(CudaTraining, Bf16FollowsFp32) {
  const Curve cpu = train(GetParam(), kCpuDevice, DType::kF32, {});
  expect_curves_close(train(GetParam(), kCuda, DType::kBF16, {.record = true}), cpu, 2e-2);
}

using CudaStep = CudaTest;

TEST_F(CudaStep, LibrariesChosenInTheFirstStepGiveTheSameBitsInEveryRun) {
  if (!cuda_under_test().simt) GTEST_SKIP() << "what stands for the libraries is in the emulator alone";
  const Network network{"edgenet", 32, 4};
  const Curve ours = train(network, kCuda, DType::kF32, {.record = true});
  setenv("SEPIA_CUDA_LIBRARIES", "close", 1);  // right, with other last bits
  const Curve choosing = train(network, kCuda, DType::kF32, {.record = true});
  const Curve chosen = train(network, kCuda, DType::kF32, {.record = true});
  unsetenv("SEPIA_CUDA_LIBRARIES");
  EXPECT_EQ(choosing.played_back, 3);
  EXPECT_EQ(choosing.losses, chosen.losses);
  EXPECT_EQ(choosing.weights, chosen.weights);
  EXPECT_NE(choosing.weights, ours.weights) << "no library was used";
  expect_curves_close(choosing, ours, 1e-5);
}

TEST_F(CudaStep, ABatchOfAnotherSizeBetweenStepsDoesNoHarm) {
  const Network network{"edgenet", 32, 4};
  const auto run = [&](Device device) {
    const auto model = placed(network, device, DType::kF32);
    train::Stepper stepper(*model, {});
    std::vector<double> losses;
    for (int i = 0; i < 9; ++i) {
      const int n = i % 3 == 2 ? network.batch + 1 : network.batch;
      losses.push_back(stepper.step(noise_batch(n, network.image_size, static_cast<std::uint32_t>(i)), 1e-4).loss);
    }
    return Curve{losses, {}, {}, stepper.steps_played_back()};
  };
  const Curve cuda = run(kCuda);
  expect_curves_close(cuda, run(kCpuDevice), 1e-5);
  EXPECT_GT(cuda.played_back, 2);
}

TEST_F(CudaStep, AWeightThatIsNotANumberStopsTheStepAndMovesNothing) {
  const Network network{"edgenet", 32, 2};
  for (const bool record : {false, true}) {
    const auto model = placed(network, kCuda, DType::kF32);
    train::StepOptions options;
    options.record = record;
    train::Stepper stepper(*model, options);
    const Batch batch = noise_batch(network.batch, network.image_size, 1);
    for (int i = 0; i < 4; ++i) stepper.step(batch, 1e-3);
    const float nan = std::nanf("");
    const Tensor bias = model->flat().weights().slice(0, {1});
    const float kept = bias.to_host<float>()[0];
    bias.copy_from_host(std::as_bytes(std::span(&nan, 1)));
    const std::vector<double> before = model->flat().weights().to_doubles();
    try {
      stepper.step(batch, 1e-3);
      FAIL() << "a NaN passed";
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
      EXPECT_THAT(error.what(), ::testing::HasSubstr("stem.weight"));
    }
    const std::vector<double> after = model->flat().weights().to_doubles();
    for (std::size_t i = 1; i < before.size(); ++i) ASSERT_EQ(after[i], before[i]) << i;
    EXPECT_EQ(stepper.optimizer().steps_taken(), 4);
    bias.copy_from_host(std::as_bytes(std::span(&kept, 1)));
    EXPECT_TRUE(std::isfinite(stepper.step(batch, 1e-3).loss)) << "the next good step goes on";
    EXPECT_EQ(stepper.optimizer().steps_taken(), 5);
  }
}

TEST_F(CudaStep, SteadyStepsAllocateNothing) {
  const Network network{"edgenet", 32, 2};
  const auto model = placed(network, kCuda, DType::kF32);
  train::StepOptions options;
  options.record = false;
  train::Stepper stepper(*model, options);
  const Batch batch = noise_batch(network.batch, network.image_size, 1);
  for (int i = 0; i < 2; ++i) stepper.step(batch, 1e-3);
  const std::int64_t before = arena_of(kCuda)->statistics().source_allocations;
  for (int i = 0; i < 2; ++i) stepper.step(batch, 1e-3);
  EXPECT_EQ(arena_of(kCuda)->statistics().source_allocations, before);
}

}  // namespace
}  // namespace sepia::test
