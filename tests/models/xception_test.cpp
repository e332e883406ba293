// Xception against PyTorch: timm's names and shapes, and on the double reference backend a narrow network of the same table:
// activations, every gradient, five Adam steps. tests/golden/make_xception_goldens.py made the numbers.
#include "models/xception.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <set>

#include "engine/io/weights.h"
#include "engine/nn/flat_parameters.h"
#include "tests/support/narrow_xception.h"

namespace sepia {
namespace {

using golden::narrow_golden;
using golden::narrow_run;
using nlohmann::json;

// (N, H, W, C) or (N, C) in PyTorch's order.
std::vector<double> channels_first(const Tensor& tensor) {
  const std::vector<double> values = tensor.to_doubles();
  const std::int64_t channels = tensor.shape()[-1], pictures = tensor.shape()[0], positions = tensor.numel() / channels / pictures;
  std::vector<double> result(values.size());
  for (std::int64_t n = 0; n < pictures; ++n)
    for (std::int64_t i = 0; i < positions; ++i)
      for (std::int64_t c = 0; c < channels; ++c)
        result[static_cast<std::size_t>((n * channels + c) * positions + i)] = values[static_cast<std::size_t>((n * positions + i) * channels + c)];
  return result;
}

void expect_evaluation(golden::Run& run, const json& golden, double tolerance) {
  std::map<std::string, std::vector<double>> seen;
  for (const auto& [name, digest] : golden.at("activations").items()) {
    run.model().at(name).add_hook([&seen, name = name](const Variable&, const Variable& y) { seen[name] = channels_first(y.value()); });
  }
  const std::vector<double> logits = run.evaluation_logits();
  std::size_t i = 0;
  for (const json& row : golden.at("logits")) {
    for (const json& logit : row) EXPECT_NEAR(logits.at(i++), logit.get<double>(), tolerance);
  }
  std::uint32_t number = 4000 - 1000;
  for (const char* name : {"act2", "block1", "block2", "block3", "block4", "block5", "block6", "block7", "block8", "block9", "block10", "block11",
                           "block12", "act3", "act4", "global_pool"}) {
    EXPECT_LE(golden::digest_distance(golden.at("activations").at(name), seen.at(name), number++), tolerance) << "after " << name;
  }
  EXPECT_EQ(seen.size(), golden.at("activations").size());
}

TEST(Xception, NamesAndShapesAreTimms) {
  std::ifstream file(std::string(SEPIA_SOURCE_DIR) + "/tests/golden/xception_names.txt");
  std::multiset<std::string> expected, ours;
  for (std::string line; std::getline(file, line);) expected.insert(line);
  ASSERT_EQ(expected.size(), 276u);
  const auto model = models::make_model(models::default_spec("xception"));
  model->place(kCpuDevice, DType::kF32, 0);
  for (const FileTensor& tensor : state_dict(*model)) {
    std::string line = tensor.name + (tensor.shape.empty() ? " scalar" : " ");
    for (std::size_t i = 0; i < tensor.shape.size(); ++i) line += (i ? "x" : "") + std::to_string(tensor.shape[i]);
    ours.insert(line);
  }
  EXPECT_EQ(ours, expected);
}

TEST(Xception, DeepHeadIsNamedAsPyTorchNamesIt) {
  const auto model = models::make_model(models::default_spec("xception_based"));
  std::vector<std::string> head;
  for (const auto& [name, parameter] : model->named_parameters()) {
    if (name.starts_with("fc")) head.push_back(name);
  }
  EXPECT_EQ(head, (std::vector<std::string>{"fc.0.weight", "fc.0.bias", "fc.2.weight", "fc.2.bias", "fc.4.weight", "fc.4.bias", "fc.6.weight", "fc.6.bias"}));
}

TEST(Xception, ActivationsAfterEveryBlockInBothNumerics) {
  golden::Run pytorch = narrow_run(kReferenceDevice, DType::kF64);
  expect_evaluation(pytorch, narrow_golden().at("evaluation"), 1e-10);
  golden::Run keras = narrow_run(kReferenceDevice, DType::kF64, {.numerics = models::XceptionNumerics::keras()});
  expect_evaluation(keras, narrow_golden().at("keras_evaluation"), 1e-10);
  // The fast kernels, in float32.
  golden::Run cpu = narrow_run(kCpuDevice, DType::kF32);
  expect_evaluation(cpu, narrow_golden().at("evaluation"), 2e-6);
  golden::Run cpu_keras = narrow_run(kCpuDevice, DType::kF32, {.numerics = models::XceptionNumerics::keras()});
  expect_evaluation(cpu_keras, narrow_golden().at("keras_evaluation"), 2e-6);
}

TEST(Xception, DoubleReferenceFollowsPyTorchFloat64) {
  const json& golden = narrow_golden();
  golden::Run run = narrow_run(kReferenceDevice, DType::kF64);
  ASSERT_EQ(run.start().size(), golden.at("parameters").size());
  for (std::size_t i = 0; i < run.start().size(); ++i) {
    EXPECT_EQ(run.start()[i].name, golden.at("parameters")[i].at("name"));
    EXPECT_EQ(run.start()[i].kind, golden.at("parameters")[i].at("kind"));
    if (run.start()[i].kind == "uniform") {
      EXPECT_EQ(run.start()[i].fan_in, golden.at("parameters")[i].at("fan_in"));
    }
  }
  double worst_loss = 0, worst_gradient = 0;
  for (int s = 0; s < run.steps(); ++s) {
    worst_loss = std::max(worst_loss, std::abs(run.gradients(s) - golden.at("losses")[static_cast<std::size_t>(s)].get<double>()));
    if (s == 0) {
      std::uint32_t number = 0;
      for (const auto& [name, parameter] : run.model().named_parameters()) {
        const json& digest = golden.at("first_step_gradients").at(name);
        const double largest = digest.at("max_abs").get<double>();
        const double distance = golden::digest_distance(digest, run.in_file_layout(*parameter, run.model().flat().gradients()), number++) / largest;
        EXPECT_LE(distance, 1e-6) << "gradient of " << name;
        worst_gradient = std::max(worst_gradient, distance);
      }
    }
    run.update();
  }
  EXPECT_LE(worst_loss, 1e-8);
  std::printf("%d losses within %.2g, %zu gradients within %.2g of their largest element\n", run.steps(), worst_loss, run.start().size(), worst_gradient);

  double sum = 0;
  for (const auto& [name, buffer] : run.model().named_buffers()) {
    for (const double value : buffer->value.to_doubles()) sum += value;
  }
  EXPECT_NEAR(sum, golden.at("final_buffers_sum").get<double>(), 1e-7);
  const std::vector<double> logits = run.evaluation_logits();
  std::size_t i = 0;
  for (const json& row : golden.at("eval_logits_after_training")) {
    for (const json& logit : row) EXPECT_NEAR(logits[i++], logit.get<double>(), 1e-8);
  }
}

// The median over orders of the pictures, as in tests/train/fp32_distance_test.cpp, and for its reasons.
TEST(Xception, Float32IsAtMostFourTimesAsFarAsPyTorchs) {
  const json& golden = narrow_golden().at("curve");
  std::vector<double> distances;
  for (const golden::PictureOrder order : {golden::PictureOrder{}, {.reverse = true}, {.rotate = 1}, {.rotate = 3}, {.rotate = 5}}) {
    golden::Run run = narrow_run(kCpuDevice, DType::kF32, {.setup = golden.at("setup"), .order = order});
    double worst = 0;
    for (int s = 0; s < run.steps(); ++s) {
      worst = std::max(worst, std::abs(run.gradients(s) - golden.at("losses")[static_cast<std::size_t>(s)].get<double>()));
      run.update();
    }
    distances.push_back(worst);
  }
  std::ranges::sort(distances);
  const double median = distances[2], torch_median = golden.at("torch_fp32_distance_median");
  std::printf("median over orders %.3g, PyTorch %.3g (ratio %.2f)\n", median, torch_median, median / torch_median);
  EXPECT_LE(median, 4 * torch_median);
  EXPECT_GT(median, 0) << "float32 cannot follow float64 to the bit: is this the cpu backend?";
}

TEST(Xception, KerasPoolingHalvesUpwardsAsPyTorchs) {
  // Every side that occurs on the way from 256 and 299 pixels gives the same shapes in both; only what is padded differs.
  for (const std::int64_t side : {125, 147, 63, 74, 32, 37, 16, 19}) {
    const Variable x(Tensor::zeros({1, side, side, 1}, DType::kF32, kCpuDevice));
    const NoGradGuard no_grad;
    EXPECT_EQ(ops::max_pool(x, models::XceptionNumerics::keras().pool).shape(), ops::max_pool(x, models::XceptionNumerics::pytorch().pool).shape());
  }
}

}  // namespace
}  // namespace sepia
