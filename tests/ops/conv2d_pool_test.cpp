// A dense convolution left pending for the max pooling behind it: the same bits as one after the other, whatever is wanted of the way back;
// every other op carries it out; observers see its output as ever.
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <thread>

#include "engine/base/arena.h"
#include "engine/nn/flat_parameters.h"
#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "engine/train/stepper.h"
#include "models/simplenet.h"
#include "tests/support/noise_batch.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using test::Array;
using test::Arrays;
using test::Place;
using test::PrologueKind;

constexpr std::int64_t kChannels = 3, kOutputs = 6;
const Shape kInput{2, 21, 44, kChannels}, kFilter{kOutputs, 7, 7, kChannels};

struct Setting {
  PrologueKind before = PrologueKind::kNone;  ///< pending at the convolution's input
  bool relu = true, bias = true;
  int padding = 0;
  std::set<std::string> frozen{};  ///< inputs whose gradient nobody wants
};

/// y and every gradient of `consumer` on conv2d, perhaps with a ReLU between.
using Consumer = std::function<Variable(const Variable& v)>;
Arrays run(const Place& place, const Setting& setting, bool pooled, const Consumer& consumer, bool on_tape = true) {
  const test::RandomArrays random("conv2d_pool");
  std::map<std::string, Variable> made;
  const auto input = [&](const std::string& name, const Shape& shape, bool vector_like = false) {
    const DType dtype = vector_like ? accumulator_dtype(place.dtype) : place.dtype;
    const Tensor tensor = tensor_from_doubles(random.values(name, shape.numel()), shape, dtype, place.device);
    return made[name] = setting.frozen.contains(name) ? Variable(tensor) : Variable::leaf(tensor, name != "x");
  };
  std::optional<NoGradGuard> no_grad;
  if (!on_tape) no_grad.emplace();
  Variable x = input("x", kInput);
  if (test::has_affine(setting.before)) {
    const auto zeros = [&] { return Tensor::zeros({kChannels}, accumulator_dtype(place.dtype), place.device); };
    x = ops::batch_norm(x, input("gamma", {kChannels}, true), input("beta", {kChannels}, true),
                        {.running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5},
                        ops::BatchNormMode::kBatch);
  }
  if (test::has_relu(setting.before)) x = ops::relu(x);
  Variable v = ops::conv2d(x, input("weight", kFilter), setting.bias ? input("bias", {kOutputs}, true) : Variable(), {.padding = setting.padding, .pooled = pooled});
  EXPECT_EQ(v.convolution() != nullptr, pooled && place.device == kCpuDevice) << "pending only where there is a kernel for it";
  if (setting.relu) v = ops::relu(v);
  const Variable y = consumer(v);
  EXPECT_EQ(y.requires_grad(), on_tape);
  if (on_tape) backward(y, place.tensor(random.values("grad_y", y.shape().numel()), y.shape()));
  Arrays results;
  for (const auto& [name, variable] : made) {
    if (variable.grad().defined()) results["grad_" + name] = test::grad_of(variable);
  }
  results["y"] = test::value_of(y);
  return results;
}

Variable pool(const Variable& v) { return ops::max_pool(v, {}); }

void expect_equal(const Arrays& results, const Arrays& expected) {
  ASSERT_EQ(results.size(), expected.size());
  for (const auto& [name, values] : expected) EXPECT_EQ(results.at(name), values) << name;
}

TEST(Conv2dPool, TogetherGivesTheSameBits) {
  for (const Place& place : test::cpu_places()) {
    for (const PrologueKind before : test::kAllPrologues) {
      for (const bool relu : {true, false}) {
        for (const bool bias : {true, false}) {
          for (const int padding : {0, 3}) {
            SCOPED_TRACE(str(dtype_name(place.dtype), " on ", test::describe(before), relu ? " relu" : "", bias ? " bias" : "", " padding ", padding));
            const Setting setting{before, relu, bias, padding};
            const Arrays apart = run(place, setting, false, pool), together = run(place, setting, true, pool);
            EXPECT_GT(apart.size(), 2U);
            expect_equal(together, apart);
            expect_equal(run(place, setting, true, pool, false), {{"y", apart.at("y")}});
          }
        }
      }
    }
  }
}

