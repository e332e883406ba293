// Linear maps and convolutions told that a batch norm follows: what that one makes of the statistics that they leave is what it finds by
// itself.
#include <gtest/gtest.h>

#include <functional>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using test::Array;
using test::Arrays;
using test::Place;

constexpr std::int64_t kChannels = 5, kOutputs = 32, kRows = 3 * 12 * 13;
const Shape kInput{3, 12, 13, kChannels};

struct Producer {
  const char* name;
  Shape filter;
  std::function<Variable(const Variable& x, const Variable& weight, const Variable& depthwise, const Variable& bias, bool normalised)> op;
};

std::vector<Producer> producers() {
  return {
      {"linear",
       {kOutputs, kChannels},
       [](const auto& x, const auto& weight, const auto&, const auto& bias, bool normalised) {
         return ops::linear(x, weight, bias, {.normalised = normalised});
       }},
      {"separable_conv",
       {kOutputs, kChannels},
       [](const auto& x, const auto& weight, const auto& depthwise, const auto& bias, bool normalised) {
         return ops::linear(ops::depthwise_conv(x, depthwise, Variable(), {.recompute = true}), weight, bias, {.normalised = normalised});
       }},
      {"conv2d",
       {kOutputs, 3, 3, kChannels},
       [](const auto& x, const auto& weight, const auto&, const auto& bias, bool normalised) {
         return ops::conv2d(x, weight, bias, {.padding = 1, .normalised = normalised});
       }},
  };
}

/// y, the step buffers and all gradients of relu(batch_norm(op(relu(x)))).
Arrays run(const Producer& producer, const Place& place, bool normalised) {
  const test::RandomArrays random(producer.name);
  const auto leaf = [&](const char* name, const Shape& shape) { return place.leaf(random.values(name, shape.numel()), shape); };
  const Shape c{kOutputs};
  std::map<std::string, Variable> leaves{{"x", leaf("x", kInput)},
                                         {"weight", leaf("weight", producer.filter)},
                                         {"depthwise", leaf("depthwise", {3, 3, kChannels})},
                                         {"bias", leaf("bias", c)},
                                         {"gamma", leaf("gamma", c)},
                                         {"beta", place.leaf(random.shifts("beta", kOutputs), c)}};
  const auto zeros = [&] { return Tensor::zeros(c, place.dtype, place.device); };
  const ops::BatchNormBuffers buffers{
      .running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5};
  const Variable h = producer.op(ops::relu(leaves["x"]), leaves["weight"], leaves["depthwise"], leaves["bias"], normalised);
  EXPECT_EQ(h.statistics() != nullptr, normalised && place.device == kCpuDevice) << "where there is a kernel for it";
  const Variable y = ops::relu(ops::batch_norm(h, leaves["gamma"], leaves["beta"], buffers, ops::BatchNormMode::kBatch));
  EXPECT_EQ(y.statistics(), nullptr);
  const Variable loss = ops::materialise(y);
  backward(loss, place.tensor(random.values("grad_y", loss.shape().numel()), loss.shape()));
  Arrays results{
      {"y", test::value_of(y)}, {"step_mean", buffers.step_mean.to_doubles()}, {"step_variance", buffers.step_variance.to_doubles()}};
  for (const auto& [name, variable] : leaves) {
    if (variable.grad().defined()) results["grad_" + name] = test::grad_of(variable);
  }
  return results;
}

TEST(Normalised, GivesWhatBatchNormFindsByItself) {
  for (const Producer& producer : producers()) {
    const Arrays exact = run(producer, test::kDoubleReference, false);
    EXPECT_EQ(exact.at("step_variance").size(), kOutputs);
    for (const Place& place : test::kPlaces) {
      for (const bool normalised : {true, false}) {
        SCOPED_TRACE(str(producer.name, " on ", device_name(place.device), normalised ? " normalised" : ""));
        const Arrays results = run(producer, place, normalised);
        ASSERT_EQ(results.size(), exact.size());
        for (const auto& [name, expected] : exact) test::expect_near(results.at(name), expected, place.limit(9 * kRows, expected), name);
      }
    }
  }
}

