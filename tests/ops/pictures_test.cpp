// Pictures left in bytes for the first convolution: the same bits, there and back, as of the numbers that they stand for; every other op
// carries them out; observers see what they always saw.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <optional>

#include "engine/nn/flat_parameters.h"
#include "engine/ops/add.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/flatten.h"
#include "engine/ops/images.h"
#include "engine/ops/linear.h"
#include "engine/ops/pooling.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "models/edgenet.h"
#include "models/simplenet.h"
#include "tests/support/noise_batch.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using test::Arrays;
using test::Place;
using ::testing::HasSubstr;

const Shape kPictures{2, 21, 21, 3};
const ops::Normalisation kNormalisation{.mean = {0.5, 0.25, 0.375}, .std = {0.25, 0.3, 0.5}};  // not the default

Tensor bytes_on(Device device) {
  return Tensor::from_host<std::uint8_t>(test::noise_batch(2, 21, 1).pixels, kPictures, device);
}

/// The same pictures as bytes and as numbers.
Variable input(const Place& place, bool as_bytes) {
  const Tensor pixels = bytes_on(place.device);
  return as_bytes ? ops::pictures(pixels, kNormalisation, place.dtype)
                  : Variable(ops::images_to_input(pixels, kNormalisation, place.dtype));
}

TEST(Pictures, ArePendingAndSaySo) {
  for (const Place& place : test::cpu_places()) {
    const Variable x = input(place, true);
    ASSERT_NE(x.pictures(), nullptr);
    EXPECT_TRUE(x.defined());
    EXPECT_EQ(x.shape(), kPictures);
    EXPECT_EQ(x.dtype(), place.dtype);
    EXPECT_EQ(x.device(), kCpuDevice);
    EXPECT_FALSE(x.requires_grad());
    EXPECT_EQ(x.slot(), nullptr);
    EXPECT_FALSE(x.grad().defined());
    EXPECT_EQ(x.convolution(), nullptr);
    for (const auto& forgetful :
         std::vector<std::function<void()>>{[&] { (void)x.stored(); }, [&] { (void)x.pending(); }, [&] { (void)x.value(); }}) {
      EXPECT_THAT(test::error_of(forgetful, ErrorKind::kInternal), HasSubstr("pictures are still bytes; call materialise() first"));
    }
    for (const Variable& same : {x, x.detach()}) {
      const Variable carried_out = ops::materialise(same);
      EXPECT_EQ(carried_out.pictures(), nullptr);
      EXPECT_EQ(carried_out.dtype(), place.dtype);
      EXPECT_EQ(test::value_of(carried_out), test::value_of(input(place, false)));
    }
  }
}

TEST(Pictures, ArePendingOnlyWhereConvolutionsReadBytes) {
  const Variable on_reference = ops::pictures(bytes_on(kReferenceDevice), kNormalisation, DType::kF64);
  EXPECT_EQ(on_reference.pictures(), nullptr);
  EXPECT_EQ(on_reference.value().to_doubles(), test::value_of(input(test::kDoubleReference, false)));
  const Variable residual = ops::pictures(bytes_on(kCpuDevice), ops::kResidualInput, DType::kF32);
  EXPECT_EQ(residual.pictures(), nullptr);
  EXPECT_EQ(residual.value().to_doubles(), ops::images_to_input(bytes_on(kCpuDevice), ops::kResidualInput, DType::kF32).to_doubles());
}

TEST(Pictures, WhatIsNoPictureIsRefusedAtOnce) {
  const Tensor four = Tensor::zeros({1, 2, 2, 4}, DType::kU8, kCpuDevice), floats = Tensor::zeros({1, 2, 2, 3}, DType::kF32, kCpuDevice);
  EXPECT_THAT(test::error_of([&] { (void)ops::pictures(four, {}, DType::kF32); }),
              HasSubstr("pixels must be (N, H, W, 3) u8, got (1, 2, 2, 4) u8"));
  EXPECT_THAT(test::error_of([&] { (void)ops::pictures(floats, {}, DType::kF32); }),
              HasSubstr("pixels must be (N, H, W, 3) u8, got (1, 2, 2, 3) f32"));
  const ops::Normalisation flat{.std = {0.2, 0, 0.2}};
  EXPECT_THAT(test::error_of([&] { (void)ops::pictures(bytes_on(kCpuDevice), flat, DType::kF32); }),
              HasSubstr("std must be positive, got 0"));
}

/// Makes the parameters of an op as it asks for them, and remembers them.
class Parameters {
 public:
  explicit Parameters(const Place& place) : place_(place) {}