TEST(Conv2dPool, MatchesTheReferenceInDouble) {
  const Setting setting{.before = PrologueKind::kRelu, .padding = 3};
  const Arrays exact = run(test::kDoubleReference, setting, true, pool), together = run(test::kFloatCpu, setting, true, pool);
  ASSERT_EQ(together.size(), exact.size());
  for (const auto& [name, expected] : exact) test::expect_near(together.at(name), expected, test::kFloatCpu.limit(2 * 21 * 44, expected), name);
}

TEST(Conv2dPool, OnlyTheGradientsThatAreWanted) {
  const std::vector<std::string> names{"x", "weight", "bias"};
  for (const Place& place : test::cpu_places()) {
    const Arrays all = run(place, {}, false, pool);
    for (unsigned wanted = 1; wanted < 1u << names.size(); ++wanted) {
      Setting setting;
      for (std::size_t i = 0; i < names.size(); ++i) {
        if (!(wanted >> i & 1)) setting.frozen.insert(names[i]);
      }
      SCOPED_TRACE(wanted);
      const Arrays some = run(place, setting, true, pool);
      EXPECT_EQ(some.size(), 1 + names.size() - setting.frozen.size());
      for (const auto& [name, values] : some) EXPECT_EQ(values, all.at(name)) << name;
    }
  }
}

TEST(Conv2dPool, EveryOtherReaderCarriesItOut) {
  const test::RandomArrays random("readers");
  const auto leaf = [&](const Shape& shape) { return test::kFloatCpu.leaf(random.values("w", shape.numel()), shape); };
  const std::map<std::string, Consumer> consumers{
      {"overlapping windows", [](const Variable& v) { return ops::max_pool(v, {.kernel = 3, .stride = 2, .padding = 1}); }},
      {"padded windows", [](const Variable& v) { return ops::max_pool(v, {.kernel = 2, .stride = 2, .padding = 1}); }},
      {"windows of one", [](const Variable& v) { return ops::max_pool(v, {.kernel = 1, .stride = 2}); }},
      {"conv2d", [&](const Variable& v) { return ops::conv2d(v, leaf({4, 3, 3, kOutputs}), Variable(), {.pooled = true}); }},
      {"depthwise_conv", [&](const Variable& v) { return ops::depthwise_conv(v, leaf({3, 3, kOutputs}), Variable(), {}); }},
      {"linear", [&](const Variable& v) { return ops::linear(v, leaf({5, kOutputs}), Variable()); }},
      {"relu", [](const Variable& v) { return ops::materialise(ops::relu(v)); }},
      {"add", [](const Variable& v) { return ops::add(v, v); }},
      {"global_avg_pool", [](const Variable& v) { return ops::global_avg_pool(v); }},
      {"flatten", [](const Variable& v) { return ops::flatten(v); }},
      {"materialise", [](const Variable& v) { return ops::materialise(v); }},
  };
  for (const auto& [name, consumer] : consumers) {
    for (const bool relu : {true, false}) {
      SCOPED_TRACE(name);
      const Setting setting{.relu = relu};
      const Consumer whole = [&](const Variable& v) { return ops::materialise(consumer(v)); };
      const bool twice = name == "add";  // computed for each reader, hence two gradients of the input, added
      const Arrays apart = run(test::kFloatCpu, setting, false, whole), pending = run(test::kFloatCpu, setting, true, whole);
      ASSERT_EQ(pending.size(), apart.size());
      for (const auto& [result, expected] : apart) {
        if (!twice) EXPECT_EQ(pending.at(result), expected) << result;
        else test::expect_near(pending.at(result), expected, test::kFloatCpu.limit(2 * 21 * 44, expected), result);
      }
    }
  }
}

