#include "engine/explain/baseline.h"

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"

namespace sepia::explain {
namespace {

std::vector<float> gaussian(double sigma) {
  const auto radius = static_cast<std::int64_t>(std::ceil(3 * sigma));
  std::vector<double> weights;
  double sum = 0;
  for (std::int64_t i = -radius; i <= radius; ++i) {
    weights.push_back(std::exp(-0.5 * static_cast<double>(i * i) / (sigma * sigma)));
    sum += weights.back();
  }
  for (double& w : weights) w /= sum;
  return {weights.begin(), weights.end()};
}

}  // namespace

Baseline baseline_named(const std::string& name) {
  for (const Baseline baseline : {Baseline::kBlur, Baseline::kBlack, Baseline::kMean}) {
    if (name == baseline_name(baseline)) return baseline;
  }
  fail(ErrorKind::kUsage, "there is no baseline '", name, "'; baselines: blur, black, mean");
}

const char* baseline_name(Baseline baseline) { return baseline == Baseline::kBlur ? "blur" : baseline == Baseline::kBlack ? "black" : "mean"; }

std::vector<float> blurred(std::span<const float> pictures, std::int64_t height, std::int64_t width, double sigma, std::int64_t channels) {
  SEPIA_CHECK(sigma > 0, "[explain] a blur needs a sigma above 0, got ", sigma);
  const std::vector<float> weights = gaussian(sigma);
  const auto radius = static_cast<std::int64_t>(weights.size() / 2);
  const std::int64_t row = width * channels, rows = static_cast<std::int64_t>(pictures.size()) / row;
  std::vector<float> across(pictures.size()), result(pictures.size());
  parallel_for(rows, [&](std::int64_t r) {
    const float* from = pictures.data() + r * row;
    // The row with its border pixels repeated, so that the loops over it need no clamping.
    std::vector<float> padded(static_cast<std::size_t>((width + 2 * radius) * channels));
    for (std::int64_t x = -radius; x < width + radius; ++x) {
      std::copy_n(from + std::clamp<std::int64_t>(x, 0, width - 1) * channels, channels, padded.begin() + (x + radius) * channels);
    }
    float* to = across.data() + r * row;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const float* shifted = padded.data() + static_cast<std::int64_t>(k) * channels;
      for (std::int64_t i = 0; i < row; ++i) to[i] += weights[k] * shifted[i];
    }
  });
  parallel_for(rows, [&](std::int64_t r) {
    const std::int64_t first = r / height * height, y = r - first;
    float* to = result.data() + r * row;
    for (std::size_t k = 0; k < weights.size(); ++k) {
      const float* from = across.data() + (first + std::clamp<std::int64_t>(y + static_cast<std::int64_t>(k) - radius, 0, height - 1)) * row;
      for (std::int64_t i = 0; i < row; ++i) to[i] += weights[k] * from[i];
    }
  });
  return result;
}

std::vector<float> baseline_of(Baseline baseline, std::span<const float> input, std::int64_t height, std::int64_t width, const ops::Normalisation& normalisation) {
  if (baseline == Baseline::kBlur) return blurred(input, height, width, static_cast<double>(std::max(height, width)) / 16);
  std::vector<float> result(input.size());
  if (baseline == Baseline::kMean) return result;
  for (std::size_t i = 0; i < result.size(); ++i) {
    const std::size_t c = i % 3;
    result[i] = static_cast<float>((0 - normalisation.mean[c]) / normalisation.std[c]);
  }
  return result;
}

}  // namespace sepia::explain
