// Without a tape separable convolutions wait for each other: a chain of them, and the addition behind it, give the same bits as one by one;
// whoever reads one in the middle finds it; what was made once is not made again.
#include <gtest/gtest.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "engine/tensor/held_weights.h"
#include "models/xception.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using test::Array;
using test::Place;

constexpr std::int64_t kChannels = 20;
const Shape kInput{2, 17, 15, kChannels};

std::vector<Place> places() {
  std::vector<Place> found(std::begin(test::kPlaces), std::end(test::kPlaces));
  if (backend_of(kCpuDevice).bfloat16) found.push_back({kCpuDevice, DType::kBF16});
  return found;
}

/// Layers with numbers of their own, the same whenever they are asked for.
class Layers {
 public:
  explicit Layers(const Place& place) : place_(place) {}

  Variable input() const { return at("x", kInput); }

  /// [relu,] depthwise, pointwise, batch norm with running statistics.
  Variable stage(Variable x, int number, bool relu = true, int stride = 1) const {
    if (relu) x = ops::relu(x);
    const std::string name = std::to_string(number);
    return norm(ops::linear(ops::depthwise_conv(x, at("depthwise" + name, {3, 3, kChannels}), Variable(), {.stride = stride}),
                            at("pointwise" + name, {kChannels, kChannels}), at("bias" + name, {kChannels}, true)),
                name);
  }

  Variable norm(const Variable& x, const std::string& name) const {
    const Tensor mean = at("mean" + name, {kChannels}, true).value();
    const Tensor variance = tensor_from_doubles(Array(kChannels, 0.7), {kChannels}, mean.dtype(), mean.device());
    return ops::batch_norm(x, at("gamma" + name, {kChannels}, true), at("beta" + name, {kChannels}, true),
                           {.running_mean = mean, .running_variance = variance, .step_mean = mean, .step_variance = variance, .eps = 1e-5}, ops::BatchNormMode::kRunning);
  }

  Variable at(const std::string& name, const Shape& shape, bool vector_like = false) const {
    const test::RandomArrays random("separable_chain");
    return Variable(tensor_from_doubles(random.values(name, shape.numel()), shape, vector_like ? accumulator_dtype(place_.dtype) : place_.dtype, place_.device));
  }

 private:
  const Place& place_;
};

struct Ending {
  const char* name;
  std::function<Variable(const Layers& layers, const Variable& x)> network;
};

