// A stem left pending for the separable convolution behind it, without a tape: the same bits as one after the other, whoever else reads it;
// with a tape nothing changes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>
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
#include "engine/train/inference.h"
#include "models/edgenet.h"
#include "tests/support/noise_batch.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using test::Array;
using test::Arrays;
using test::Place;
using test::PrologueKind;
using ::testing::HasSubstr;

constexpr std::int64_t kStem = 32, kOutputs = 11;
const Shape kInput{2, 21, 38, 3}, kFilter{kStem, 3, 3, 3};

struct Setting {
  Place place;
  bool separable;                             ///< whether the stem is told what follows
  PrologueKind before = PrologueKind::kNone;  ///< pending at the stem's input
  bool relu = true, bias = true;
  int stride = 2;
};

/// A stem of leaves, and all that a test puts behind it.
class Network {
 public:
  explicit Network(const Setting& setting) : setting_(setting) {}

  Variable at(const std::string& name, const Shape& shape) {
    const DType dtype = shape.ndim() == 1 ? accumulator_dtype(setting_.place.dtype) : setting_.place.dtype;
    return made_[name] =
               Variable::leaf(tensor_from_doubles(random_.values(name, shape.numel()), shape, dtype, setting_.place.device), name != "x");
  }
  Variable bias(const std::string& name, std::int64_t count) { return setting_.bias ? at(name, {count}) : Variable(); }

  Variable batch_norm(const Variable& x) {
    const std::int64_t channels = x.shape()[3];
    const auto zeros = [&] { return Tensor::zeros({channels}, accumulator_dtype(setting_.place.dtype), setting_.place.device); };
    return ops::batch_norm(
        x, at("gamma", {channels}), at("beta", {channels}),
        {.running_mean = zeros(), .running_variance = zeros(), .step_mean = zeros(), .step_variance = zeros(), .eps = 1e-5},
        ops::BatchNormMode::kBatch);
  }

  /// relu(conv2d(x)) or without the ReLU, on a tape when there is one.
  Variable stem() {
    Variable x = at("x", kInput);
    if (test::has_affine(setting_.before)) x = batch_norm(x);
    if (test::has_relu(setting_.before)) x = ops::relu(x);
    const Variable v =
        ops::conv2d(x, at("stem", kFilter), bias("stem_bias", kStem), {.stride = 2, .padding = 1, .separable = setting_.separable});
    return setting_.relu ? ops::relu(v) : v;
  }
  Variable depthwise(const Variable& v) {
    return ops::depthwise_conv(v, at("depthwise", {3, 3, kStem}), bias("depthwise_bias", kStem), {.stride = setting_.stride});
  }
  Variable pointwise(const Variable& u) { return ops::linear(u, at("pointwise", {kOutputs, kStem}), bias("pointwise_bias", kOutputs)); }

  /// y and, of what is on a tape, every gradient.
  Arrays results(const Variable& y) {
    Arrays found{{"y", test::value_of(y)}};
    if (!y.requires_grad()) return found;
    backward(y, setting_.place.tensor(random_.values("grad_y", y.shape().numel()), y.shape()));
    for (const auto& [name, variable] : made_) {
      if (variable.grad().defined()) found["grad_" + name] = test::grad_of(variable);
    }
    return found;
  }

 private:
  const Setting setting_;
  const test::RandomArrays random_{"conv2d_separable"};
  std::map<std::string, Variable> made_;
};

void expect_equal(const Arrays& results, const Arrays& expected) {
  ASSERT_EQ(results.size(), expected.size());
  for (const auto& [name, values] : expected) EXPECT_EQ(results.at(name), values) << name;
}

TEST(Conv2dSeparable, IsPendingWithoutATapeAndWhenAskedFor) {
  for (const Place& place : test::cpu_places()) {
    for (const bool separable : {true, false}) {
      EXPECT_EQ(Network({place, separable}).stem().convolution(), nullptr) << "on a tape";
      const NoGradGuard no_grad;
      EXPECT_EQ(Network({place, separable}).stem().convolution() != nullptr, separable);
    }
  }
  const NoGradGuard no_grad;
  EXPECT_EQ(Network({test::kDoubleReference, true}).stem().convolution(), nullptr) << "where there is no kernel for it";
  const auto pending = [](const Shape& input, const Shape& filter) {
    const Variable x(Tensor::zeros(input, DType::kF32, kCpuDevice)), weight(Tensor::zeros(filter, DType::kF32, kCpuDevice));
    return ops::conv2d(x, weight, Variable(), {.separable = true}).convolution() != nullptr;
  };
  EXPECT_TRUE(pending({1, 7, 7, 3}, {64, 3, 3, 3}));
  EXPECT_FALSE(pending({1, 7, 7, 3}, {48, 3, 3, 3})) << "no whole vectors of outputs";
  EXPECT_FALSE(pending({1, 7, 7, 33}, {32, 3, 3, 33})) << "many inputs";
}

