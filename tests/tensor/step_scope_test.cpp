// The arena under real training steps: after the first step of a kind, none allocates.
#include <gtest/gtest.h>

#include <stdexcept>
#include <thread>

#include "engine/nn/flat_parameters.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/materialise.h"
#include "engine/train/stepper.h"
#include "models/model.h"
#include "tests/support/counter_formula.h"

namespace sepia {
namespace {

std::int64_t allocations() { return arena_of(kCpuDevice)->statistics().source_allocations; }

Batch batch_of(int n, int size) {
  Batch batch;
  batch.n = n;
  batch.height = batch.width = size;
  for (int i = 0; i < n; ++i) {
    batch.labels.push_back(i % 2);
    batch.indices.push_back(static_cast<std::size_t>(i));
  }
  for (int i = 0; i < n * size * size * 3; ++i) batch.pixels.push_back(static_cast<std::uint8_t>(counter_formula::hash32(static_cast<std::uint32_t>(i))));
  return batch;
}

std::unique_ptr<nn::Module> network(const std::string& name) {
  models::ModelSpec spec = models::default_spec(name);
  spec.image_size = 64;
  auto model = models::make_model(spec);
  model->place(kCpuDevice, DType::kF32, 1);
  return model;
}

void expect_second_steps_allocate_nothing(const std::string& name) {
  const auto model = network(name);
  train::StepOptions options;
  options.clip_grad = 1;
  options.ema_decay = 0.9;
  train::Stepper stepper(*model, options);
  const Batch full = batch_of(3, 64), last = batch_of(2, 64);
  std::int64_t settled = 0;
  for (int round = 0; round < 3; ++round) {
    for (const Batch* batch : {&full, &last}) {
      stepper.accumulate(*batch, 1);
      stepper.commit(1e-3);
    }
    if (round == 0) settled = allocations();
  }
  EXPECT_GT(settled, 0);
  EXPECT_EQ(allocations(), settled);
}

class Training : public ::testing::TestWithParam<const char*> {};

TEST_P(Training, SecondStepOfAKindAllocatesNothing) {
  // A thread of its own has an arena of its own, which has not seen another network's steps of this kind.
  std::thread([] { expect_second_steps_allocate_nothing(GetParam()); }).join();
}

INSTANTIATE_TEST_SUITE_P(Networks, Training, ::testing::Values("edgenet", "simplenet", "xception_based"), [](const auto& info) { return std::string(info.param); });

/// One forward and backward of edgenet in a step; `midway` is called with the output of a block in the middle.
double step(nn::Module& model, const Tensor& x, const nn::Module::Hook& midway) {
  model.flat().clear_gradients();
  model.at("blocks.1").clear_hooks();
  if (midway) model.at("blocks.1").add_hook(midway);
  const StepScope scope(kCpuDevice, "train");
  const Tensor labels = Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, kCpuDevice);
  const Variable loss = ops::cross_entropy(model(Variable(x)), labels);
  backward(loss);
  return loss.value().item();
}

TEST(StepScope, AnExceptionMidwayLeavesTheArenaUsable) {
  for (const int steps_before : {0, 2}) {  // while recording, while replaying
    const auto model = network("edgenet");
    model->flat().require_gradients();
    const Tensor x = Tensor::from_host<float>(std::vector<float>(2 * 64 * 64 * 3, 0.25F), {2, 64, 64, 3}, kCpuDevice);
    const double loss = step(*model, x, {});
    const std::vector<double> gradients = model->flat().gradients().to_doubles();
    for (int i = 0; i < steps_before; ++i) step(*model, x, {});
    EXPECT_THROW(step(*model, x, [](const Variable&, const Variable&) { throw std::runtime_error("midway"); }), std::runtime_error);
    EXPECT_FALSE(arena_of(kCpuDevice)->in_step());
    for (int i = 0; i < 2; ++i) {
      EXPECT_EQ(step(*model, x, {}), loss);
      EXPECT_EQ(model->flat().gradients().to_doubles(), gradients);
    }
    const std::int64_t settled = allocations();
    step(*model, x, {});
    EXPECT_EQ(allocations(), settled);
  }
}

TEST(StepScope, AGradientRetainedMidRunOutlivesItsStep) {
  const auto model = network("edgenet");
  model->flat().require_gradients();
  const Tensor x = Tensor::from_host<float>(std::vector<float>(2 * 64 * 64 * 3, 0.25F), {2, 64, 64, 3}, kCpuDevice);
  const double loss = step(*model, x, {});
  const std::vector<double> gradients = model->flat().gradients().to_doubles();
  step(*model, x, {});  // planned now: the next departs from the plan
  Variable kept;
  EXPECT_EQ(step(*model, x, [&](const Variable&, const Variable& output) {
              output.slot()->retain();
              kept = output;
            }), loss);
  const std::vector<double> value = kept.value().to_doubles(), gradient = kept.grad().to_doubles();
  EXPECT_EQ(kept.grad().shape(), Shape({2, 8, 8, 128}));
  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(step(*model, x, {}), loss);
    EXPECT_EQ(model->flat().gradients().to_doubles(), gradients);
  }
  EXPECT_EQ(kept.value().to_doubles(), value) << "later steps wrote over a value that is still held";
  EXPECT_EQ(kept.grad().to_doubles(), gradient) << "later steps wrote over a gradient that is still held";
}

}  // namespace
}  // namespace sepia
