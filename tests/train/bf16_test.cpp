// Training in bf16 on the CPU: close to fp32, and the same bits for any number of threads.
#include <gtest/gtest.h>

#include <cmath>

#include "engine/base/parallel_for.h"
#include "engine/train/stepper.h"
#include "models/model.h"
#include "tests/support/noise_batch.h"

namespace sepia::test {
namespace {

struct Network {
  const char* name;
  int image_size, batch, steps;
};

struct Curve {
  std::vector<double> losses, weights;
};

Curve train_steps(const Network& network, DType dtype, int steps) {
  models::ModelSpec spec = models::default_spec(network.name);
  spec.image_size = network.image_size;
  spec.classes = 2;
  const auto model = models::make_model(spec);
  model->place(kCpuDevice, dtype, 3);
  model->train();
  train::Stepper stepper(*model, {.clip_grad = 5});
  Curve curve;
  for (int i = 0; i < steps; ++i) {
    curve.losses.push_back(stepper.step(noise_batch(network.batch, network.image_size, static_cast<std::uint32_t>(i)), 1e-3 / (1 + i)).loss);
  }
  curve.weights = model->flat().weights().to_doubles();
  return curve;
}

class CpuBf16Training : public ::testing::TestWithParam<Network> {
 protected:
  void SetUp() override {
    if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "this processor has no bf16 products";
  }
};
INSTANTIATE_TEST_SUITE_P(All, CpuBf16Training, ::testing::Values(Network{"edgenet", 64, 8, 5}, Network{"simplenet", 64, 4, 5}, Network{"xception_based", 64, 4, 2}),
                         [](const auto& info) { return info.param.name; });

TEST_P(CpuBf16Training, FollowsFp32) {
  const Curve expected = train_steps(GetParam(), DType::kF32, GetParam().steps), actual = train_steps(GetParam(), DType::kBF16, GetParam().steps);
  for (std::size_t i = 0; i < expected.losses.size(); ++i) {
    EXPECT_NEAR(actual.losses[i], expected.losses[i], 3e-2 * (1 + std::abs(expected.losses[i]))) << "step " << i + 1;
  }
  EXPECT_NE(actual.losses, expected.losses) << "this is not bf16";
}

TEST_P(CpuBf16Training, TheSameBitsForAnyThreads) {
  set_num_threads(1);
  const Curve one = train_steps(GetParam(), DType::kBF16, GetParam().steps / 2);
  set_num_threads(4);
  const Curve four = train_steps(GetParam(), DType::kBF16, GetParam().steps / 2);
  set_num_threads(0);
  EXPECT_EQ(one.losses, four.losses);
  EXPECT_TRUE(one.weights == four.weights);
}

}  // namespace
}  // namespace sepia::test
