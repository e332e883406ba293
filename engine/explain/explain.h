// Explanations by any method, one call for a batch of pictures.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "engine/explain/baseline.h"
#include "engine/explain/class_gradients.h"
#include "engine/explain/map.h"
#include "engine/explain/method.h"
#include "engine/nn/module.h"
#include "engine/ops/images.h"

namespace sepia::explain {

struct ExplainOptions {
  Method method = Method::kGradCam;
  std::string layer{};                   ///< whose output class activation maps look at; they need one
  int steps = 64;                        ///< integrated gradients
  Baseline baseline = Baseline::kBlur;   ///< integrated gradients
  int samples = 25;                      ///< SmoothGrad
  double noise = 0.1;                    ///< SmoothGrad: standard deviation over the picture's range of values
  std::uint64_t seed = 0;                ///< SmoothGrad
  ops::Normalisation normalisation{};    ///< of the model: where black is
};

/// How far the integrated gradients of a picture are from adding up.
struct Completeness {
  double score_difference = 0;  ///< S(x) - S(x')
  double gap = 0;               ///< sum of attributions minus that
  double relative_gap = 0;      ///< |gap| / |score_difference|; NaN when the scores are equal
};

/// Why one picture was judged as it was.
struct Explanation {
  Map map;                     ///< as coarse as the layer for class activation maps, else as the input; not scaled
  std::vector<double> logits;  ///< of the picture, (K)
  int explained_class = 0;
  std::optional<Completeness> completeness;  ///< integrated gradients
};

/// Explains N pictures, input (N, H, W, 3) in the model's type and on its device, for `classes` (N; kPredictedClass: the highest score).
/// Saliency, SmoothGrad and guided backprop: the largest magnitude over channels. Integrated gradients: the signed sum over channels.
/// Class activation maps: after ReLU. Throws as class_gradients and class_activation_maps do.
std::vector<Explanation> explain(nn::Module& model, const Tensor& input, std::span<const int> classes, const ExplainOptions& options);

}  // namespace sepia::explain
