// Means, hotspots, periods, curves and the sanity check where the right answer is known beforehand.
#include <gtest/gtest.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <numeric>

#include "engine/base/random.h"
#include "engine/explain/attribution.h"
#include "engine/explain/cam.h"
#include "engine/explain/deletion.h"
#include "engine/explain/mean_map.h"
#include "engine/explain/redraw.h"
#include "engine/explain/sanity.h"
#include "engine/nn/flat_parameters.h"
#include "models/model.h"
#include "tests/support/tape.h"

namespace sepia::explain {
namespace {

template <class F>
Map map_of(std::int64_t side, const F& value) {
  Map map(side, side);
  for (std::int64_t y = 0; y < side; ++y) {
    for (std::int64_t x = 0; x < side; ++x) map.at(y, x) = static_cast<float>(value(static_cast<double>(x), static_cast<double>(y)));
  }
  return map;
}

double blob(double x, double y, double cx, double cy, double sigma) { return std::exp(-((x - cx) * (x - cx) + (y - cy) * (y - cy)) / (2 * sigma * sigma)); }

std::unique_ptr<nn::Module> placed_edgenet(std::uint64_t seed) {
  auto model = models::make_model(models::default_spec("edgenet"));
  model->place(kCpuDevice, DType::kF32, seed);
  return model;
}

Tensor random_pictures(std::int64_t count, std::int64_t side) {
  std::vector<float> values(static_cast<std::size_t>(count * side * side * 3));
  RandomStream random(1, RandomPurpose::kTest, 77);
  for (float& v : values) v = static_cast<float>(random.normal());
  return Tensor::from_host<float>(values, {count, side, side, 3}, kCpuDevice);
}

TEST(Maps, ConstantOnesAreEmptyAndNotStretched) {
  Map map(3, 4);
  EXPECT_TRUE(is_empty(map));
  std::ranges::fill(map.values, 7.0f);
  EXPECT_TRUE(is_empty(map));
  EXPECT_EQ(extremes(min_max_normalised(map)).max, 0);
  map.at(1, 2) = 9;
  EXPECT_FALSE(is_empty(map));
  EXPECT_EQ(min_max_normalised(map).at(1, 2), 1);
  EXPECT_EQ(min_max_normalised(map).at(0, 0), 0);
}

// Without the input's gradient the pass ends at the layer.
TEST(ClassGradients, OfALayerAreTheSameWhetherThePassGoesOnOrEnds) {
  const auto model = placed_edgenet(3);
  const Tensor pictures = random_pictures(2, 64);
  for (const char* layer : {"blocks.0", "blocks.2", "fc1"}) {
    const ClassGradients whole = class_gradients(*model, pictures, std::array{0, 1}, {.layer = layer});
    const ClassGradients part = class_gradients(*model, pictures, std::array{0, 1}, {.layer = layer, .input_gradient = false});
    EXPECT_TRUE(whole.input.defined());
    EXPECT_FALSE(part.input.defined());
    EXPECT_EQ(to_floats(part.activation_gradient), to_floats(whole.activation_gradient)) << layer;
    EXPECT_EQ(to_floats(part.activation), to_floats(whole.activation)) << layer;
  }
}

TEST(MeanMaps, StretchEachMapFirstAndCountEmptyOnes) {
  MeanMap means;
  Map a(1, 2), b(1, 2);
  a.values = {0, 10};
  b.values = {-3, 1};  // magnitudes 3, 1
  means.add(a);
  means.add(b);
  means.add(Map(1, 2));
  EXPECT_EQ(means.count(), 3u);
  EXPECT_EQ(means.empty(), 1u);
  EXPECT_FLOAT_EQ(means.mean().values[0], 1.0f / 3);
  EXPECT_FLOAT_EQ(means.mean().values[1], 1.0f / 3);
}

TEST(Hotspots, FindBlobsWhereTheyAre) {
  const Map map = map_of(256, [](double x, double y) { return blob(x, y, 100, 50, 8) + 0.6 * blob(x, y, 150, 180, 12) + 0.1 * blob(x, y, 20, 220, 8); });
  const std::vector<Hotspot> found = hotspots(map);
  ASSERT_EQ(found.size(), 2u);  // the third is below a quarter of the first
  EXPECT_NEAR(found[0].x, 100, 1);
  EXPECT_NEAR(found[0].y, 50, 1);
  EXPECT_NEAR(found[1].x, 150, 1);
  EXPECT_NEAR(found[1].y, 180, 1);
  // Half height of a Gaussian lies at 1.18 sigma, and the blur of 4 pixels widens it.
  EXPECT_NEAR(found[0].radius, 1.18 * std::hypot(8, 4), 1.5);
  EXPECT_NEAR(found[1].radius, 1.18 * std::hypot(12, 4), 1.5);
  EXPECT_GT(found[1].share, found[0].share);
  EXPECT_TRUE(hotspots(Map(16, 16)).empty());
}

TEST(Periods, GridIsFoundAndNoiseIsNot) {
  for (const int period : {8, 16, 25, 32}) {
    const Map grid = map_of(256, [&](double x, double y) {
      const double u = std::fmod(x, period) - period / 2.0, v = std::fmod(y, period) - period / 2.0;
      return blob(u, v, 0, 0, period / 6.0) + 0.5 * blob(x, y, 128, 128, 60);  // on a hill, which the high pass takes away
    });
    const auto found = strongest_period(grid);
    ASSERT_TRUE(found);
    EXPECT_EQ(found->pixels, period);
    EXPECT_GT(found->share, 0.9);
  }
  RandomStream random(3, RandomPurpose::kTest, 5);
  const Map noise = map_of(256, [&](double, double) { return random.normal(); });
  const auto found = strongest_period(noise);
  ASSERT_TRUE(found);
  EXPECT_NEAR(found->share, found->chance, 0.05);
  EXPECT_FALSE(strongest_period(Map(256, 256)));
  EXPECT_FALSE(strongest_period(map_of(16, [](double x, double y) { return x * y; })));
}

TEST(PrincipalComponent, OfAMatrixWithOneDirection) {
  // Rows lie on a line through (1, 2, 2) with places -3, 0, 3 and an offset: scores are 3 times the places, larger where the sum is larger.
  const std::vector<double> scores = first_principal_scores({-3 + 10, -6 + 1, -6, 10, 1, 0, 3 + 10, 6 + 1, 6}, 3, 3);
  EXPECT_NEAR(scores[0], -9, 1e-9);
  EXPECT_NEAR(scores[1], 0, 1e-9);
  EXPECT_NEAR(scores[2], 9, 1e-9);
  EXPECT_EQ(first_principal_scores({1, 2, 1, 2}, 2, 2), (std::vector<double>{0, 0}));
}

TEST(GradCamPlusPlus, WithoutEpsilonIsThePapersFormula) {
  // One channel, two places: A = 1, 3, g = 0.5, -1. alpha = 1 / (2 + g sum A) = 1/4 at the first, relu(g) = 0 at the second.
  const Tensor a = Tensor::from_host<float>(std::vector<float>{1, 3}, {1, 1, 2, 1}, kCpuDevice), g = Tensor::from_host<float>(std::vector<float>{0.5f, -1}, {1, 1, 2, 1}, kCpuDevice);
  const Map map = class_activation_maps(Method::kGradCamPlusPlus, a, g, {.epsilon = 0}).front();
  EXPECT_NEAR(map.values[0], 0.125, 1e-7);
  EXPECT_NEAR(map.values[1], 0.375, 1e-7);
}

TEST(ClassGradients, AnswerPerPictureWhateverTheCompany) {
  const auto model = placed_edgenet(4);
  const Tensor both = random_pictures(2, 64);
  const std::vector<float> together = input_gradient(*model, both, std::vector{1, kPredictedClass}).values;
  const Tensor first = both.slice(0, {1, 64, 64, 3}).clone();
  const std::vector<float> alone = input_gradient(*model, first, std::vector{1}).values;
  for (std::size_t i = 0; i < alone.size(); ++i) ASSERT_EQ(alone[i], together[i]);
  const auto wrong = [&](const std::vector<int>& classes, const PassOptions& options) { return test::error_of([&] { class_gradients(*model, both, classes, options); }); };
  EXPECT_NE(wrong({0, 2}, {}).find("no class 2"), std::string::npos);
  EXPECT_NE(wrong({0, 1}, {.layer = "blocks.7"}).find("blocks.2"), std::string::npos);
  EXPECT_NE(test::error_of([&] { explain(*model, both, std::vector{0, 1}, {.layer = "fc1"}); }).find("choose a convolutional --layer"), std::string::npos);
}

TEST(SmoothGrad, NoiseDoesNotDependOnTheCompany) {
  const Tensor both = random_pictures(2, 16);
  std::vector<float> together(2 * 16 * 16 * 3), alone(16 * 16 * 3);
  gaussian_noise(both, 0.1, 5)(3, together);
  gaussian_noise(both.slice(0, {1, 16, 16, 3}).clone(), 0.1, 5)(3, alone);
  EXPECT_TRUE(std::equal(alone.begin(), alone.end(), together.begin()));
}

TEST(Curves, EndAtThePictureAndAtTheBaseline) {
  const auto model = placed_edgenet(4);
  const std::vector<float> picture = random_pictures(1, 32).to_host<float>(), baseline(picture.size(), 0.0f);
  const Map map = map_of(32, [](double x, double y) { return x + y; });
  const DeletionInsertion curves = deletion_and_insertion(*model, picture, baseline, map, 1, {.steps = 5, .batch_size = 4});
  ASSERT_EQ(curves.deletion.probability.size(), 6u);
  // Deletion ends where insertion begins, and the other way round.
  EXPECT_NEAR(curves.deletion.probability.front(), curves.insertion.probability.back(), 1e-6);
  EXPECT_NEAR(curves.deletion.probability.back(), curves.insertion.probability.front(), 1e-6);
  EXPECT_NE(curves.deletion.probability.front(), curves.deletion.probability.back());
  double area = 0;
  for (std::size_t i = 0; i < 5; ++i) area += 0.1 * (curves.deletion.probability[i] + curves.deletion.probability[i + 1]);
  EXPECT_NEAR(curves.deletion.auc, area, 1e-12);
}

TEST(Redraws, GoLayerByLayerFromTheTopAndPutEverythingBack) {
  const auto model = placed_edgenet(4);
  const std::vector<double> before = model->flat().weights().to_doubles();
  {
    Redraw redraw(*model, 9);
    EXPECT_EQ(redraw.layers(), (std::vector<std::string>{"fc2", "fc1", "blocks.2", "blocks.1", "blocks.0", "stem"}));
    EXPECT_EQ(model->flat().weights().to_doubles(), before);
    redraw.redraw("fc2");
    for (const auto& [name, parameter] : model->named_parameters()) {
      const std::vector<double> now = parameter->master.to_doubles();
      const bool same = std::equal(now.begin(), now.end(), before.begin() + parameter->offset);
      EXPECT_EQ(same, !name.starts_with("fc2")) << name;
    }
    redraw.redraw_all();
    EXPECT_EQ(model->flat().weights().to_doubles(), placed_edgenet(9)->flat().weights().to_doubles());
  }
  EXPECT_EQ(model->flat().weights().to_doubles(), before);
}

// Eigen-CAM and Grad-CAM of a network that is drawn anew from the same seed stay exactly as they are: the check must say so.
TEST(Sanity, FailsWhatDoesNotDependOnTheWeights) {
  const auto model = placed_edgenet(4);
  SanityOptions options{.explain = {.method = Method::kSaliency}, .seed = 4, .redraws = 1};
  const SanityResult same = sanity_check(*model, {random_pictures(2, 64)}, {{0, 1}}, options);
  EXPECT_FALSE(same.passes);
  EXPECT_NEAR(same.correlation(), 1, 1e-12);
  options.seed = 5;
  const SanityResult other = sanity_check(*model, {random_pictures(2, 64)}, {{0, 1}}, options);
  EXPECT_LT(other.correlation(), same.correlation());
}

}  // namespace
}  // namespace sepia::explain