TEST(Conv2dPool, WhereTheKernelDoesNotFitNothingIsPending) {
  const Variable x = test::kFloatCpu.leaf(Array(7 * 7 * 2, 1.0), {1, 7, 7, 2}), filter = test::kFloatCpu.leaf(Array(4 * 3 * 3 * 2, 1.0), {4, 3, 3, 2});
  EXPECT_NE(ops::conv2d(x, filter, Variable(), {.pooled = true}).convolution(), nullptr);
  EXPECT_EQ(ops::conv2d(x, filter, Variable(), {.stride = 2, .pooled = true}).convolution(), nullptr);
  EXPECT_EQ(ops::conv2d(x, filter, Variable(), {}).convolution(), nullptr);
}

struct Outcome {
  std::vector<double> losses;
  std::size_t slab = 0;
};

/// Steps of simplenet on a thread of its own. With `apart` its convolutions have hooks, which see their outputs.
Outcome train(bool apart, DType dtype) {
  Outcome outcome;
  std::thread([&] {
    models::SimpleNet model(64);
    model.place(kCpuDevice, dtype, 3);
    std::int64_t seen = 0;
    for (const char* name : {"conv1", "conv2", "conv3"}) {
      if (apart) model.at(name).add_hook([&seen](const Variable&, const Variable& output) { seen += output.value().shape().numel(); });
    }
    train::Stepper stepper(model, {});
    for (int i = 0; i < 3; ++i) outcome.losses.push_back(stepper.step(test::noise_batch(3, 64, 1), 1e-3).loss);
    EXPECT_EQ(seen, apart ? 3 * 3 * (58 * 58 * 6 + 23 * 23 * 16 + 5 * 5 * 24) : 0);
    outcome.slab = arena_of(kCpuDevice)->statistics().slab_bytes;
  }).join();
  return outcome;
}

TEST(Conv2dPool, SimplenetTrainsTheSameInLessMemory) {
  for (const Place& place : test::cpu_places()) {
    const Outcome together = train(false, place.dtype), apart = train(true, place.dtype);
    EXPECT_EQ(together.losses, apart.losses);
    EXPECT_LT(together.slab, apart.slab);
    std::printf("plan of a step: %zu bytes with the convolutions' outputs, %zu without\n", apart.slab, together.slab);
  }
}

// What Grad-CAM asks for, at a layer whose output is pending when nobody looks: its output after the convolution, or the ReLU, and the gradient there.
TEST(Conv2dPool, AHookSeesTheConvolutionsOutputAndItsGradient) {
  for (const char* layer : {"conv1", "relu1"}) {
    SCOPED_TRACE(layer);
    std::map<DType, Arrays> seen;
    for (const Place& place : test::kPlaces) {
      models::SimpleNet model(50);
      model.place(place.device, place.dtype, 3);
      model.flat().require_gradients();
      Variable output;
      model.at(layer).add_hook([&](const Variable&, const Variable& y) {
        output = y;
        y.slot()->retain();
      });
      const test::RandomArrays random("hook");
      const Variable logits = model(Variable(place.tensor(random.values("x", 50 * 50 * 3), {1, 50, 50, 3})));
      backward(logits, place.tensor({1, -1}, {1, 2}));
      ASSERT_EQ(output.shape(), Shape({1, 44, 44, 6}));
      seen[place.dtype] = {{"output", test::value_of(output)}, {"gradient", test::grad_of(output)}};
    }
    for (const auto& [name, expected] : seen.at(DType::kF64)) {
      test::expect_near(seen.at(DType::kF32).at(name), expected, test::kFloatCpu.limit(1000, expected), name);
      EXPECT_TRUE(std::ranges::any_of(expected, [](double value) { return value != 0; })) << name;
    }
  }
}

}  // namespace
}  // namespace sepia
