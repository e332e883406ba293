// BatchNorm2d: modes, freezing, and running statistics that move at the commit alone.
#include <gmock/gmock.h>

#include <algorithm>
#include <map>

#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"
#include "engine/ops/cross_entropy.h"
#include "engine/optim/optimizer.h"
#include "models/model.h"
#include "tests/support/op_goldens.h"
#include "tests/support/tape.h"

namespace sepia::nn {
namespace {

using nlohmann::json;
using test::Array;
using test::Place;

/// A placed batch norm with a golden's weights and running statistics.
struct GoldenNorm {
  GoldenNorm(const json& golden, const Place& place) : inputs(test::golden_arrays(golden.at("inputs"))), outputs(test::golden_arrays(golden.at("outputs"))) {
    const auto s = golden.at("inputs").at("x").at("shape").get<std::vector<std::int64_t>>();
    norm = std::make_unique<BatchNorm2d>(BatchNorm2d::Options{.channels = s[1], .eps = golden.at("params").at("eps").get<double>()});
    norm->place(place.device, place.dtype, 1);
    for (const auto& [name, parameter] : norm->named_parameters()) parameter->variable.value().copy_from(place.tensor(inputs.at(name), {s[1]}));
    for (const auto& [name, buffer] : norm->named_buffers()) buffer->value.copy_from(place.tensor(inputs.at(name), {s[1]}));
    x = Variable(place.tensor(inputs.at("x"), {s[0], s[2], s[3], s[1]}));
  }
  Array buffer(const std::string& wanted) const {
    for (const auto& [name, buffer] : norm->named_buffers()) {
      if (name == wanted) return buffer->value.to_doubles();
    }
    return {};
  }
  test::Arrays inputs, outputs;
  std::unique_ptr<BatchNorm2d> norm;
  Variable x;
};

TEST(BatchNorm2d, RunningStatisticsMoveAtTheCommitAsPyTorchs) {
  const json goldens = golden::load("ops");
  for (const json& golden : goldens.at("batch_norm")) {
    if (!golden.at("params").at("training").get<bool>()) continue;
    for (const Place& place : test::kPlaces) {
      SCOPED_TRACE(golden.at("name").get<std::string>() + " on " + device_name(place.device));
      GoldenNorm g(golden, place);
      (*g.norm)(g.x);
      for (const char* name : {"running_mean", "running_var"}) EXPECT_EQ(g.buffer(name), g.inputs.at(name)) << "forward alone moves nothing";
      g.norm->flat().commit_running_statistics();
      for (const char* name : {"running_mean", "running_var"}) {
        const Array& expected = g.outputs.at(str(name, "_after"));
        test::expect_near(g.buffer(name), expected, place.limit(40, expected), name);
      }
      EXPECT_EQ(g.norm->batches_tracked(), 1);
      const Array after = g.buffer("running_mean");
      g.norm->flat().commit_running_statistics();
      EXPECT_EQ(g.buffer("running_mean"), after) << "a commit without a step";
      EXPECT_EQ(g.norm->batches_tracked(), 1);
    }
  }
}

TEST(BatchNorm2d, EvaluationAndFrozenUseRunningStatisticsAndLeaveThemAlone) {
  const json goldens = golden::load("ops");
  const json& golden = goldens.at("batch_norm").back();
  ASSERT_FALSE(golden.at("params").at("training").get<bool>());
  for (const Place& place : test::kPlaces) {
    for (const bool freeze : {false, true}) {
      SCOPED_TRACE(freeze ? "frozen" : "eval");
      GoldenNorm g(golden, place);
      g.norm->train(freeze);
      g.norm->freeze(freeze);
      const Array y = test::value_of((*g.norm)(g.x));
      test::expect_near(y, g.outputs.at("y"), place.limit(4, y), "y");
      g.norm->flat().commit_running_statistics();
      for (const char* name : {"running_mean", "running_var"}) EXPECT_EQ(g.buffer(name), g.inputs.at(name));
      EXPECT_EQ(g.norm->batches_tracked(), 0);
      g.norm->train();
      g.norm->freeze(false);
      EXPECT_NE(test::value_of((*g.norm)(g.x)), y) << "training mode normalises by the batch";
    }
  }
}

// Several norms in a row, one of them frozen: the statistics of its neighbours move, in one arena.
TEST(BatchNorm2d, AFrozenOneAmongOthersStays) {
  Sequential model;
  for (int i = 0; i < 3; ++i) model.push<BatchNorm2d>(BatchNorm2d::Options{.channels = 5});
  const Place& place = test::kFloatCpu;
  model.place(place.device, place.dtype, 1);
  dynamic_cast<BatchNorm2d&>(model.at("1")).freeze();
  const test::RandomArrays random("frozen among others");
  model(Variable(place.tensor(random.values("x", 2 * 3 * 3 * 5), {2, 3, 3, 5})));
  model.flat().commit_running_statistics();
  for (const auto& [name, buffer] : model.named_buffers()) {
    const Array values = buffer->value.to_doubles(), start(5, buffer->initial);
    const bool moves = name == "0.running_mean" || name == "0.running_var" || name == "2.running_var";
    if (moves) {
      EXPECT_NE(values, start) << name;
    }
    if (name.starts_with("1.")) {
      EXPECT_EQ(values, start) << name;
    }
  }
}

std::unique_ptr<Module> edgenet(const Place& place) {
  models::ModelSpec spec = models::default_spec("edgenet");
  spec.image_size = 64;
  auto model = models::make_model(spec);
  model->place(place.device, place.dtype, 1);
  return model;
}

/// One SGD step on a fixed batch.
void train_step(Module& model, const Place& place) {
  FlatParameters& flat = model.flat();
  flat.require_gradients();
  std::vector<optim::ParameterGroup> groups;
  for (const auto& range : flat.trainable_ranges()) groups.push_back({.offset = range.offset - flat.gradient_begin(), .count = range.count});
  optim::Optimizer optimizer({.algorithm = optim::Algorithm::kSgd, .weight_decay = 0.1}, flat.trained_weights(), flat.gradients(), groups);
  const Variable x(place.tensor(counter_formula::batch_nhwc(0, 2, 64), {2, 64, 64, 3}));
  backward(ops::cross_entropy(model(x), Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, place.device)));
  flat.complete_gradients();
  optimizer.step(0.5);
  flat.commit_running_statistics();
  flat.clear_gradients();
}

TEST(FlatParameters, FrozenPartsKeepWeightsAndStatisticsThroughAStep) {
  const Place& place = test::kFloatCpu;
  const auto model = edgenet(place);
  train_step(*model, place);  // everything trains once, so that all gradients have been non-zero
  dynamic_cast<BatchNorm2d&>(model->at("blocks.0.bn")).freeze();
  std::map<std::string, Array> before;
  const auto frozen = [](const std::string& name) { return name.starts_with("stem") || name.starts_with("blocks.0"); };
  for (const auto& [name, parameter] : model->named_parameters()) {
    parameter->trainable = !frozen(name);
    before[name] = parameter->variable.value().to_doubles();
  }
  for (const auto& [name, buffer] : model->named_buffers()) before[name] = buffer->value.to_doubles();

  train_step(*model, place);
  for (const auto& [name, parameter] : model->named_parameters()) {
    const Array after = parameter->variable.value().to_doubles();
    if (frozen(name)) {
      EXPECT_EQ(after, before.at(name)) << name;
      EXPECT_LT(parameter->offset, model->flat().gradient_begin()) << name << ": the frozen front has no gradients";
    } else {
      EXPECT_NE(after, before.at(name)) << name;
    }
  }
  for (const auto& [name, buffer] : model->named_buffers()) {
    EXPECT_EQ(buffer->value.to_doubles() == before.at(name), frozen(name)) << name;
  }
}

TEST(FlatParameters, RangesJoinTrainableNeighbours) {
  const auto model = edgenet(test::kFloatCpu);
  FlatParameters& flat = model->flat();
  ASSERT_EQ(flat.trainable_ranges().size(), 1u);
  EXPECT_EQ(flat.trainable_ranges()[0].count, flat.size());
  std::int64_t begin = 0, end = 0;
  for (const auto& [name, parameter] : model->named_parameters()) {
    EXPECT_EQ(parameter->offset % 16, 0) << name;
    EXPECT_EQ(flat.name_at(parameter->offset), name);
    parameter->trainable = !name.starts_with("blocks.1.");
    if (name == "blocks.1.depthwise.weight") begin = parameter->offset;
    if (name == "blocks.2.depthwise.weight") end = parameter->offset;
  }
  const auto ranges = flat.trainable_ranges();
  ASSERT_EQ(ranges.size(), 2u);
  EXPECT_EQ(ranges[0].offset, 0);
  EXPECT_EQ(ranges[0].count, begin);
  EXPECT_EQ(ranges[1].offset, end);
  EXPECT_EQ(ranges[1].offset + ranges[1].count, flat.size());
}

TEST(FlatParameters, ABiasTrainsAloneWhenItsWeightIsFrozen) {
  for (const Place& place : test::kPlaces) {
    const auto model = edgenet(place);
    for (const auto& [name, parameter] : model->named_parameters()) parameter->trainable = name.ends_with(".bias");
    model->flat().require_gradients();
    const Variable x(place.tensor(counter_formula::batch_nhwc(0, 2, 64), {2, 64, 64, 3}));
    backward(ops::cross_entropy((*model)(x), Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, place.device)));
    const Array alone = model->flat().gradients().to_doubles();
    const auto begin = static_cast<std::size_t>(model->flat().gradient_begin());  // behind the stem's weight
    EXPECT_EQ(begin, static_cast<std::size_t>(model->at("stem").named_parameters().back().second->offset));
    for (const auto& [name, parameter] : model->named_parameters()) parameter->trainable = true;
    model->flat().require_gradients();
    backward(ops::cross_entropy((*model)(x), Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, place.device)));
    const Array together = model->flat().gradients().to_doubles();
    for (const auto& [name, parameter] : model->named_parameters()) {
      const auto first = static_cast<std::size_t>(parameter->offset), count = static_cast<std::size_t>(parameter->shape.numel());
      for (std::size_t i = std::max(first, begin); i < first + count; ++i) {
        EXPECT_EQ(alone[i - begin], name.ends_with(".bias") ? together[i] : 0) << name << ": nothing may be left where norms are taken";
      }
    }
  }
}

}  // namespace
}  // namespace sepia::nn
