// Names, modes, hooks and starting weights of modules, on the two networks.
#include "engine/nn/module.h"

#include <gmock/gmock.h>

#include <algorithm>
#include <map>
#include <tuple>

#include "engine/base/random.h"
#include "engine/nn/flat_parameters.h"
#include "engine/ops/cross_entropy.h"
#include "models/model.h"
#include "tests/support/counter_formula.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

using ::testing::HasSubstr;
using test::Array;
using test::Place;

std::unique_ptr<nn::Module> network(const std::string& name, const Place& place, std::uint64_t seed = 1) {
  models::ModelSpec spec = models::default_spec(name);
  spec.image_size = 64;
  auto model = models::make_model(spec);
  model->place(place.device, place.dtype, seed);
  return model;
}

Variable pictures(const Place& place, std::uint32_t batch = 0) {
  return Variable(place.tensor(counter_formula::batch_nhwc(batch, 2, 64), {2, 64, 64, 3}));
}

/// Forward and backward in training mode; logits, then all gradients.
std::pair<Array, Array> step(nn::Module& model, const Place& place) {
  model.flat().require_gradients();
  const Variable logits = ops::materialise(model(pictures(place)));
  backward(ops::cross_entropy(logits, Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, place.device)));
  model.flat().complete_gradients();
  return {logits.value().to_doubles(), model.flat().gradients().to_doubles()};
}

// What torch.nn gives for the same networks: names of parameters and buffers in the order of the state dict.
const std::vector<std::string> kSimpleNetNames{"conv1.weight", "conv1.bias", "conv2.weight", "conv2.bias", "conv3.weight", "conv3.bias",
                                               "fc1.weight",   "fc1.bias",   "fc2.weight",   "fc2.bias",   "fc3.weight",   "fc3.bias"};

TEST(Module, NamesAndOrderArePyTorchs) {
  std::vector<std::string> edgenet{"stem.weight", "stem.bias"}, buffers;
  for (const char* block : {"blocks.0.", "blocks.1.", "blocks.2."}) {
    for (const char* name : {"depthwise.weight", "depthwise.bias", "pointwise.weight", "pointwise.bias", "bn.weight", "bn.bias"}) edgenet.push_back(block + std::string(name));
    for (const char* name : {"bn.running_mean", "bn.running_var"}) buffers.push_back(block + std::string(name));
  }
  for (const char* name : {"fc1.weight", "fc1.bias", "fc2.weight", "fc2.bias"}) edgenet.emplace_back(name);
  for (const auto& [name, expected, expected_buffers] : {std::tuple{"simplenet", kSimpleNetNames, std::vector<std::string>{}}, {"edgenet", edgenet, buffers}}) {
    const auto model = models::make_model(models::default_spec(name));
    std::vector<std::string> names, buffer_names;
    for (const auto& [parameter, unused] : model->named_parameters()) names.push_back(parameter);
    for (const auto& [buffer, unused] : model->named_buffers()) buffer_names.push_back(buffer);
    EXPECT_EQ(names, expected);
    EXPECT_EQ(buffer_names, expected_buffers);
  }
}

TEST(Module, AWrongPathListsTheLayers) {
  const auto model = models::make_model(models::default_spec("edgenet"));
  EXPECT_EQ(model->at("blocks.1.bn").type(), "BatchNorm2d");
  EXPECT_EQ(&model->at(""), model.get());
  for (const char* path : {"blocks.3", "blocks.", "stem.weight", "Stem"}) {
    EXPECT_THAT(test::error_of([&] { (void)model->at(path); }), HasSubstr(str("there is no layer '", path, "'; layers are: stem, blocks, blocks.0, blocks.0.depthwise")));
  }
  EXPECT_THAT(test::error_of([&] { model->place(kCpuDevice, DType::kI32, 1); }), HasSubstr("f32, f64 or bf16, not i32"));
  EXPECT_THAT(test::error_of([&] { (void)model->flat(); }, ErrorKind::kInternal), HasSubstr("call place()"));
  const auto in_bf16 = [&] { model->place(kCpuDevice, DType::kBF16, 1); };
  if (kernels::cpu_backend().bfloat16) in_bf16();
  else EXPECT_THAT(test::error_of(in_bf16), HasSubstr("device cpu has no bf16 kernels"));
}

