// A depthwise convolution left pending: with the linear map behind it the same bits as one after the other, whatever is wanted of the
// way back; every other op carries it out; one that forgets fails.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
#include <set>

#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using ::testing::HasSubstr;
using test::Array;
using test::Arrays;
using test::Place;
using test::PrologueKind;

constexpr std::int64_t kChannels = 19, kOutputs = 11;  // no multiple of any vector width
const Shape kInput{2, 7, 6, kChannels}, kFilter{3, 3, kChannels};

std::vector<Place> places() {
  std::vector<Place> found = test::cpu_places();
  found.insert(found.begin(), test::kDoubleReference);
  return found;
}

std::string describe(const Place& place) { return str(device_name(place.device), " ", dtype_name(place.dtype)); }

struct Setting {
  PrologueKind pending = PrologueKind::kNone;
  int stride = 1;
  bool bias = true;
  std::set<std::string> frozen{};  ///< inputs whose gradient nobody wants
};

struct Inputs {
  Inputs(const Place& place, const Setting& setting) : place_(place), setting_(setting) {}

  Variable at(const std::string& name, const Shape& shape, bool vector_like = false) {
    const DType dtype = vector_like ? accumulator_dtype(place_.dtype) : place_.dtype;
    const Tensor tensor = tensor_from_doubles(random_.values(name, shape.numel()), shape, dtype, place_.device);
    return made_[name] = setting_.frozen.contains(name) ? Variable(tensor) : Variable::leaf(tensor, name != "x");
  }
  Variable bias(const std::string& name, std::int64_t count) { return setting_.bias ? at(name, {count}, true) : Variable(); }

  /// relu(batch_norm(x)) or a part of it, pending.
  Variable h() {
    Variable x = at("x", kInput);
    if (test::has_affine(setting_.pending)) {
      const auto zeros = [&] { return Tensor::zeros({kChannels}, accumulator_dtype(place_.dtype), place_.device); };
      x = ops::batch_norm(x, at("gamma", {kChannels}, true), at("beta", {kChannels}, true),
                          {.running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5},
                          ops::BatchNormMode::kBatch);
    }
    return test::has_relu(setting_.pending) ? ops::relu(x) : x;
  }

  Arrays gradients() const {
    Arrays found;
    for (const auto& [name, variable] : made_) {
      if (variable.grad().defined()) found["grad_" + name] = test::grad_of(variable);
    }
    return found;
  }

  Tensor seed(const Variable& y) { return place_.tensor(random_.values("grad_y", y.shape().numel()), y.shape()); }

 private:
  const Place& place_;
  const Setting& setting_;
  test::RandomArrays random_{"separable_conv"};
  std::map<std::string, Variable> made_;
};

/// y and every gradient of linear(depthwise_conv(h)), the depthwise output kept or made again.
Arrays run(const Place& place, const Setting& setting, bool recompute) {
  Inputs inputs(place, setting);
  const Variable h = inputs.h();
  const Variable u = ops::depthwise_conv(h, inputs.at("depthwise", kFilter), inputs.bias("depthwise_bias", kChannels), {.stride = setting.stride, .recompute = recompute});
  const Variable weight = inputs.at("pointwise", {kOutputs, kChannels});
  const Variable y = ops::linear(u, weight, inputs.bias("pointwise_bias", kOutputs));
  backward(y, inputs.seed(y));
  Arrays results = inputs.gradients();
  results["y"] = test::value_of(y);
  return results;
}

void expect_the_same(const Place& place, const Setting& setting) {
  const Arrays kept = run(place, setting, false), remade = run(place, setting, true);
  ASSERT_EQ(kept.size(), remade.size());
  for (const auto& [name, expected] : kept) {
    EXPECT_EQ(remade.at(name), expected) << name;
  }
}

TEST(SeparableConv, MakingTheDepthwiseOutputAgainGivesTheSameBits) {
  for (const Place& place : places()) {
    for (const PrologueKind pending : test::kAllPrologues) {
      for (const int stride : {1, 2}) {
        for (const bool bias : {true, false}) {
          SCOPED_TRACE(describe(place) + " " + test::describe(pending) + " stride " + std::to_string(stride) + (bias ? " bias" : ""));
          expect_the_same(place, {pending, stride, bias});
        }
      }
    }
  }
}

TEST(SeparableConv, OnlyTheGradientsThatAreWanted) {
  const std::vector<std::string> names{"x", "depthwise", "depthwise_bias", "pointwise", "pointwise_bias"};
  for (const Place& place : test::kPlaces) {
    const Arrays all = run(place, {.pending = PrologueKind::kRelu}, false);
    for (unsigned wanted = 1; wanted < 1u << names.size(); ++wanted) {
      Setting setting{.pending = PrologueKind::kRelu};
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!(wanted >> i & 1)) setting.frozen.insert(names[i]);
      }
      SCOPED_TRACE(wanted);
      const Arrays some = run(place, setting, true);
      EXPECT_EQ(some.size(), 1 + names.size() - setting.frozen.size());
      for (const auto& [name, values] : some) {
        if (name == "y") continue;
        EXPECT_EQ(values, all.at(name)) << name;
      }
    }
  }
}

/// depthwise_conv of a leaf, pending, in training or without a tape.
Variable pending_convolution(const Place& place, bool training) {
  const test::RandomArrays random("separable_conv");
  const Variable x = place.leaf(random.values("x", kInput.numel()), kInput), weight = place.leaf(random.values("depthwise", kFilter.numel()), kFilter);
  std::optional<NoGradGuard> no_grad;
  if (!training) no_grad.emplace();
  return ops::depthwise_conv(x, weight, Variable(), {.stride = 2, .recompute = training});
}

