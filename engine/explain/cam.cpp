#include "engine/explain/cam.h"

#include <algorithm>
#include <span>

#include "engine/base/parallel_for.h"
#include "engine/explain/class_gradients.h"

namespace sepia::explain {
namespace {

/// One picture's share: A and g as (positions, channels).
struct LayerView {
  std::span<const float> activation, gradient;
  std::size_t positions, channels;
};

std::vector<double> mean_gradients(const LayerView& layer) {
  std::vector<double> weights(layer.channels);
  for (std::size_t i = 0; i < layer.positions; ++i) {
    for (std::size_t c = 0; c < layer.channels; ++c) weights[c] += layer.gradient[i * layer.channels + c];
  }
  for (double& w : weights) w /= static_cast<double>(layer.positions);
  return weights;
}

std::vector<double> plus_plus_weights(const LayerView& layer, double epsilon) {
  std::vector<double> total(layer.channels), weights(layer.channels);
  for (std::size_t i = 0; i < layer.positions; ++i) {
    for (std::size_t c = 0; c < layer.channels; ++c) total[c] += layer.activation[i * layer.channels + c];
  }
  for (std::size_t i = 0; i < layer.positions; ++i) {
    for (std::size_t c = 0; c < layer.channels; ++c) {
      const double g = layer.gradient[i * layer.channels + c];
      if (g <= 0) continue;  // relu(g) is 0
      const double denominator = 2 * g * g + g * g * g * total[c] + epsilon;
      if (denominator != 0) weights[c] += g * g / denominator * g;
    }
  }
  return weights;
}

void fill_weighted(const LayerView& layer, const std::vector<double>& weights, Map& map) {
  for (std::size_t i = 0; i < layer.positions; ++i) {
    double sum = 0;
    for (std::size_t c = 0; c < layer.channels; ++c) sum += weights[c] * layer.activation[i * layer.channels + c];
    map.values[i] = static_cast<float>(sum);
  }
}

void fill_products(const LayerView& layer, bool positive_only, Map& map) {
  for (std::size_t i = 0; i < layer.positions; ++i) {
    double sum = 0;
    for (std::size_t j = i * layer.channels; j < (i + 1) * layer.channels; ++j) {
      const double g = layer.gradient[j];
      if (!positive_only || g > 0) sum += g * layer.activation[j];
    }
    map.values[i] = static_cast<float>(sum);
  }
}

void fill_principal(const LayerView& layer, Map& map) {
  const std::vector<double> scores = first_principal_scores({layer.activation.begin(), layer.activation.end()}, layer.positions, layer.channels);
  map.values.assign(scores.begin(), scores.end());
}

void fill(Method method, const LayerView& layer, const CamOptions& options, Map& map) {
  switch (method) {
    case Method::kGradCam: return fill_weighted(layer, mean_gradients(layer), map);
    case Method::kGradCamPlusPlus: return fill_weighted(layer, plus_plus_weights(layer, options.epsilon), map);
    case Method::kHiResCam: return fill_products(layer, false, map);
    case Method::kLayerCam: return fill_products(layer, true, map);
    case Method::kEigenCam: return fill_principal(layer, map);
    default: fail(ErrorKind::kUsage, "[explain] ", facts_of(method).name, " is not a class activation map");
  }
}

}  // namespace

std::vector<Map> class_activation_maps(Method method, const Tensor& activation, const Tensor& gradient, const CamOptions& options) {
  const Shape& shape = activation.shape();
  SEPIA_CHECK(shape.ndim() == 4, "[explain] a class activation map needs a layer that gives (N, h, w, C), this one gives ", shape, "; choose a convolutional --layer");
  SEPIA_CHECK(method == Method::kEigenCam || (gradient.defined() && gradient.shape() == shape), "[explain] ", facts_of(method).name,
              " needs the gradient at the layer");
  const std::vector<float> a = to_floats(activation), g = gradient.defined() ? to_floats(gradient) : std::vector<float>();
  const auto positions = static_cast<std::size_t>(shape[1] * shape[2]), channels = static_cast<std::size_t>(shape[3]), size = positions * channels;
  std::vector<Map> maps(static_cast<std::size_t>(shape[0]), Map(shape[1], shape[2]));
  parallel_for(shape[0], [&](std::int64_t picture) {
    const auto n = static_cast<std::size_t>(picture);
    const LayerView layer{.activation = std::span(a).subspan(n * size, size), .gradient = g.empty() ? std::span<const float>() : std::span(g).subspan(n * size, size),
                          .positions = positions, .channels = channels};
    fill(method, layer, options, maps[n]);
    if (!options.relu) return;
    for (float& v : maps[n].values) v = std::max(v, 0.0f);
  });
  return maps;
}

}  // namespace sepia::explain
