// What `sepia summary` says of a training step's memory, against steps of that size.
#include "tools/summary/step_memory.h"

#include <gtest/gtest.h>

#include <thread>

#include "engine/nn/flat_parameters.h"
#include "engine/train/stepper.h"
#include "models/model.h"
#include "models/xception.h"
#include "tests/support/noise_batch.h"

namespace sepia::tools {
namespace {

/// Bytes of the plan after two real steps.
std::size_t measured(nn::Module& model, int side, int batch) {
  std::size_t bytes = 0;
  std::thread([&] {
    model.train();
    train::Stepper stepper(model, {});
    for (std::uint32_t i = 0; i < 2; ++i) stepper.step(test::noise_batch(batch, side, i), 1e-3);
    bytes = arena_of(model.device())->statistics().slab_bytes;
  }).join();
  return bytes;
}

void expect_right_to_five_percent(nn::Module& model, int side, int batch) {
  model.place(kCpuDevice, DType::kF32, 1);
  const std::vector<double> before = model.flat().weights().to_doubles();
  const StepMemory told = step_memory(model, side, batch);
  EXPECT_EQ(model.flat().weights().to_doubles(), before) << "the weights must stay as they are";
  const auto weights = static_cast<std::size_t>(model.parameter_count()) * sizeof(float);
  EXPECT_GE(told.state_bytes, 4 * weights);
  EXPECT_LE(static_cast<double>(told.state_bytes), 4.1 * static_cast<double>(weights) + 1e5);
  const auto planned = static_cast<double>(measured(model, side, batch));
  EXPECT_NEAR(static_cast<double>(told.step_bytes), planned, 0.05 * planned) << batch << " pictures of " << side;
}

TEST(StepMemory, IsRightToFivePercent) {
  for (const char* name : {"edgenet", "simplenet"}) {
    models::ModelSpec spec = models::default_spec(name);
    spec.image_size = 96;
    const auto model = models::make_model(spec);
    expect_right_to_five_percent(*model, 96, 13);
  }
  models::Xception xception({.classes = 2, .deep_head = true, .width_divisor = 4});
  expect_right_to_five_percent(xception, 96, 6);
}

}  // namespace
}  // namespace sepia::tools
