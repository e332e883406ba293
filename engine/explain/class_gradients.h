// The one pass that all gradient methods are made of: a batch forward, the chosen classes' scores backward.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/nn/module.h"

namespace sepia::explain {

/// In place of a class: the one with the highest score of that picture.
inline constexpr int kPredictedClass = -1;

struct PassOptions {
  std::string layer{};          ///< a module whose output is wanted ("blocks.2"); empty: none
  bool layer_gradient = true;   ///< its gradient too
  bool input_gradient = true;   ///< the gradient at the input
  /// Guided backpropagation (Springenberg et al. 2015): every nn::ReLU passes only gradients above zero.
  bool guided = false;
};

/// What a pass gave, for every picture of the batch.
struct ClassGradients {
  std::int64_t outputs = 0;    ///< K, the number of classes
  std::vector<double> logits;  ///< (N, K)
  std::vector<int> classes;    ///< (N): as asked, kPredictedClass resolved
  Tensor input;                ///< gradient of each picture's class score (its logit, before softmax) at the input: (N, H, W, 3)
  Tensor activation;           ///< output of the layer
  Tensor activation_gradient;  ///< of each picture's class score at it

  double score(std::size_t picture) const { return logits[picture * static_cast<std::size_t>(outputs) + static_cast<std::size_t>(classes[picture])]; }
};

/// Runs `model` on `input` (N, H, W, 3), in its type and on its device, in evaluation mode. Pictures do not affect each other.
/// Hooks on `layer` (and on all ReLU modules when guided) are cleared afterwards; weights get no gradients unless the model was told to
/// have them (FlatParameters::require_gradients).
/// Throws kUsage for a layer that is not there (and lists the layers) or a class out of range, kNumeric when a score or a gradient is
/// NaN or infinite.
ClassGradients class_gradients(nn::Module& model, const Tensor& input, std::span<const int> classes, const PassOptions& options = {});

/// Logits (N, K) alone, without a tape.
std::vector<double> logits_of(nn::Module& model, const Tensor& input);

/// The elements as floats, whatever floating type they are.
std::vector<float> to_floats(const Tensor& tensor);
/// A tensor of `shape` in the model's type and on its device.
Tensor input_from_floats(const nn::Module& model, std::span<const float> values, const Shape& shape);

}  // namespace sepia::explain