const std::vector<Ending>& endings() {
  static const std::vector<Ending> all{
      {"three", [](const Layers& l, const Variable& x) { return l.stage(l.stage(l.stage(x, 1), 2), 3); }},
      {"relu", [](const Layers& l, const Variable& x) { return ops::relu(l.stage(x, 1)); }},
      {"residual", [](const Layers& l, const Variable& x) { return ops::add(l.stage(l.stage(l.stage(x, 1), 2), 3), x); }},
      {"residual_first", [](const Layers& l, const Variable& x) { return ops::add(ops::relu(x), ops::relu(l.stage(x, 1))); }},
      {"two_chains", [](const Layers& l, const Variable& x) { return ops::add(l.stage(l.stage(x, 1), 2), l.stage(x, 3)); }},
      {"itself", [](const Layers& l, const Variable& x) {
         const Variable u = l.stage(x, 1);
         return ops::add(u, u);
       }},
      {"begun_twice", [](const Layers& l, const Variable& x) {
         const Variable u = l.stage(x, 1);
         return ops::add(l.stage(u, 2), u);
       }},
      {"strides", [](const Layers& l, const Variable& x) { return l.stage(l.stage(l.stage(x, 1, false, 2), 2, true, 1), 3, true, 2); }},
      {"ten", [](const Layers& l, Variable x) {
         for (int i = 0; i < 10; ++i) x = l.stage(x, i);
         return x;
       }},
      {"max_pool", [](const Layers& l, const Variable& x) { return ops::max_pool(l.stage(x, 1), {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"pool_pairs", [](const Layers& l, const Variable& x) { return ops::max_pool(ops::relu(l.stage(x, 1)), {}); }},
      {"average", [](const Layers& l, const Variable& x) { return ops::global_avg_pool(ops::relu(l.stage(x, 1))); }},
      {"flatten", [](const Layers& l, const Variable& x) { return ops::flatten(l.stage(x, 1)); }},
      {"linear", [](const Layers& l, const Variable& x) { return ops::linear(l.stage(x, 1), l.at("fc", {3, kChannels}), Variable()); }},
      {"normed_twice", [](const Layers& l, const Variable& x) { return l.norm(ops::relu(l.stage(x, 1)), "2"); }},
      {"depthwise_alone", [](const Layers& l, const Variable& x) { return ops::depthwise_conv(l.stage(x, 1), l.at("alone", {5, 5, kChannels}), Variable(), {.padding = 2}); }},
  };
  return all;
}

class ChainInto : public ::testing::TestWithParam<Ending> {};

TEST_P(ChainInto, TheSameBits) {
  for (const Place& place : places()) {
    SCOPED_TRACE(str(device_name(place.device), " ", dtype_name(place.dtype)));
    const Layers layers(place);
    // On a tape nothing waits: a leaf as input.
    const Array expected = test::value_of(GetParam().network(layers, Variable::leaf(layers.input().value())));
    EXPECT_EQ(test::value_of(GetParam().network(layers, layers.input())), expected);
    const HeldWeights held(place.device);
    const NoGradGuard no_grad;
    EXPECT_EQ(test::value_of(GetParam().network(layers, layers.input())), expected);
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, ChainInto, ::testing::ValuesIn(endings()), [](const auto& info) { return std::string(info.param.name); });

TEST(SeparableChain, IsPendingWithoutATapeOnly) {
  for (const Place& place : places()) {
    const Layers layers(place);
    EXPECT_EQ(layers.stage(layers.input(), 1).convolution() != nullptr, place.device == kCpuDevice);
    EXPECT_EQ(layers.stage(Variable::leaf(layers.input().value()), 1).convolution(), nullptr);
    const Variable u = layers.stage(layers.input(), 1);
    EXPECT_EQ(u.shape(), kInput);
    EXPECT_EQ(u.dtype(), place.dtype);
    EXPECT_FALSE(u.requires_grad());
  }
}

TEST(SeparableChain, WhatWasMadeIsNotMadeAgain) {
  const Layers layers(test::kFloatCpu);
  const Variable x = layers.input(), u = layers.stage(x, 1), v = layers.stage(u, 2);
  ASSERT_NE(v.convolution(), nullptr);
  const Array before = test::value_of(v);  // makes both
  x.value().zero();
  EXPECT_EQ(test::value_of(v), before);
  EXPECT_TRUE(u.convolution()->made->defined());
  EXPECT_NE(test::value_of(layers.stage(x, 1)), test::value_of(u)) << "a new one sees the new input";
}

// A sum takes the place of the last output, which is then made anew for whoever asks for it.
TEST(SeparableChain, AnAdditionLeavesTheChainAsItWas) {
  const Layers layers(test::kFloatCpu);
  const Variable x = layers.input(), u = layers.stage(x, 1);
  const Variable sum = ops::add(u, x);
  EXPECT_FALSE(u.convolution()->made->defined());
  const Array of_sum = test::value_of(sum), of_x = test::value_of(x);
  Array expected = test::value_of(u);
  for (std::size_t i = 0; i < expected.size(); ++i) expected[i] = static_cast<float>(expected[i] + of_x[i]);
  test::expect_near(of_sum, expected, {1e-6, 1e-6}, "sum");
}

TEST(SeparableChain, MadeWithoutATapeAndReadWithOne) {
  const Layers layers(test::kFloatCpu);
  const Variable u = layers.stage(layers.input(), 1);
  ASSERT_NE(u.convolution(), nullptr);
  const Variable weight = Variable::leaf(layers.at("w", {4, kChannels}).value(), true);
  const Variable y = ops::linear(u, weight, Variable());
  ASSERT_TRUE(y.requires_grad());
  backward(ops::linear(ops::flatten(y), layers.at("v", {1, 17 * 15 * 4}), Variable()), layers.at("seed", {2, 1}).value());
  EXPECT_TRUE(weight.grad().defined());
  const Variable second = Variable::leaf(layers.at("gamma", {kChannels}, true).value(), true);
  EXPECT_TRUE(ops::batch_norm(u, second, layers.at("beta", {kChannels}, true),
                              {.running_mean = second.value(), .running_variance = second.value(), .step_mean = second.value(), .step_variance = second.value(), .eps = 1e-5},
                              ops::BatchNormMode::kRunning).requires_grad());
}

// Layers with a hook show their outputs, so that nothing waits behind them.
TEST(SeparableChain, WatchedOrNotXceptionGivesTheSameBits) {
  for (const Place& place : places()) {
    if (place.device != kCpuDevice) continue;
    models::Xception network({.classes = 2, .deep_head = true, .width_divisor = 8});
    network.place(place.device, place.dtype, 7);
    network.eval();
    const test::RandomArrays random("xception");
    const Variable x(place.tensor(random.values("pictures", 2 * 96 * 96 * 3), {2, 96, 96, 3}));
    const HeldWeights held(place.device);
    const NoGradGuard no_grad;
    const Array logits = test::value_of(network(x));
    int seen = 0;
    for (const auto& [name, module] : network.named_modules()) {
      if (module->is_leaf()) module->add_hook([&seen](const Variable&, const Variable& output) { seen += output.value().defined(); });
    }
    EXPECT_EQ(test::value_of(network(x)), logits);
    EXPECT_GT(seen, 100);
  }
}

}  // namespace
}  // namespace sepia
