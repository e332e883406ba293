// Twenty Adam steps of both networks against PyTorch in float64, from the same weights on the same batches.
#include <gtest/gtest.h>

#include <cmath>
#include <memory>

#include "engine/io/file_layout.h"
#include "engine/nn/flat_parameters.h"
#include "engine/ops/cross_entropy.h"
#include "engine/ops/materialise.h"
#include "engine/optim/optimizer.h"
#include "models/model.h"
#include "tests/support/golden.h"

namespace sepia {
namespace {

using nlohmann::json;

/// A network with the counter formula's weights, and the golden run that it follows.
class GoldenRun {
 public:
  GoldenRun(const std::string& name, Device device, DType dtype) : golden_(golden::load("training_" + name)) {
    models::ModelSpec spec = models::default_spec(name);
    spec.image_size = golden_.at("setup").at("image_size").get<std::int64_t>();
    model_ = models::make_model(spec);
    model_->place(device, dtype, 0);
    const auto parameters = model_->named_parameters();
    EXPECT_EQ(parameters.size(), golden_.at("parameters").size());
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const json& row = golden_.at("parameters")[i];
      EXPECT_EQ(parameters[i].first, row.at("name").get<std::string>());
      const nn::Parameter& parameter = *parameters[i].second;
      const std::vector<double> file = counter_formula::parameter(row.at("number").get<std::uint32_t>(), row.at("kind").get<std::string>(),
                                                                  static_cast<std::size_t>(parameter.shape.numel()), row.at("fan_in").get<std::uint32_t>());
      std::vector<double> memory(file.size());
      from_file_layout(parameter, sizeof(double), std::as_bytes(std::span(file)), std::as_writable_bytes(std::span(memory)));
      parameter.variable.stored().copy_from(tensor_from_doubles(memory, parameter.shape, dtype, device));
    }
    model_->flat().require_gradients();
    const json& o = golden_.at("optimizer");
    const optim::OptimizerOptions options{.lr = o.at("lr").get<double>(), .beta1 = o.at("beta1").get<double>(), .beta2 = o.at("beta2").get<double>(),
                                          .eps = o.at("eps").get<double>()};
    optimizer_ = std::make_unique<optim::Optimizer>(options, model_->flat().weights(), model_->flat().gradients(),
                                                    std::vector{optim::ParameterGroup{.offset = 0, .count = model_->flat().size()}});
  }

  /// Forward and backward of step s; returns the loss before the update.
  double gradients(int s) {
    const StepScope scope(model_->device(), "golden");
    const Variable logits = ops::materialise((*model_)(input(s)));
    if (s == 0) first_logits_ = logits.value().to_doubles();
    const std::vector<int> labels = counter_formula::batch_labels(batch_of(s), batch_size());
    const std::vector<std::int32_t> labels32(labels.begin(), labels.end());
    const Variable loss = ops::cross_entropy(logits, Tensor::from_host<std::int32_t>(labels32, {static_cast<std::int64_t>(labels32.size())}, model_->device()));
    backward(loss);
    model_->flat().complete_gradients();
    return loss.value().item();
  }

  void update() {
    optimizer_->step(optimizer_->options().lr);
    model_->flat().commit_running_statistics();
    model_->flat().clear_gradients();
  }

  std::vector<double> evaluation_logits() {
    const NoGradGuard no_grad;
    model_->eval();
    const std::vector<double> logits = ops::materialise((*model_)(input(0))).value().to_doubles();
    model_->train();
    return logits;
  }

  /// A parameter-shaped part of a flat arena, in the file's layout.
  std::vector<double> in_file_layout(const nn::Parameter& parameter, const Tensor& arena) const {
    const std::vector<double> memory = arena.slice(parameter.offset, parameter.shape).to_doubles();
    std::vector<double> file(memory.size());
    to_file_layout(parameter, sizeof(double), std::as_bytes(std::span(memory)), std::as_writable_bytes(std::span(file)));
    return file;
  }

  const json& golden() const { return golden_; }
  nn::Module& model() { return *model_; }
  const std::vector<double>& first_logits() const { return first_logits_; }
  int steps() const { return golden_.at("setup").at("steps").get<int>(); }

 private:
  std::uint32_t batch_of(int s) const { return static_cast<std::uint32_t>(s) % golden_.at("setup").at("batches").get<std::uint32_t>(); }
  std::uint32_t batch_size() const { return golden_.at("setup").at("batch_size").get<std::uint32_t>(); }
  Variable input(int s) const {
    const auto size = golden_.at("setup").at("image_size").get<std::uint32_t>();
    const std::vector<double> values = counter_formula::batch_nhwc(batch_of(s), batch_size(), size);
    return Variable(tensor_from_doubles(values, {batch_size(), size, size, 3}, model_->dtype(), model_->device()));
  }

  json golden_;
  std::unique_ptr<nn::Module> model_;
  std::unique_ptr<optim::Optimizer> optimizer_;
  std::vector<double> first_logits_;
};

class GoldenTraining : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenTraining, DoubleReferenceFollowsPyTorchFloat64) {
  GoldenRun run(GetParam(), kReferenceDevice, DType::kF64);
  const json& golden = run.golden();
  for (int s = 0; s < run.steps(); ++s) {
    EXPECT_NEAR(run.gradients(s), golden.at("losses")[static_cast<std::size_t>(s)].get<double>(), 1e-8) << "step " << s;
    if (s == 0) {
      std::uint32_t number = 0;
      for (const auto& [name, parameter] : run.model().named_parameters()) {
        const double distance =
            golden::digest_distance(golden.at("first_step_gradients").at(name), run.in_file_layout(*parameter, run.model().flat().gradients()), number++);
        EXPECT_LE(distance, 1e-6) << "gradient of " << name;
      }
      std::size_t i = 0;
      for (const json& row : golden.at("first_step_logits")) {
        for (const json& logit : row) EXPECT_NEAR(run.first_logits()[i++], logit.get<double>(), 1e-9);
      }
    }
    run.update();
  }
  std::uint32_t number = 0;
  for (const auto& [name, parameter] : run.model().named_parameters()) {
    const double distance = golden::digest_distance(golden.at("final_parameters").at(name), run.in_file_layout(*parameter, run.model().flat().weights()), number++);
    EXPECT_LE(distance, 1e-6) << "weights of " << name << " after " << run.steps() << " steps";
  }
  for (const auto& [name, buffer] : run.model().named_buffers()) {
    const auto expected = golden.at("final_buffers").at(name).get<std::vector<double>>();
    const std::vector<double> values = buffer->value.to_doubles();
    ASSERT_EQ(values.size(), expected.size()) << name;
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_NEAR(values[i], expected[i], 1e-7) << name << " " << i;
  }
  const std::vector<double> logits = run.evaluation_logits();
  std::size_t i = 0;
  for (const json& row : golden.at("eval_logits_after_training")) {
    for (const json& logit : row) EXPECT_NEAR(logits[i++], logit.get<double>(), 1e-6);
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, GoldenTraining, ::testing::Values("edgenet", "simplenet"), [](const auto& info) { return std::string(info.param); });

}  // namespace
}  // namespace sepia