TEST(SeparableConv, IsPendingAndSaysSo) {
  for (const bool training : {false, true}) {
    const Variable u = pending_convolution(test::kFloatCpu, training);
    ASSERT_NE(u.convolution(), nullptr);
    EXPECT_TRUE(u.defined());
    EXPECT_EQ(u.shape(), Shape({2, 4, 3, kChannels}));
    EXPECT_EQ(u.dtype(), DType::kF32);
    EXPECT_EQ(u.requires_grad(), training) << "what is made without a tape stays off it";
    EXPECT_FALSE(u.detach().requires_grad());
    EXPECT_EQ(test::value_of(u.detach()), test::value_of(u));
    for (const auto& forgetful : std::vector<std::function<void()>>{[&] { (void)u.stored(); }, [&] { (void)u.pending(); }, [&] { (void)u.value(); },
                                                                    [&] { (void)u.slot(); }, [&] { (void)u.grad(); }}) {
      EXPECT_THAT(test::error_of(forgetful, ErrorKind::kInternal), HasSubstr("a convolution is pending; call materialise() first"));
    }
    EXPECT_EQ(ops::materialise(u).requires_grad(), training);
    EXPECT_EQ(ops::materialise(u).convolution(), nullptr);
  }
}

TEST(SeparableConv, WithoutRecomputeATapeKeepsTheOutput) {
  const Variable x = test::kFloatCpu.leaf(Array(static_cast<std::size_t>(kInput.numel()), 1.0), kInput);
  const Variable weight = test::kFloatCpu.leaf(Array(static_cast<std::size_t>(kFilter.numel()), 1.0), kFilter);
  EXPECT_EQ(ops::depthwise_conv(x, weight, Variable(), {}).convolution(), nullptr);
}

struct Consumer {
  const char* name;
  std::function<Variable(const Variable& u, Inputs& inputs)> op;
  bool same_bits = true;
};

const std::vector<Consumer>& consumers() {
  static const std::vector<Consumer> all{
      {"conv2d", [](const Variable& u, Inputs& in) { return ops::conv2d(u, in.at("filter", {2, 3, 3, kChannels}), Variable(), {}); }},
      {"depthwise_conv", [](const Variable& u, Inputs& in) { return ops::materialise(ops::depthwise_conv(u, in.at("second", kFilter), Variable(), {.recompute = true})); }},
      {"linear_twice", [](const Variable& u, Inputs& in) { return ops::add(ops::linear(u, in.at("a", {3, kChannels}), Variable()), ops::linear(u, in.at("b", {3, kChannels}), Variable())); },
       false},  // each makes it again and delivers on its own: another order of summation
      {"batch_norm", [](const Variable& u, Inputs& in) {
         const auto zeros = [&] { return Tensor::zeros({kChannels}, u.dtype(), u.device()); };
         return ops::batch_norm(u, in.at("gamma", {kChannels}), in.at("beta", {kChannels}),
                                {.running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5},
                                ops::BatchNormMode::kBatch);
       }},
      {"relu", [](const Variable& u, Inputs&) { return ops::materialise(ops::relu(u)); }},
      {"add", [](const Variable& u, Inputs&) { return ops::add(u, u); }},
      {"max_pool", [](const Variable& u, Inputs&) { return ops::max_pool(u, {}); }},
      {"global_avg_pool", [](const Variable& u, Inputs&) { return ops::global_avg_pool(u); }},
      {"flatten", [](const Variable& u, Inputs&) { return ops::flatten(u); }},
      {"softmax", [](const Variable& u, Inputs&) { return ops::softmax(ops::flatten(u)); }},
      {"cross_entropy", [](const Variable& u, Inputs&) {
         return ops::cross_entropy(ops::flatten(u), Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{1, 0}, {2}, u.device()));
       }},
      {"materialise", [](const Variable& u, Inputs&) { return ops::materialise(u); }},
  };
  return all;
}

class PendingConvolutionInto : public ::testing::TestWithParam<Consumer> {};

TEST_P(PendingConvolutionInto, IsCarriedOut) {
  const auto run_op = [](const Place& place, bool recompute, bool on_tape) {
    const Setting setting{.pending = PrologueKind::kRelu};
    Inputs inputs(place, setting);
    std::optional<NoGradGuard> no_grad;
    if (!on_tape) no_grad.emplace();
    Variable u = ops::depthwise_conv(inputs.h(), inputs.at("depthwise", kFilter), inputs.bias("depthwise_bias", kChannels), {.recompute = recompute});
    EXPECT_EQ(u.convolution() != nullptr, recompute || !on_tape);
    const Variable y = GetParam().op(u, inputs);
    EXPECT_EQ(y.requires_grad(), on_tape);
    if (on_tape) backward(y, inputs.seed(y));
    Arrays results = inputs.gradients();
    EXPECT_EQ(results.size() > 2, on_tape);
    results["y"] = test::value_of(y);
    return results;
  };
  for (const Place& place : test::kPlaces) {
    const Arrays kept = run_op(place, false, true);
    const Arrays remade = run_op(place, true, true), without_tape{{"y", run_op(place, false, false).at("y")}};
    ASSERT_EQ(remade.size(), kept.size());
    for (const Arrays* results : {&remade, &without_tape}) {
      for (const auto& [name, values] : *results) {
        if (GetParam().same_bits) {
          EXPECT_EQ(values, kept.at(name)) << name;
        } else {
          test::expect_near(values, kept.at(name), place.limit(9 * kChannels, kept.at(name)), name);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, PendingConvolutionInto, ::testing::ValuesIn(consumers()), [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace sepia
