// Maps against pytorch-grad-cam and Captum with the same weights (tests/golden/make_explain_goldens.py), on three networks: in double on
// the reference kernels, and in float on the CPU's.
#include <gtest/gtest.h>

#include <cmath>
#include <cstdio>

#include "engine/explain/attribution.h"
#include "engine/explain/baseline.h"
#include "engine/explain/cam.h"
#include "engine/explain/rank_correlation.h"
#include "tests/explain/golden_explain.h"
#include "tests/support/tape.h"

namespace sepia::explain {
namespace {

using golden::Explained;
using golden::explain_golden;
using nlohmann::json;

constexpr double kRelative = 1e-4;  // of the largest magnitude of the map
/// Maps are kept as floats: the reference kernels' doubles are rounded once.
constexpr double kDoubleRelative = 1e-6;

struct Place {
  std::string network;
  Device device;
  DType dtype;
  double tolerance() const { return dtype == DType::kF64 ? kDoubleRelative : kRelative; }
  Explained explained() const { return golden::explained(network, device, dtype); }
};

class AgainstPyTorch : public ::testing::TestWithParam<Place> {};

/// Largest difference over the golden's largest magnitude.
double distance(const Map& map, const json& golden, double sign = 1) {
  double worst = 0, largest = 0;
  std::size_t i = 0;
  for (const json& row : golden) {
    for (const json& value : row) {
      worst = std::max(worst, std::abs(sign * value.get<double>() - map.values.at(i++)));
      largest = std::max(largest, std::abs(value.get<double>()));
    }
  }
  EXPECT_EQ(i, map.values.size());
  return worst / largest;
}

TEST_P(AgainstPyTorch, RawClassActivationMaps) {
  const Explained net = GetParam().explained();
  double worst_of_all = 0;
  for (const auto& [layer, methods] : net.golden.at("cams").items()) {
    const ClassGradients pass = class_gradients(net.model(), net.input, net.classes, {.layer = layer});
    for (std::size_t i = 0; i < net.classes.size(); ++i) {
      EXPECT_NEAR(pass.logits[2 * i], net.golden.at("logits")[i][0].get<double>(), 1e-5);
    }
    for (const auto& [name, maps] : methods.items()) {
      const Method method = method_named(name);
      const std::vector<Map> ours = class_activation_maps(method, pass.activation, pass.activation_gradient, {.relu = false});
      ASSERT_EQ(ours.size(), maps.size());
      for (std::size_t i = 0; i < ours.size(); ++i) {
        double off = distance(ours[i], maps[i]);
        if (method == Method::kEigenCam) off = std::min(off, distance(ours[i], maps[i], -1));
        EXPECT_LE(off, GetParam().tolerance()) << name << " at " << layer << ", picture " << i;
        worst_of_all = std::max(worst_of_all, off);
      }
    }
  }
  std::printf("%s: every map within %.2g of its largest value\n", GetParam().network.c_str(), worst_of_all);
}

TEST_P(AgainstPyTorch, UpsampledGradCam) {
  const Explained net = GetParam().explained();
  const std::string layer = GetParam().network == "edgenet" ? "blocks.2" : GetParam().network == "simplenet" ? "conv3" : "act4";
  const ClassGradients pass = class_gradients(net.model(), net.input, net.classes, {.layer = layer});
  const std::int64_t size = net.golden.at("image_size");
  std::vector<double> all;
  for (const Map& map : class_activation_maps(Method::kGradCam, pass.activation, pass.activation_gradient)) {
    const Map large = upsampled(map, size, size);
    all.insert(all.end(), large.values.begin(), large.values.end());
  }
  const json& golden = net.golden.at("upsampled_gradcam");
  // A digest adds up thousands of values, each rounded to float.
  EXPECT_LE(golden::digest_distance(golden, all, 7200 - 1000), std::max(GetParam().tolerance(), 2e-5) * golden.at("max_abs").get<double>());
}

TEST_P(AgainstPyTorch, Attributions) {
  const Explained net = GetParam().explained();
  const std::size_t pictures = net.classes.size();
  const auto size = net.golden.at("image_size").get<std::size_t>();
  const double noise_level = explain_golden().at("noise");
  // The noise is given in PyTorch's order.
  const NoiseSource noise = [&](int sample, std::span<float> out) {
    for (std::size_t i = 0; i < out.size(); ++i) {
      const std::size_t c = i % 3, position = i / 3 % (size * size), n = i / 3 / (size * size);
      const auto place = static_cast<std::uint32_t>((n * 3 + c) * size * size + position);
      out[i] = static_cast<float>(noise_level * counter_formula::signed_unit(7000 + static_cast<std::uint32_t>(sample), place));
    }
  };
  const std::vector<float> black = baseline_of(Baseline::kBlack, to_floats(net.input), static_cast<std::int64_t>(size), static_cast<std::int64_t>(size), {});
  const IntegratedGradients ig = integrated_gradients(net.model(), net.input, net.classes, black, explain_golden().at("steps"));
  const std::pair<const char*, std::vector<float>> ours[] = {
      {"saliency", input_gradient(net.model(), net.input, net.classes).values},
      {"smoothgrad", smoothgrad(net.model(), net.input, net.classes, explain_golden().at("samples"), noise).values},
      {"ig", ig.attribution.values},
      {"guided", guided_backprop(net.model(), net.input, net.classes).values},
  };
  std::uint32_t number = 7100 - 1000;
  for (const auto& [name, values] : ours) {
    const json& golden = net.golden.at("attributions").at(name);
    const double off = golden::digest_distance(golden, golden::channels_first(values, pictures), number++) / golden.at("max_abs").get<double>();
    std::printf("%s %s: within %.2g of its largest value\n", GetParam().network.c_str(), name, off);
    // Noisy copies and points of the line are rounded to float even for the double kernels, which may close a ReLU.
    const bool rounded = name == std::string("smoothgrad") || name == std::string("ig");
    EXPECT_LE(off, rounded ? kRelative : GetParam().tolerance()) << name;
  }
  for (std::size_t i = 0; i < pictures; ++i) {
    EXPECT_NEAR(ig.gap(i), net.golden.at("ig_convergence_delta")[i].get<double>(), 1e-4 * std::max(1.0, std::abs(ig.score_difference(i))));
  }
}

INSTANTIATE_TEST_SUITE_P(Networks, AgainstPyTorch,
                         ::testing::Values(Place{"edgenet", kReferenceDevice, DType::kF64}, Place{"edgenet", kCpuDevice, DType::kF32},
                                           Place{"simplenet", kReferenceDevice, DType::kF64}, Place{"simplenet", kCpuDevice, DType::kF32},
                                           Place{"xception", kReferenceDevice, DType::kF64}, Place{"xception", kCpuDevice, DType::kF32}),
                         [](const auto& info) { return info.param.network + (info.param.dtype == DType::kF64 ? "Double" : "Float"); });

TEST(AgainstTorch, BilinearUpsampling) {
  const json& golden = explain_golden().at("upsampling");
  Map map(3, 5);
  for (std::size_t i = 0; i < map.values.size(); ++i) map.values[i] = golden.at("from")[i].get<float>();
  const Map large = upsampled(map, 7, 16);
  for (std::size_t i = 0; i < large.values.size(); ++i) EXPECT_NEAR(large.values[i], golden.at("to")[i].get<double>(), 1e-6) << i;
}

TEST(AgainstScipy, GaussianBlur) {
  const json& golden = explain_golden().at("blur");
  const std::vector<double> wide = counter_formula::batch_nhwc(0, 2, 32);
  const std::vector<float> ours = blurred(std::vector<float>(wide.begin(), wide.end()), 32, 32, golden.at("sigma"));
  EXPECT_LE(golden::digest_distance(golden.at("digest"), golden::channels_first(ours, 2), 7400 - 1000), 1e-5);
}

TEST(AgainstScipy, RankCorrelationWithTies) {
  for (const json& golden : explain_golden().at("rank_correlations")) {
    const auto rho = rank_correlation(golden.at("a").get<std::vector<float>>(), golden.at("b").get<std::vector<float>>());
    ASSERT_TRUE(rho);
    EXPECT_NEAR(*rho, golden.at("rho").get<double>(), 1e-12);
  }
}

}  // namespace
}  // namespace sepia::explain