TEST(Module, FirstWeightsAreOneStreamPerTensor) {
  const auto model = network("simplenet", test::kFloatCpu, 7);
  std::uint32_t number = 0;
  std::int64_t longest = 0;
  for (const auto& [name, parameter] : model->named_parameters()) {
    RandomStream random(7, RandomPurpose::kInitialisation, number++);
    const double bound = parameter->initialiser.value;
    const std::vector<float> values = parameter->master.to_host<float>();
    longest = std::max(longest, parameter->shape.numel());
    std::size_t differing = 0;
    for (const float value : values) differing += value != static_cast<float>(random.uniform(-bound, bound)) ? 1 : 0;
    EXPECT_EQ(differing, 0U) << name;
  }
  EXPECT_GT(longest, 1 << 16) << "one that is drawn in pieces";
}

TEST(Module, EveryWeightIsRoundedForBf16) {
  if (!kernels::cpu_backend().bfloat16) GTEST_SKIP() << "no bf16 here";
  const auto model = network("simplenet", {kCpuDevice, DType::kBF16}, 3);
  const std::vector<float> weights = model->flat().weights().to_host<float>();
  const std::vector<bf16> rounded = model->flat().rounded_weights().to_host<bf16>();
  ASSERT_EQ(rounded.size(), weights.size());
  ASSERT_GT(rounded.size(), std::size_t{1} << 16) << "more than is rounded in one piece";
  std::size_t differing = 0;
  for (std::size_t i = 0; i < weights.size(); ++i) differing += static_cast<float>(rounded[i]) != static_cast<float>(bf16(weights[i])) ? 1 : 0;
  EXPECT_EQ(differing, 0U);
}

// What an undrawn model needs before it runs is all of its weights: io/weights_test.cpp loads them.
TEST(Module, AnUndrawnModelStartsAtNothingAndRefusesToRun) {
  for (const Place& place : test::kPlaces) {
    models::ModelSpec spec = models::default_spec("edgenet");
    spec.image_size = 64;
    const auto model = models::make_model(spec);
    model->place_undrawn(place.device, place.dtype);
    EXPECT_THAT(test::error_of([&] { (void)(*model)(pictures(place)); }, ErrorKind::kInternal), HasSubstr("without drawing its weights"));
    EXPECT_EQ(model->at("blocks.0.bn").named_buffers()[1].second->value.to_doubles(), Array(64, 1.0)) << "running variance";
    model->flat().initialise(1);
    const auto drawn = network("edgenet", place, 1);
    EXPECT_EQ(model->flat().weights().to_doubles(), drawn->flat().weights().to_doubles());
    EXPECT_EQ((*model)(pictures(place)).value().to_doubles(), (*drawn)(pictures(place)).value().to_doubles());
  }
}

TEST(Module, ModelsRunInTypesThatTheDeviceHasKernelsFor) {
  const auto model = models::make_model(models::default_spec("edgenet"));
  EXPECT_THAT(test::error_of([&] { model->place(kCpuDevice, DType::kI32, 1); }), HasSubstr("f32, f64 or bf16, not i32"));
  EXPECT_THAT(test::error_of([&] { (void)model->flat(); }, ErrorKind::kInternal), HasSubstr("call place()"));
}

class Networks : public ::testing::TestWithParam<const char*> {};
INSTANTIATE_TEST_SUITE_P(All, Networks, ::testing::Values("edgenet", "simplenet"), [](const auto& info) { return std::string(info.param); });

