#include "engine/explain/explain.h"

#include "engine/explain/attribution.h"
#include "engine/explain/cam.h"

namespace sepia::explain {
namespace {

std::vector<Explanation> joined(std::vector<Map>&& maps, const std::vector<double>& logits, const std::vector<int>& classes) {
  std::vector<Explanation> result(maps.size());
  const auto outputs = static_cast<std::ptrdiff_t>(logits.size() / std::max<std::size_t>(maps.size(), 1));
  for (std::size_t i = 0; i < maps.size(); ++i) {
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i) * outputs;
    result[i] = {.map = std::move(maps[i]), .logits = {row, row + outputs}, .explained_class = classes[i], .completeness = std::nullopt};
  }
  return result;
}

std::vector<Explanation> from_layer(nn::Module& model, const Tensor& input, std::span<const int> classes, const ExplainOptions& options) {
  SEPIA_CHECK(!options.layer.empty(), "[explain] ", facts_of(options.method).name, " needs the name of a layer");
  const ClassGradients pass =
      class_gradients(model, input, classes, {.layer = options.layer, .layer_gradient = options.method != Method::kEigenCam, .input_gradient = false});
  SEPIA_CHECK(pass.activation.defined(), "[explain] the network does not use its layer '", options.layer, "'");
  return joined(class_activation_maps(options.method, pass.activation, pass.activation_gradient), pass.logits, pass.classes);
}

Attribution attribution(nn::Module& model, const Tensor& input, std::span<const int> classes, const ExplainOptions& options) {
  switch (options.method) {
    case Method::kSmoothGrad: return smoothgrad(model, input, classes, options.samples, gaussian_noise(input, options.noise, options.seed));
    case Method::kGuidedBackprop: return guided_backprop(model, input, classes);
    default: return input_gradient(model, input, classes);
  }
}

}  // namespace

std::vector<Explanation> explain(nn::Module& model, const Tensor& input, std::span<const int> classes, const ExplainOptions& options) {
  if (facts_of(options.method).cam) return from_layer(model, input, classes, options);
  const std::int64_t height = input.shape()[1], width = input.shape()[2];
  if (options.method != Method::kIntegratedGradients) {
    const Attribution found = attribution(model, input, classes, options);
    return joined(channel_maps(found.values, height, width, ChannelRule::kLargestMagnitude), found.logits, found.classes);
  }
  const std::vector<float> baseline = baseline_of(options.baseline, to_floats(input), height, width, options.normalisation);
  const IntegratedGradients found = integrated_gradients(model, input, classes, baseline, options.steps);
  std::vector<Explanation> result = joined(channel_maps(found.attribution.values, height, width, ChannelRule::kSum), found.attribution.logits, found.attribution.classes);
  for (std::size_t i = 0; i < result.size(); ++i) {
    result[i].completeness = Completeness{.score_difference = found.score_difference(i), .gap = found.gap(i), .relative_gap = found.relative_gap(i)};
  }
  return result;
}

}  // namespace sepia::explain