TEST(Conv2dSeparable, SaysWhatItIs) {
  Network network({test::kFloatCpu, true});
  std::optional<NoGradGuard> no_grad(std::in_place);
  const Variable v = network.stem(), u = network.depthwise(v);
  EXPECT_EQ(v.shape(), Shape({2, 11, 19, kStem}));
  ASSERT_NE(u.convolution(), nullptr);
  EXPECT_NE(u.convolution()->x.convolution(), nullptr) << "the stem is pending inside it";
  EXPECT_EQ(u.shape(), Shape({2, 6, 10, kStem}));
  EXPECT_EQ(u.dtype(), DType::kF32);
  EXPECT_EQ(u.device(), kCpuDevice);
  no_grad.reset();
  EXPECT_FALSE(u.requires_grad()) << "what is made without a tape stays off it";
  EXPECT_FALSE(ops::materialise(u).requires_grad());
  EXPECT_EQ(test::value_of(u.detach()), test::value_of(u));
  EXPECT_THAT(test::error_of([&] { (void)u.value(); }, ErrorKind::kInternal),
              HasSubstr("a convolution is pending; call materialise() first"));
}

TEST(Conv2dSeparable, TogetherGivesTheSameBits) {
  const NoGradGuard no_grad;
  const auto run = [](const Setting& setting) {
    Network network(setting);
    return network.results(network.pointwise(network.depthwise(network.stem())));
  };
  for (const Place& place : test::cpu_places()) {
    for (const PrologueKind before : test::kAllPrologues) {
      for (const bool relu : {true, false}) {
        for (const bool bias : {true, false}) {
          for (const int stride : {1, 2}) {
            SCOPED_TRACE(
                str(dtype_name(place.dtype), " on ", test::describe(before), relu ? " relu" : "", bias ? " bias" : "", " stride ", stride));
            expect_equal(run({place, true, before, relu, bias, stride}), run({place, false, before, relu, bias, stride}));
          }
        }
      }
    }
  }
  const Arrays exact = run({test::kDoubleReference, true}), together = run({test::kFloatCpu, true});
  test::expect_near(together.at("y"), exact.at("y"), test::kFloatCpu.limit(27 * 9 * kStem, exact.at("y")), "y");
}

struct Reader {
  const char* name;
  std::function<Variable(Network& network, const Variable& v)> op;
};

/// Reader of the stem's output, and of the depthwise convolution's behind it.
const Reader kReaders[] = {
    {"materialise", [](Network&, const Variable& v) { return v; }},
    {"relu", [](Network&, const Variable& v) { return ops::relu(v); }},
    {"add", [](Network&, const Variable& v) { return ops::add(v, v); }},
    {"2x2 max_pool", [](Network&, const Variable& v) { return ops::max_pool(v, {}); }},
    {"2x2 max_pool of another stem",
     [](Network& n, const Variable& v) {
       return ops::max_pool(ops::conv2d(v, n.at("w", {96, 3, 3, kStem}), Variable(), {.padding = 4, .separable = true}), {});
     }},
    {"3x3 max_pool", [](Network&, const Variable& v) { return ops::max_pool(v, {.kernel = 3, .stride = 2, .padding = 1}); }},
    {"global_avg_pool", [](Network&, const Variable& v) { return ops::global_avg_pool(v); }},
    {"flatten", [](Network&, const Variable& v) { return ops::flatten(v); }},
    {"batch_norm", [](Network& n, const Variable& v) { return n.batch_norm(v); }},
    {"linear",
     [](Network& n, const Variable& v) {
       return ops::linear(v, n.at("w", {5, kStem}), Variable());
     }},
    {"conv2d",
     [](Network& n, const Variable& v) {
       return ops::conv2d(v, n.at("w", {4, 3, 3, kStem}), Variable(), {.pooled = true});
     }},
    {"another stem",
     [](Network& n, const Variable& v) {
       return n.pointwise(n.depthwise(ops::conv2d(v, n.at("w", {kStem, 3, 3, kStem}), Variable(), {.separable = true})));
     }},
    {"depthwise_conv twice", [](Network& n, const Variable& v) { return n.pointwise(n.depthwise(n.depthwise(v))); }},
    {"two separable convolutions",
     [](Network& n, const Variable& v) { return ops::add(n.pointwise(n.depthwise(v)), n.pointwise(n.depthwise(v))); }},
    {"a separable convolution and add",
     [](Network& n, const Variable& v) { return ops::add(ops::global_avg_pool(v), ops::global_avg_pool(n.depthwise(v))); }},
    {"linear twice",
     [](Network& n, const Variable& v) {
       const Variable u = n.depthwise(v);
       return ops::add(n.pointwise(u), n.pointwise(u));
     }},
};

TEST(Conv2dSeparable, EveryReaderCarriesItOut) {
  const NoGradGuard no_grad;
  for (const Place& place : test::cpu_places()) {
    for (const Reader& reader : kReaders) {
      for (const bool relu : {true, false}) {
        for (const bool behind_depthwise : {false, true}) {
          SCOPED_TRACE(str(reader.name, " ", dtype_name(place.dtype), relu ? " relu" : "",
                           behind_depthwise ? " behind a depthwise convolution" : ""));
          std::map<bool, Arrays> results;
          for (const bool separable : {true, false}) {
            Network network({.place = place, .separable = separable, .relu = relu, .stride = 1});
            const Variable v = network.stem();
            ASSERT_EQ(v.convolution() != nullptr, separable);
            results[separable] = network.results(reader.op(network, behind_depthwise ? network.depthwise(v) : v));
          }
          expect_equal(results[true], results[false]);
        }
      }
    }
  }
}

