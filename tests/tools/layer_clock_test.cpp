// The clock at the borders of layers: it charges the right ones, and a step under it is the same step.
#include "tools/measure/layer_clock.h"

#include <gtest/gtest.h>

#include <chrono>
#include <memory>
#include <numeric>
#include <thread>

#include "engine/nn/layers.h"
#include "engine/ops/record.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "models/model.h"

namespace sepia {
namespace {

using tools::LayerClock;
using tools::StepTimes;

struct Pauses {
  int forward_ms, backward_ms;
};

void pause(int ms) { std::this_thread::sleep_for(std::chrono::milliseconds(ms)); }

struct PauseNode final : Node {
  explicit PauseNode(int ms) : ms_(ms) {}
  const char* name() const override { return "pause"; }
  void backward(Tensor grad_y) override {
    pause(ms_);
    input(0).deliver(std::move(grad_y));
  }
  int ms_;
};

Variable pausing(const Variable& x, const Pauses& pauses) {
  pause(pauses.forward_ms);
  return ops::record<PauseNode>(x.stored().clone(), {&x}, pauses.backward_ms);
}

class Pause final : public nn::Module {
 public:
  explicit Pause(const Pauses& pauses) : pauses_(pauses) {}
  std::string type() const override { return "Pause"; }

 protected:
  Variable forward(const Variable& x) override { return pausing(x, pauses_); }

 private:
  Pauses pauses_;
};

/// a, then work of its own, then the layer in b.
class Pair final : public nn::Module {
 public:
  Pair() : a_(add<Pause>("a", Pauses{20, 5})), b_(add<nn::Sequential>("b")) { b_.push<Pause>(Pauses{3, 30}); }
  std::string type() const override { return "Pair"; }

 protected:
  Variable forward(const Variable& x) override { return b_(pausing(a_(x), {10, 15})); }