TEST_P(Networks, HooksDoNotChangeOutputsOrGradients) {
  for (const Place& place : test::kPlaces) {
    SCOPED_TRACE(device_name(place.device));
    const auto model = network(GetParam(), place);
    const auto [logits, gradients] = step(*model, place);
    int called = 0;
    for (const auto& [name, module] : model->named_modules()) {
      module->add_hook([&called](const Variable&, const Variable& output) {
        ++called;
        EXPECT_TRUE(output.pending().empty());
        output.slot()->retain();
      });
    }
    const auto [hooked_logits, hooked_gradients] = step(*model, place);
    EXPECT_EQ(called, static_cast<int>(model->named_modules().size()));
    double largest = 0;
    for (const double g : gradients) largest = std::max(largest, std::abs(g));
    const bool exact = place.dtype == DType::kF64;
    test::expect_near(hooked_logits, logits, {0, exact ? 1e-12 : 1e-5}, "logits");
    test::expect_near(hooked_gradients, gradients, {0, (exact ? 1e-12 : 1e-4) * largest}, "gradients");
  }
}

TEST_P(Networks, AHookSeesTheGradientOfItsModulesOutput) {
  // Moving a module's output by a little along one axis moves the loss by the retained gradient there.
  const Place& place = test::kDoubleReference;
  const auto model = network(GetParam(), place);
  model->eval();
  const Tensor labels = Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, place.device);
  nn::Module& layer = model->at(std::string(GetParam()) == "edgenet" ? "blocks.1" : "conv2");
  Variable seen;
  const auto loss_at = [&](std::size_t element, double nudge) {
    layer.clear_hooks();
    layer.add_hook([&](const Variable&, const Variable& output) {
      seen = output;
      output.slot()->retain();
      output.value().data<double>()[element] += nudge;
    });
    return ops::cross_entropy((*model)(pictures(place)), labels);
  };
  model->flat().require_gradients();
  const Variable loss = loss_at(0, 0);
  backward(loss);
  const Array gradient = test::grad_of(seen);
  const std::size_t element = static_cast<std::size_t>(std::ranges::max_element(gradient, {}, [](double g) { return std::abs(g); }) - gradient.begin());
  const double numeric = (loss_at(element, 1e-6).value().item() - loss_at(element, -1e-6).value().item()) / 2e-6;
  EXPECT_NE(gradient[element], 0);
  EXPECT_NEAR(gradient[element], numeric, 1e-3 * std::abs(numeric) + 1e-8);
}

TEST_P(Networks, TheSeedDecidesTheWeights) {
  const Place& place = test::kFloatCpu;
  const auto weights = [&](std::uint64_t seed) { return network(GetParam(), place, seed)->flat().weights().to_doubles(); };
  const Array seven = weights(7);
  EXPECT_EQ(seven, weights(7));
  EXPECT_NE(seven, weights(8));
  const auto in_double = network(GetParam(), test::kDoubleReference, 7);
  test::expect_near(seven, in_double->flat().weights().to_doubles(), {6e-8, 0}, "float weights are the double ones rounded");
}

TEST_P(Networks, WeightsStartWithinPyTorchsBounds) {
  const auto model = network(GetParam(), test::kFloatCpu);
  const auto parameters = model->named_parameters();
  const std::map<std::string, nn::Parameter*> by_name(parameters.begin(), parameters.end());
  for (const auto& [name, parameter] : parameters) {
    SCOPED_TRACE(name);
    const Array values = parameter->variable.value().to_doubles();
    const bool norm = name.find(".bn.") != std::string::npos;
    if (norm) {
      EXPECT_THAT(values, ::testing::Each(name.ends_with("weight") ? 1.0 : 0.0));
      continue;
    }
    // PyTorch's fan_in: the elements of one output's filter, for its bias too.
    const nn::Parameter& weight = *by_name.at(name.substr(0, name.rfind('.')) + ".weight");
    const bool depthwise = name.find("depthwise") != std::string::npos;
    const std::int64_t outputs = depthwise ? weight.shape[-1] : weight.shape[0];
    const double bound = 1 / std::sqrt(static_cast<double>(weight.shape.numel() / outputs));
    const auto [low, high] = std::ranges::minmax(values);
    EXPECT_GE(low, -bound * (1 + 1e-6));
    EXPECT_LE(high, bound * (1 + 1e-6));
    if (values.size() >= 256) {
      EXPECT_LT(low, -0.95 * bound) << "the whole range is used";
      EXPECT_GT(high, 0.95 * bound);
    }
  }
}

}  // namespace
}  // namespace sepia