  Variable operator()(const std::string& name, const Shape& shape) {
    const DType dtype = shape.ndim() == 1 ? accumulator_dtype(place_.dtype) : place_.dtype;
    return made_[name] = Variable::leaf(tensor_from_doubles(random_.values(name, shape.numel()), shape, dtype, place_.device), true);
  }
  Tensor zeros() const { return Tensor::zeros({3}, accumulator_dtype(place_.dtype), place_.device); }

  /// y, and where there is a tape every gradient.
  Arrays results(const Variable& y) {
    Arrays found{{"y", test::value_of(y)}};
    if (!y.requires_grad()) return found;
    backward(y, place_.tensor(random_.values("grad_y", y.shape().numel()), y.shape()));
    for (const auto& [name, variable] : made_) found["grad_" + name] = test::grad_of(variable);
    return found;
  }

 private:
  Place place_;
  test::RandomArrays random_{"pictures"};
  std::map<std::string, Variable> made_;
};

struct Consumer {
  const char* name;
  std::function<Variable(const Variable& x, Parameters& parameter)> op;
};

/// What `consumer` makes of the pictures as bytes and as numbers, on a tape and off it.
void expect_the_same(const Consumer& consumer) {
  for (const Place& place : test::cpu_places()) {
    for (const bool on_tape : {true, false}) {
      SCOPED_TRACE(str(consumer.name, " ", dtype_name(place.dtype), on_tape ? " on a tape" : ""));
      std::optional<NoGradGuard> no_grad;
      if (!on_tape) no_grad.emplace();
      std::map<bool, Arrays> results;
      for (const bool as_bytes : {true, false}) {
        Parameters parameters(place);
        const Variable x = input(place, as_bytes);
        ASSERT_EQ(x.pictures() != nullptr, as_bytes);
        results[as_bytes] = parameters.results(ops::materialise(consumer.op(x, parameters)));
      }
      ASSERT_EQ(results[true].size(), results[false].size());
      for (const auto& [name, expected] : results[false]) EXPECT_EQ(results[true].at(name), expected) << name;
    }
  }
}

TEST(Pictures, ConvolutionsOfThemHaveTheSameBits) {
  const Consumer consumers[] = {
      {"stem",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {32, 3, 3, 3}), p("b", {32}), {.stride = 2, .padding = 1});
       }},
      {"7x7",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {});
       }},
      {"many outputs",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {48, 3, 3, 3}), Variable(), {.padding = 1});
       }},
      {"relu behind",
       [](const Variable& x, Parameters& p) {
         return ops::relu(ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {.padding = 3}));
       }},
      {"pooled",
       [](const Variable& x, Parameters& p) {
         return ops::max_pool(ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {.pooled = true}), {});
       }},
      {"pooled relu",
       [](const Variable& x, Parameters& p) {
         return ops::max_pool(ops::relu(ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {.padding = 3, .pooled = true})), {});
       }},
      {"pending for no pooling",
       [](const Variable& x, Parameters& p) {
         return ops::global_avg_pool(ops::relu(ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {.pooled = true})));
       }},
      {"two readers",
       [](const Variable& x, Parameters& p) {
         return ops::add(ops::conv2d(x, p("w", {6, 7, 7, 3}), p("b", {6}), {}), ops::conv2d(x, p("w2", {6, 7, 7, 3}), Variable(), {}));
       }},
  };
  for (const Consumer& consumer : consumers) expect_the_same(consumer);
}

