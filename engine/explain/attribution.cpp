#include "engine/explain/attribution.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>
#include <numeric>

#include "engine/base/parallel_for.h"
#include "engine/base/random.h"

namespace sepia::explain {
namespace {

Attribution from_pass(ClassGradients&& pass) {
  return {.values = to_floats(pass.input), .logits = std::move(pass.logits), .classes = std::move(pass.classes), .outputs = pass.outputs};
}

/// sum += weight * values, in double.
void add_scaled(std::vector<double>& sum, const std::vector<float>& values, double weight) {
  constexpr std::int64_t kGrain = 1 << 16;
  const auto count = static_cast<std::int64_t>(sum.size());
  parallel_for(pieces_of(count, kGrain), [&](std::int64_t piece) {
    const auto end = static_cast<std::size_t>(std::min(count, (piece + 1) * kGrain));
    for (auto i = static_cast<std::size_t>(piece * kGrain); i < end; ++i) sum[i] += weight * values[i];
  });
}

Attribution without_values(nn::Module& model, const Tensor& input, std::span<const int> classes) {
  ClassGradients scores = class_gradients(model, input, classes, {.layer_gradient = false, .input_gradient = false});
  return {.values = {}, .logits = std::move(scores.logits), .classes = std::move(scores.classes), .outputs = scores.outputs};
}

}  // namespace

Attribution input_gradient(nn::Module& model, const Tensor& input, std::span<const int> classes) { return from_pass(class_gradients(model, input, classes)); }

Attribution guided_backprop(nn::Module& model, const Tensor& input, std::span<const int> classes) {
  return from_pass(class_gradients(model, input, classes, {.guided = true}));
}

Attribution smoothgrad(nn::Module& model, const Tensor& input, std::span<const int> classes, int samples, const NoiseSource& noise) {
  SEPIA_CHECK(samples >= 1, "[smoothgrad] needs at least one sample, got ", samples);
  Attribution result = without_values(model, input, classes);
  const std::vector<float> picture = to_floats(input);
  std::vector<double> sum(picture.size());
  std::vector<float> noisy(picture.size());
  for (int sample = 0; sample < samples; ++sample) {
    noise(sample, noisy);
    std::ranges::transform(noisy, picture, noisy.begin(), std::plus{});
    add_scaled(sum, to_floats(class_gradients(model, input_from_floats(model, noisy, input.shape()), result.classes).input), 1.0 / samples);
  }
  result.values.assign(sum.begin(), sum.end());
  return result;
}

NoiseSource gaussian_noise(const Tensor& input, double level, std::uint64_t seed) {
  const std::vector<float> values = to_floats(input);
  const auto pictures = static_cast<std::size_t>(input.shape()[0]), size = values.size() / std::max<std::size_t>(pictures, 1);
  const auto row = static_cast<std::size_t>(input.shape()[2] * input.shape()[3]);
  std::vector<double> deviations;
  for (std::size_t n = 0; n < pictures; ++n) {
    const auto [low, high] = std::ranges::minmax(std::span(values).subspan(n * size, size));
    deviations.push_back(level * (static_cast<double>(high) - low));
  }
  return [deviations, size, row, seed](int sample, std::span<float> noise) {
    parallel_for(static_cast<std::int64_t>(size / row), [&](std::int64_t y) {
      RandomStream random(seed, RandomPurpose::kExplanation, static_cast<std::uint32_t>(sample), static_cast<std::uint32_t>(y));
      for (std::size_t i = static_cast<std::size_t>(y) * row, end = i + row; i < end; ++i) {
        const double z = random.normal();
        for (std::size_t n = 0; n < deviations.size(); ++n) noise[n * size + i] = static_cast<float>(deviations[n] * z);
      }
    });
  };
}

Quadrature gauss_legendre(int steps) {
  SEPIA_CHECK(steps >= 1 && steps <= 4096, "[integrated gradients] needs 1 to 4096 steps, got ", steps);
  Quadrature rule;
  for (int i = 0; i < steps; ++i) {
    // Newton's method on the Legendre polynomial of degree `steps`, from Tricomi's guess (Press et al., Numerical Recipes, gauleg).
    double x = std::cos(std::numbers::pi * (i + 0.75) / (steps + 0.5)), slope = 1;
    for (int iteration = 0; iteration < 100; ++iteration) {
      double value = 1, before = 0;
      for (int degree = 1; degree <= steps; ++degree) {
        const double older = std::exchange(before, value);
        value = ((2.0 * degree - 1) * x * before - (degree - 1.0) * older) / degree;
      }
      slope = steps * (x * value - before) / (x * x - 1);
      const double step = value / slope;
      x -= step;
      if (std::abs(step) < 1e-15) break;
    }
    rule.points.push_back((1 - x) / 2);
    rule.weights.push_back(1 / ((1 - x * x) * slope * slope));
  }
  return rule;
}

IntegratedGradients integrated_gradients(nn::Module& model, const Tensor& input, std::span<const int> classes, std::span<const float> baseline, int steps) {
  SEPIA_CHECK(static_cast<std::int64_t>(baseline.size()) == input.numel(), "[integrated gradients] the baseline holds ", baseline.size(), " values, the input ", input.shape());
  IntegratedGradients result{.attribution = without_values(model, input, classes), .baseline_scores = {}};
  const Attribution empty = without_values(model, input_from_floats(model, baseline, input.shape()), result.attribution.classes);
  for (std::size_t i = 0; i < classes.size(); ++i) {
    result.baseline_scores.push_back(empty.logits[i * static_cast<std::size_t>(empty.outputs) + static_cast<std::size_t>(empty.classes[i])]);
  }
  const std::vector<float> picture = to_floats(input);
  std::vector<double> sum(picture.size());
  std::vector<float> between(picture.size());
  const Quadrature rule = gauss_legendre(steps);
  for (std::size_t step = 0; step < rule.points.size(); ++step) {
    const double share = rule.points[step];
    for (std::size_t i = 0; i < between.size(); ++i) between[i] = static_cast<float>(baseline[i] + share * (static_cast<double>(picture[i]) - baseline[i]));
    add_scaled(sum, to_floats(class_gradients(model, input_from_floats(model, between, input.shape()), result.attribution.classes).input), rule.weights[step]);
  }
  result.attribution.values.resize(sum.size());
  for (std::size_t i = 0; i < sum.size(); ++i) result.attribution.values[i] = static_cast<float>(sum[i] * (static_cast<double>(picture[i]) - baseline[i]));
  return result;
}

double IntegratedGradients::score_difference(std::size_t i) const {
  return attribution.logits[i * static_cast<std::size_t>(attribution.outputs) + static_cast<std::size_t>(attribution.classes[i])] - baseline_scores[i];
}

double IntegratedGradients::gap(std::size_t i) const {
  const std::size_t size = attribution.values.size() / baseline_scores.size();
  const auto begin = attribution.values.begin() + static_cast<std::ptrdiff_t>(i * size);
  return std::accumulate(begin, begin + static_cast<std::ptrdiff_t>(size), 0.0) - score_difference(i);
}

double IntegratedGradients::relative_gap(std::size_t i) const {
  const double difference = std::abs(score_difference(i));
  return difference > 0 ? std::abs(gap(i)) / difference : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Map> channel_maps(std::span<const float> values, std::int64_t height, std::int64_t width, ChannelRule rule) {
  constexpr std::size_t kChannels = 3;
  const auto positions = static_cast<std::size_t>(height * width);
  std::vector<Map> maps(values.size() / (positions * kChannels), Map(height, width));
  for (std::size_t n = 0; n < maps.size(); ++n) {
    for (std::size_t i = 0; i < positions; ++i) {
      const float* v = values.data() + (n * positions + i) * kChannels;
      maps[n].values[i] = rule == ChannelRule::kSum ? static_cast<float>(static_cast<double>(v[0]) + v[1] + v[2])
                                                    : std::max({std::abs(v[0]), std::abs(v[1]), std::abs(v[2])});
    }
  }
  return maps;
}

}  // namespace sepia::explain