/// A variable with statistics that are not its own, so that one sees who believes them: mean 1 and variance 4, of which the unbiased is
/// said to be 5.
Variable with_other_statistics(const Place& place, const Variable& x) {
  const auto all = [&](double value) { return place.tensor(Array(kChannels, value), {kChannels}); };
  return x.with_statistics(std::make_shared<const BatchStatistics>(BatchStatistics{all(1), all(4), all(5)}));
}

TEST(Normalised, BatchNormTakesWhatTheVariableBringsInTrainingOnly) {
  for (const Place& place : test::kPlaces) {
    const Array values = test::RandomArrays("normalised").values("x", kInput.numel()), ones(kChannels, 1), zeros(kChannels, 0);
    const Variable x = with_other_statistics(place, place.leaf(values, kInput));
    const auto tensor = [&](const Array& numbers) { return place.tensor(numbers, {kChannels}); };
    const ops::BatchNormBuffers buffers{.running_mean = tensor(zeros),
                                        .running_variance = tensor(ones),
                                        .step_mean = tensor(zeros),
                                        .step_variance = tensor(zeros),
                                        .eps = 0};
    Array expected = values;
    test::expect_near(
        test::value_of(ops::batch_norm(x, Variable(tensor(ones)), Variable(tensor(zeros)), buffers, ops::BatchNormMode::kRunning)),
        expected, place.limit(1, expected), "running");
    EXPECT_EQ(buffers.step_mean.to_doubles(), zeros);
    for (double& value : expected) value = (value - 1) / 2;
    test::expect_near(
        test::value_of(ops::batch_norm(x, Variable(tensor(ones)), Variable(tensor(zeros)), buffers, ops::BatchNormMode::kBatch)), expected,
        place.limit(1, expected), "batch");
    EXPECT_EQ(buffers.step_mean.to_doubles(), ones);
    EXPECT_EQ(buffers.step_variance.to_doubles(), Array(kChannels, 5));
  }
}

TEST(Normalised, NoOtherValueInheritsStatistics) {
  const Place& place = test::kFloatCpu;
  const Variable x = with_other_statistics(place, place.leaf(test::RandomArrays("normalised").values("x", kInput.numel()), kInput));
  EXPECT_EQ(ops::materialise(x).statistics(), x.statistics()) << "the same value";
  EXPECT_EQ(ops::carried_out(x).statistics(), x.statistics()) << "the same value";
  EXPECT_EQ(x.with_statistics(nullptr).statistics(), nullptr);
  EXPECT_EQ(ops::relu(x).statistics(), nullptr);
  EXPECT_EQ(ops::materialise(ops::relu(x)).statistics(), nullptr);
  EXPECT_EQ(ops::add(x, x).statistics(), nullptr);
  EXPECT_EQ(ops::flatten(x).statistics(), nullptr);
  EXPECT_EQ(ops::max_pool(x, {}).statistics(), nullptr);
  EXPECT_EQ(x.detach().statistics(), nullptr);
}

/// A convolution that is left for max_pool has no output whose statistics one could take.
TEST(Normalised, APooledConvolutionStaysPending) {
  const Place& place = test::kFloatCpu;
  const test::RandomArrays random("normalised");
  const Variable x = place.leaf(random.values("x", kInput.numel()), kInput),
                 weight = place.leaf(random.values("w", 4 * 9 * kChannels), {4, 3, 3, kChannels});
  const Variable y = ops::conv2d(x, weight, Variable(), {.pooled = true, .normalised = true});
  EXPECT_NE(y.convolution(), nullptr);
  EXPECT_EQ(y.statistics(), nullptr);
}

}  // namespace
}  // namespace sepia
