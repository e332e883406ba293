// Twenty Adam steps of both networks against PyTorch in float64, from the same weights on the same batches.
#include <gtest/gtest.h>

#include "tests/support/golden_run.h"

namespace sepia {
namespace {

using nlohmann::json;

class GoldenTraining : public ::testing::TestWithParam<const char*> {};

TEST_P(GoldenTraining, DoubleReferenceFollowsPyTorchFloat64) {
  const json golden = golden::load("training_" + std::string(GetParam()));
  golden::Run run(GetParam(), golden::RunSetup::of(golden.at("setup")), kReferenceDevice, DType::kF64);
  ASSERT_EQ(run.start().size(), golden.at("parameters").size());
  for (std::size_t i = 0; i < run.start().size(); ++i) {
    EXPECT_EQ(run.start()[i].name, golden.at("parameters")[i].at("name"));
    EXPECT_EQ(run.start()[i].kind, golden.at("parameters")[i].at("kind"));
    if (run.start()[i].kind == "uniform") {
      EXPECT_EQ(run.start()[i].fan_in, golden.at("parameters")[i].at("fan_in"));
    }
  }
  EXPECT_EQ(run.optimizer_options().lr, golden.at("optimizer").at("lr"));
  EXPECT_EQ(run.optimizer_options().beta1, golden.at("optimizer").at("beta1"));
  EXPECT_EQ(run.optimizer_options().beta2, golden.at("optimizer").at("beta2"));
  EXPECT_EQ(run.optimizer_options().eps, golden.at("optimizer").at("eps"));
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
