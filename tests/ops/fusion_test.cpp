// Ops fed with a pending affine and ReLU against the same ops on the materialised value: outputs and all gradients.
#include <gtest/gtest.h>

#include <functional>

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

using test::Array;
using test::Arrays;
using test::Place;
using test::PrologueKind;

constexpr std::int64_t kBatch = 2, kHeight = 5, kWidth = 6, kChannels = 5, kOutputs = 3;  // channels: no multiple of any vector width
const Shape kInput{kBatch, kHeight, kWidth, kChannels};

/// One op under test: from its input h (pending or not), its weights by name and a plain value of h's shape.
using Op = std::function<Variable(const Variable& h, const std::map<std::string, Variable>& w, const Variable& plain)>;

struct FusionCase {
  const char* name;
  double terms;
  Op op;
};

std::vector<FusionCase> fusion_cases() {
  return {
      {"conv2d", 180, [](const Variable& h, const auto& w, const Variable&) { return ops::conv2d(h, w.at("filter"), w.at("bias"), {.stride = 2, .padding = 1}); }},
      {"conv2d_1x1", 60, [](const Variable& h, const auto& w, const Variable&) { return ops::conv2d(h, w.at("filter1"), w.at("bias"), {}); }},
      {"depthwise_conv", 60, [](const Variable& h, const auto& w, const Variable&) { return ops::depthwise_conv(h, w.at("depthwise"), w.at("shift"), {}); }},
      {"depthwise_conv_s2", 60, [](const Variable& h, const auto& w, const Variable&) { return ops::depthwise_conv(h, w.at("depthwise"), Variable(), {.stride = 2}); }},
      {"separable_conv", 180, [](const Variable& h, const auto& w, const Variable&) {
         return ops::linear(ops::depthwise_conv(h, w.at("depthwise"), w.at("shift"), {.recompute = true}), w.at("linear"), w.at("bias"));
       }},
      // Two gradients arrive at h: what an op that writes one leaves of its sums for a batch norm must not outlive the other.
      {"depthwise_conv_then_add", 70, [](const Variable& h, const auto& w, const Variable& plain) {
         const Variable sum = ops::add(h, plain);
         return ops::add(sum, ops::depthwise_conv(h, w.at("depthwise"), Variable(), {}));
       }},
      {"add_then_depthwise_conv", 70, [](const Variable& h, const auto& w, const Variable& plain) {
         const Variable convolved = ops::depthwise_conv(h, w.at("depthwise"), Variable(), {});
         return ops::add(ops::add(h, plain), convolved);
       }},
      {"depthwise_conv_twice", 140, [](const Variable& h, const auto& w, const Variable&) {
         const Variable first = ops::depthwise_conv(h, w.at("depthwise"), Variable(), {});
         return ops::add(first, ops::depthwise_conv(h, w.at("depthwise"), w.at("shift"), {}));
       }},
      {"linear", 60, [](const Variable& h, const auto& w, const Variable&) { return ops::linear(h, w.at("linear"), w.at("bias")); }},
      {"max_pool", 4, [](const Variable& h, const auto&, const Variable&) { return ops::max_pool(h, {}); }},
      {"max_pool_overlapping", 9, [](const Variable& h, const auto&, const Variable&) { return ops::max_pool(h, {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"global_avg_pool", 30, [](const Variable& h, const auto&, const Variable&) { return ops::global_avg_pool(h); }},
      {"add_left", 2, [](const Variable& h, const auto&, const Variable& plain) { return ops::add(h, plain); }},
      {"add_right", 2, [](const Variable& h, const auto&, const Variable& plain) { return ops::add(plain, h); }},
      {"add_both", 2, [](const Variable& h, const auto&, const Variable&) { return ops::add(h, h); }},
      {"flatten_linear", 150, [](const Variable& h, const auto& w, const Variable&) { return ops::linear(ops::flatten(h), w.at("flat"), w.at("bias")); }},
      {"softmax", 5, [](const Variable& h, const auto&, const Variable&) { return ops::softmax(ops::flatten(h)); }},
      {"used_twice", 60, [](const Variable& h, const auto& w, const Variable& plain) { return ops::linear(ops::add(h, ops::relu(plain)), w.at("linear"), Variable()); }},
  };
}

/// y and all gradients of op(h), where h = x with the pending part of `kind`, materialised first or not.
Arrays run(const FusionCase& test_case, const Place& place, PrologueKind kind, bool fused) {
  const test::RandomArrays random(test_case.name);
  const auto leaf = [&](const char* name, const Shape& shape) { return place.leaf(random.values(name, shape.numel()), shape); };
  const Shape c{kChannels};
  const Variable x = leaf("x", kInput), gamma = leaf("gamma", c), beta = place.leaf(random.shifts("beta", kChannels), c), plain = leaf("plain", kInput);
  const std::map<std::string, Variable> weights{{"filter", leaf("filter", {kOutputs, 3, 3, kChannels})},
                                                {"filter1", leaf("filter1", {kOutputs, 1, 1, kChannels})},
                                                {"depthwise", leaf("depthwise", {3, 3, kChannels})},
                                                {"shift", leaf("shift", c)},
                                                {"linear", leaf("linear", {kOutputs, kChannels})},
                                                {"flat", leaf("flat", {kOutputs, kHeight * kWidth * kChannels})},
                                                {"bias", leaf("bias", {kOutputs})}};
  Variable h = x;
  if (test::has_affine(kind)) {
    const auto zeros = [&] { return Tensor::zeros(c, place.dtype, place.device); };
    h = ops::batch_norm(h, gamma, beta, {.running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5},
                        ops::BatchNormMode::kBatch);
  }
  if (test::has_relu(kind)) h = ops::relu(h);
  EXPECT_FALSE(h.pending().empty());
  if (!fused) h = ops::materialise(h);
  const Variable y = test_case.op(h, weights, plain);
  backward(y, place.tensor(random.values("grad_y", y.shape().numel()), y.shape()));

  Arrays results{{"y", test::value_of(y)}};
  const auto keep = [&](const std::string& name, const Variable& variable) {
    if (variable.grad().defined()) results["grad_" + name] = test::grad_of(variable);
  };
  keep("x", x);
  keep("gamma", gamma);
  keep("beta", beta);
  keep("plain", plain);
  for (const auto& [name, weight] : weights) keep(name, weight);
  return results;
}

class Fusion : public ::testing::TestWithParam<FusionCase> {};

TEST_P(Fusion, FusedEqualsUnfused) {
  for (const PrologueKind kind : {PrologueKind::kAffine, PrologueKind::kRelu, PrologueKind::kAffineRelu}) {
    SCOPED_TRACE(test::describe(kind));
    const Arrays exact = run(GetParam(), test::kDoubleReference, kind, false);
    EXPECT_EQ(exact.contains("grad_gamma"), test::has_affine(kind));
    for (const Place& place : test::kPlaces) {
      SCOPED_TRACE(device_name(place.device));
      for (const bool fused : {true, false}) {
        const Arrays results = run(GetParam(), place, kind, fused);
        ASSERT_EQ(results.size(), exact.size());
        for (const auto& [name, expected] : exact) {
          double terms = GetParam().terms;
          if (test::has_affine(kind)) terms *= static_cast<double>(kBatch * kHeight * kWidth);  // through the statistics
          test::expect_near(results.at(name), expected, place.limit(terms, expected), (fused ? "fused " : "unfused ") + name);
        }
      }
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Ops, Fusion, ::testing::ValuesIn(fusion_cases()), [](const auto& info) { return std::string(info.param.name); });

TEST(Fusion, NothingPendingStaysTheSameVariable) {
  const Variable x = test::kFloatCpu.leaf({1, -1}, {1, 2});
  EXPECT_EQ(ops::materialise(x).stored().raw(), x.stored().raw());
  EXPECT_EQ(ops::relu(x).stored().raw(), x.stored().raw()) << "a ReLU is only noted";
  EXPECT_EQ(test::value_of(ops::relu(ops::relu(x))), (Array{1, 0}));
}

TEST(Fusion, ScalarsAndEmptyValuesMaterialise) {
  for (const Place& place : test::kPlaces) {
    const Variable scalar = place.leaf({-3}, {});
    const Variable y = ops::add(ops::relu(scalar), ops::materialise(ops::relu(place.leaf({4}, {}))));
    EXPECT_EQ(test::value_of(y), Array{4});
    backward(y);
    EXPECT_EQ(test::grad_of(scalar), Array{0});
    const Variable empty = place.leaf({}, {3, 0});
    EXPECT_TRUE(test::value_of(ops::add(ops::relu(empty), empty)).empty());
  }
}

}  // namespace
}  // namespace sepia
