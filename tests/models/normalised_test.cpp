// Every batch norm of the networks finds the statistics of its batch on what the layer in front of it returns: in training, and unless
// somebody looks on.
#include <gtest/gtest.h>

#include <cmath>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/nn/flat_parameters.h"
#include "engine/nn/layers.h"
#include "engine/ops/cross_entropy.h"
#include "models/edgenet.h"
#include "models/xception.h"
#include "tests/support/tape.h"

namespace sepia {
namespace {

constexpr int kPictures = 2, kSide = 72;

std::vector<std::unique_ptr<nn::Module>> networks(const test::Place& place = test::kFloatCpu) {
  std::vector<std::unique_ptr<nn::Module>> all;
  all.push_back(std::make_unique<models::EdgeNet>(2));
  all.push_back(std::make_unique<models::Xception>(models::XceptionOptions{.classes = 2, .deep_head = true, .width_divisor = 4}));
  for (const auto& model : all) model->place(place.device, place.dtype, 3);
  return all;
}

Variable pictures(const test::Place& place = test::kFloatCpu) {
  const Shape shape{kPictures, kSide, kSide, 3};
  return Variable(place.tensor(test::RandomArrays("pictures").values("x", shape.numel()), shape));
}

using Look = std::function<void(const std::string& name, const Variable& input)>;

/// Runs a model and shows what comes to each of its batch norms.
void at_batch_norms(nn::Module& model, const Look& look) {
  for (const auto& [name, module] : model.named_modules()) {
    if (module->type() == "BatchNorm2d")
      module->add_hook([&look, name = name](const Variable& input, const Variable&) { look(name, input); });
  }
  model(pictures());
}

TEST(Normalised, StatisticsComeToEveryBatchNormInTraining) {
  for (const auto& model : networks()) {
    std::size_t norms = 0;
    at_batch_norms(*model, [&](const std::string& name, const Variable& input) {
      ++norms;
      ASSERT_NE(input.statistics(), nullptr) << name;
      const Tensor& mean = input.statistics()->mean;
      EXPECT_EQ(mean.shape(), Shape({input.shape()[3]})) << name;
      double sum = 0;
      const test::Array values = input.value().to_doubles();
      const auto channels = static_cast<std::size_t>(input.shape()[3]), rows = values.size() / channels;
      for (std::size_t i = 0; i < values.size(); i += channels) sum += values[i];
      EXPECT_NEAR(mean.to_doubles()[0], sum / static_cast<double>(rows), 1e-5) << name;
    });
    EXPECT_GE(norms, 3U);
  }
}

TEST(Normalised, NobodyTakesThemInEvaluation) {
  for (const auto& model : networks()) {
    model->eval();
    at_batch_norms(*model, [](const std::string& name, const Variable& input) { EXPECT_EQ(input.statistics(), nullptr) << name; });
  }
}

TEST(Normalised, AHookInFrontTakesThemAway) {
  for (const auto& model : networks()) {
    for (const auto& [name, module] : model->named_modules()) module->add_hook([](const Variable&, const Variable&) {});
    at_batch_norms(*model, [](const std::string& name, const Variable& input) { EXPECT_EQ(input.statistics(), nullptr) << name; });
  }
}

/// Loss and all gradients of a step, with hooks on all modules or on none.
std::pair<double, test::Array> step(nn::Module& model, bool watched) {
  if (watched) {
    for (const auto& [name, module] : model.named_modules()) module->add_hook([](const Variable&, const Variable&) {});
  }
  model.flat().require_gradients();
  const Variable loss = ops::cross_entropy(ops::materialise(model(pictures())),
                                           Tensor::from_host<std::int32_t>(std::vector<std::int32_t>{0, 1}, {2}, kCpuDevice));
  backward(loss);
  model.flat().complete_gradients();
  return {test::value_of(loss)[0], model.flat().gradients().to_doubles()};
}

TEST(Normalised, AStepIsTheSameWithoutThem) {
  const auto some = networks(), others = networks();
  for (std::size_t i = 0; i < some.size(); ++i) {
    const auto [loss, gradients] = step(*some[i], false);
    const auto [watched_loss, watched_gradients] = step(*others[i], true);
    EXPECT_NEAR(loss, watched_loss, 1e-5);
    double difference = 0, size = 0;
    for (std::size_t j = 0; j < gradients.size(); ++j) {
      difference += (gradients[j] - watched_gradients[j]) * (gradients[j] - watched_gradients[j]);
      size += gradients[j] * gradients[j];
    }
    EXPECT_LT(std::sqrt(difference), 1e-3 * std::sqrt(size));
  }
}

}  // namespace
}  // namespace sepia