TEST(Pictures, EveryOtherOpCarriesThemOut) {
  const auto batch_norm = [](const Variable& x, Parameters& p) {
    return ops::batch_norm(
        x, p("gamma", {3}), p("beta", {3}),
        {.running_mean = p.zeros(), .running_variance = p.zeros(), .step_mean = p.zeros(), .step_variance = p.zeros(), .eps = 1e-5},
        ops::BatchNormMode::kBatch);
  };
  const Consumer consumers[] = {
      {"depthwise_conv",
       [](const Variable& x, Parameters& p) {
         return ops::depthwise_conv(x, p("w", {3, 3, 3}), p("b", {3}), {.stride = 2});
       }},
      {"depthwise_conv left pending",
       [](const Variable& x, Parameters& p) {
         return ops::linear(ops::depthwise_conv(x, p("w", {3, 3, 3}), p("b", {3}), {.recompute = true}), p("v", {5, 3}), p("c", {5}));
       }},
      {"conv2d 1x1",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {4, 1, 1, 3}), p("b", {4}), {});
       }},
      {"conv2d 1x1 with stride",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {4, 1, 1, 3}), p("b", {4}), {.stride = 2});
       }},
      {"conv2d 1x1 left pending",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(x, p("w", {32, 1, 1, 3}), p("b", {32}), {.separable = true});
       }},
      {"batch_norm", batch_norm},
      {"batch_norm and conv2d",
       [&](const Variable& x, Parameters& p) {
         return ops::conv2d(ops::relu(batch_norm(x, p)), p("w", {6, 7, 7, 3}), p("b", {6}), {});
       }},
      {"relu", [](const Variable& x, Parameters&) { return ops::relu(x); }},
      {"relu and conv2d",
       [](const Variable& x, Parameters& p) {
         return ops::conv2d(ops::relu(x), p("w", {6, 7, 7, 3}), p("b", {6}), {});
       }},
      {"add", [](const Variable& x, Parameters&) { return ops::add(x, x); }},
      {"max_pool", [](const Variable& x, Parameters&) { return ops::max_pool(x, {}); }},
      {"global_avg_pool", [](const Variable& x, Parameters&) { return ops::global_avg_pool(x); }},
      {"flatten", [](const Variable& x, Parameters&) { return ops::flatten(x); }},
      {"linear",
       [](const Variable& x, Parameters& p) {
         return ops::linear(x, p("w", {5, 3}), p("b", {5}));
       }},
      {"softmax", [](const Variable& x, Parameters&) { return ops::softmax(ops::flatten(x)); }},
      {"materialise", [](const Variable& x, Parameters&) { return ops::materialise(x); }},
  };
  for (const Consumer& consumer : consumers) expect_the_same(consumer);
}

/// A network that is given numbers instead of pictures that are pending, when asked to.
template <class Net>
class WithInput : public nn::Module {
 public:
  template <class... Arguments>
  explicit WithInput(bool numbers, const Arguments&... arguments) : numbers_(numbers), net_(add<Net>("net", arguments...)) {}
  std::string type() const override { return "WithInput"; }

 protected:
  Variable forward(const Variable& x) override {
    EXPECT_NE(x.pictures(), nullptr) << "what a training step gives a network";
    return net_(numbers_ ? ops::materialise(x) : x);
  }

 private:
  bool numbers_;
  Net& net_;
};

template <class Net, class... Arguments>
void expect_to_train_the_same(int size, const Arguments&... arguments) {
  for (const Place& place : test::cpu_places()) {
    SCOPED_TRACE(dtype_name(place.dtype));
    std::map<bool, std::vector<float>> weights, first_weights;
    std::map<bool, std::vector<double>> losses;
    for (const bool numbers : {false, true}) {
      WithInput<Net> model(numbers, arguments...);
      model.place(kCpuDevice, place.dtype, 3);
      first_weights[numbers] = model.flat().weights().template to_host<float>();
      train::Stepper stepper(model, {});
      for (std::uint32_t i = 0; i < 2; ++i) losses[numbers].push_back(stepper.step(test::noise_batch(3, size, i), 1e-2).loss);
      weights[numbers] = model.flat().weights().template to_host<float>();
    }
    EXPECT_EQ(losses[false], losses[true]);
    EXPECT_TRUE(weights[false] == weights[true]);
    EXPECT_TRUE(weights[false] != first_weights[false]);
  }
}

TEST(Pictures, EdgenetTrainsTheSame) {
  expect_to_train_the_same<models::EdgeNet>(33);
}
TEST(Pictures, SimplenetTrainsTheSame) {
  expect_to_train_the_same<models::SimpleNet>(50, 50);
}

TEST(Pictures, AHookOnTheFirstLayerSeesItsOutputAndItsGradientAsEver) {
  for (const Place& place : test::cpu_places()) {
    std::map<bool, Arrays> seen;
    const Batch batch = test::noise_batch(2, 50, 1);
    for (const bool as_bytes : {true, false}) {
      models::SimpleNet model(50);
      model.place(place.device, place.dtype, 3);
      model.flat().require_gradients();
      Variable output;
      model.at("conv1").add_hook([&](const Variable& x, const Variable& y) {
        EXPECT_EQ(x.shape(), Shape({2, 50, 50, 3}));
        output = y;
        y.slot()->retain();
      });
      const Variable x = train::network_input(model, batch, {});
      ASSERT_NE(x.pictures(), nullptr);
      EXPECT_EQ(x.pictures()->pixels.template data<std::uint8_t>(), batch.pixels.data()) << "the batch's own bytes, not a copy";
      backward(model(as_bytes ? x : ops::materialise(x)), place.tensor({1, -1, -1, 1}, {2, 2}));
      seen[as_bytes] = {{"output", test::value_of(output)}, {"gradient", test::grad_of(output)}};
    }
    EXPECT_EQ(seen[true], seen[false]);
  }
}

}  // namespace
}  // namespace sepia