 private:
  nn::Module& a_;
  nn::Sequential& b_;
};

double sum_of(const StepTimes& times) {
  double sum = times.input + times.loss + times.update;
  for (const tools::ModuleTime& module : times.modules) sum += module.forward + module.backward;
  return sum;
}

TEST(LayerClock, ChargesWhoRan) {
  Pair model;
  LayerClock clock(model);
  ASSERT_EQ(clock.names(), (std::vector<std::string>{"", "a", "b", "b.0"}));
  const StepTimes times = clock.time([&] {
    pause(4);
    const Variable y = model(Variable::leaf(Tensor::zeros({1, 2}, DType::kF32, kCpuDevice)));
    const Variable z = pausing(y, {6, 7});  // the loss's place
    backward(z, Tensor::zeros({1, 2}, DType::kF32, kCpuDevice));
    pause(8);
  });
  EXPECT_GE(times.input, 0.004);
  EXPECT_GE(times.modules[1].forward, 0.020);
  EXPECT_GE(times.modules[0].forward, 0.010);
  EXPECT_GE(times.modules[3].forward, 0.003);
  EXPECT_GE(times.loss, 0.013);
  EXPECT_GE(times.modules[3].backward, 0.030);
  EXPECT_GE(times.modules[0].backward, 0.015);
  EXPECT_GE(times.modules[1].backward, 0.005);
  EXPECT_GE(times.update, 0.008);
  EXPECT_LT(times.modules[2].forward, 0.003);
  EXPECT_EQ(times.modules[2].backward, 0);
  EXPECT_NEAR(sum_of(times), times.total, 1e-9);
  EXPECT_EQ(clock.entered(), (std::vector<std::size_t>{0, 1, 2, 3}));
  EXPECT_TRUE(clock.makes_nodes(0));
  EXPECT_FALSE(clock.makes_nodes(2)) << "a container only calls what is in it";
}

Batch pictures(int n, int side) {
  Batch batch{.n = n, .height = side, .width = side, .pixels = {}, .labels = {}, .indices = {}};
  for (int i = 0; i < n * side * side * 3; ++i) batch.pixels.push_back(static_cast<std::uint8_t>(i * 37 % 251));
  for (int i = 0; i < n; ++i) batch.labels.push_back(i % 2), batch.indices.push_back(static_cast<std::size_t>(i));
  return batch;
}

std::unique_ptr<nn::Module> placed(const std::string& name) {
  models::ModelSpec spec = models::default_spec(name);
  spec.image_size = 64;
  auto model = models::make_model(spec);
  model->place(kCpuDevice, DType::kF32, 5);
  return model;
}

/// What three steps leave, and what the arena was asked for in the last.
struct Outcome {
  std::vector<double> losses, weights, statistics;
  std::int64_t planned = 0, unplanned = 0;
  std::size_t requested = 0;
};

using Watch = std::function<void(const std::function<void()>& step)>;

Outcome train_three(nn::Module& model, const Watch& watch) {
  train::Stepper stepper(model, {});
  const Batch batch = pictures(4, 64);
  model.train();
  Outcome outcome;
  for (int i = 0; i < 3; ++i) {
    const ArenaStatistics before = arena_of(kCpuDevice)->statistics();
    watch([&] { outcome.losses.push_back(stepper.step(batch, 1e-3).loss); });
    const ArenaStatistics& after = arena_of(kCpuDevice)->statistics();
    outcome.planned = after.planned_allocations - before.planned_allocations;
    outcome.unplanned = after.source_allocations - before.source_allocations;
    outcome.requested = after.requested_bytes;
  }
  outcome.weights = model.flat().weights().to_doubles();
  outcome.statistics = model.flat().running_statistics().to_doubles();
  return outcome;
}

class WatchedStep : public ::testing::TestWithParam<const char*> {};

TEST_P(WatchedStep, IsTheSameStep) {
  const auto plain_model = placed(GetParam());
  const Outcome plain = train_three(*plain_model, [](const auto& step) { step(); });

  const auto watched_model = placed(GetParam());
  LayerClock clock(*watched_model);
  const Outcome watched = train_three(*watched_model, [&](const auto& step) {
    const StepTimes times = clock.time(step);
    EXPECT_NEAR(sum_of(times), times.total, 1e-6 + 1e-6 * times.total);
  });
  EXPECT_EQ(watched.losses, plain.losses);
  EXPECT_EQ(watched.weights, plain.weights);
  EXPECT_EQ(watched.statistics, plain.statistics);
  EXPECT_EQ(watched.planned, plain.planned) << "as many buffers asked for, none of them new";
  EXPECT_EQ(watched.requested, plain.requested);
  EXPECT_EQ(watched.unplanned, 0);
  EXPECT_EQ(plain.unplanned, 0);

  // The comparison can fail: hooks on the layers materialise what was pending, and that shows.
  const auto hooked_model = placed(GetParam());
  for (const auto& [name, module] : hooked_model->named_modules()) module->add_hook([](const Variable&, const Variable&) {});
  EXPECT_GT(train_three(*hooked_model, [](const auto& step) { step(); }).requested, plain.requested);
}

INSTANTIATE_TEST_SUITE_P(Networks, WatchedStep, ::testing::Values("edgenet", "simplenet"));

TEST(LayerClock, InferenceUnderItGivesTheSameOutputs) {
  const auto model = placed("simplenet");  // edgenet's inference goes another way when it is watched (train::runs_depth_first)
  model->eval();
  const Batch batch = pictures(3, 64);
  std::vector<double> plain, watched;
  train::run_inference(*model, batch, {}, [&](const Tensor& outputs) { plain = outputs.to_doubles(); });
  LayerClock clock(*model);
  const StepTimes times = clock.time([&] { train::run_inference(*model, batch, {}, [&](const Tensor& outputs) { watched = outputs.to_doubles(); }); });
  EXPECT_EQ(watched, plain);
  EXPECT_GT(times.input, 0);
  double backward = 0;
  for (const tools::ModuleTime& module : times.modules) backward += module.backward;
  EXPECT_EQ(backward, 0);
}

}  // namespace
}  // namespace sepia