// conv2d_pool is not for every stem: where the windows do not fit, it would not say so.
TEST(Conv2dSeparable, AWindowThatDoesNotFitIsRefusedAsEver) {
  const NoGradGuard no_grad;
  const Variable x(Tensor::zeros({1, 1, 38, 3}, DType::kF32, kCpuDevice)), weight(Tensor::zeros(kFilter, DType::kF32, kCpuDevice));
  for (const bool separable : {true, false}) {
    const Variable v = ops::conv2d(x, weight, Variable(), {.stride = 2, .padding = 1, .separable = separable});
    EXPECT_THAT(test::error_of([&] { (void)ops::max_pool(v, {}); }), HasSubstr("[max_pool]"));
  }
}

// The stem's output is a constant of what follows, as of any tensor made without a tape: every weight behind it has its gradient.
TEST(Conv2dSeparable, MadeWithoutATapeItIsReadOnOne) {
  const Reader tapes[] = {
      {"depthwise and pointwise", [](Network& n, const Variable& v) { return n.pointwise(n.depthwise(v)); }},
      {"depthwise left pending",
       [](Network& n, const Variable& v) {
         return n.pointwise(ops::depthwise_conv(v, n.at("depthwise", {3, 3, kStem}), n.bias("depthwise_bias", kStem), {.recompute = true}));
       }},
      {"pointwise alone",
       [](Network& n, const Variable& v) {
         std::optional<NoGradGuard> no_grad(std::in_place);
         const Variable u = n.depthwise(v);
         no_grad.reset();
         EXPECT_NE(u.convolution(), nullptr);
         return n.pointwise(u);
       }},
      {"linear on it",
       [](Network& n, const Variable& v) {
         return ops::linear(v, n.at("w", {5, kStem}), n.bias("b", 5));
       }},
  };
  for (const Place& place : test::cpu_places()) {
    for (const auto& [name, behind] : tapes) {
      SCOPED_TRACE(name);
      std::map<bool, Arrays> results;
      for (const bool separable : {true, false}) {
        Network network({place, separable});
        std::optional<NoGradGuard> no_grad(std::in_place);
        const Variable v = network.stem();
        no_grad.reset();
        const Variable y = behind(network, v);
        EXPECT_TRUE(y.requires_grad());
        results[separable] = network.results(y);
      }
      EXPECT_GE(results[true].size(), 3U);
      EXPECT_FALSE(results[true].contains("grad_stem"));
      expect_equal(results[true], results[false]);
    }
  }
}

struct Outcome {
  Array logits;
  std::size_t slab = 0;
};

/// Logits of edgenet in evaluation, on a thread of its own. With `apart` its stem has a hook, which sees its output.
Outcome evaluate(bool apart, bool numbers, DType dtype) {
  Outcome outcome;
  std::thread([&] {
    models::EdgeNet model;
    model.place(kCpuDevice, dtype, 3);
    model.eval();
    std::int64_t seen = 0;
    if (apart) model.at("stem").add_hook([&seen](const Variable&, const Variable& output) { seen += output.value().shape().numel(); });
    const Batch batch = test::noise_batch(3, 100, 1);
    const NoGradGuard no_grad;
    for (int i = 0; i < 2; ++i) {  // the second pass lies in the slab that the first one planned
      const StepScope scope(kCpuDevice, "evaluate");
      const Variable x = train::network_input(model, batch, {});
      outcome.logits = test::value_of(model(numbers ? ops::materialise(x) : x));
    }
    EXPECT_EQ(seen, apart ? 2 * 3 * 50 * 50 * 32 : 0);
    outcome.slab = arena_of(kCpuDevice)->statistics().slab_bytes;
  }).join();
  return outcome;
}

TEST(Conv2dSeparable, EdgenetsLogitsAreTheSameInLessMemory) {
  for (const Place& place : test::cpu_places()) {
    const Outcome together = evaluate(false, false, place.dtype), apart = evaluate(true, false, place.dtype);
    EXPECT_EQ(together.logits.size(), 6U);
    EXPECT_EQ(together.logits, apart.logits);
    EXPECT_EQ(together.logits, evaluate(false, true, place.dtype).logits) << "of pictures as numbers";
    EXPECT_EQ(together.logits, evaluate(true, true, place.dtype).logits) << "of pictures as numbers, with a hook";
    const std::size_t stem = 3 * 50 * 50 * 32 * dtype_size(place.dtype);
    EXPECT_GE(apart.slab, stem);
    EXPECT_LT(together.slab, stem) << "the stem's output is never in memory";
  }
}

}  // namespace
}  // namespace sepia
