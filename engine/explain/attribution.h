// Attributions: one number for every value of the input. S(x) is the logit of the chosen class.
//
//   saliency              |dS/dx|                                           Simonyan, Vedaldi, Zisserman 2013
//   SmoothGrad            mean over samples of dS/dx at x + noise           Smilkov et al. 2017
//   integrated gradients  (x - x') times the mean of dS/dx on the line      Sundararajan, Taly, Yan 2017
//                         from a baseline x' to x; over all values they
//                         add up to S(x) - S(x') (completeness)
//   guided backprop       dS/dx where every ReLU passes only positive       Springenberg et al. 2014
//                         gradients
//
// No method keeps more than one batch of pictures and one sum of its size, however many steps or samples it takes.
#pragma once

#include <functional>
#include <span>
#include <vector>

#include "engine/explain/class_gradients.h"
#include "engine/explain/map.h"

namespace sepia::explain {

/// Attributions of N pictures of H x W x 3, and the scores that they explain.
struct Attribution {
  std::vector<float> values;   ///< (N, H, W, 3), signed
  std::vector<double> logits;  ///< (N, K) of the pictures as they are
  std::vector<int> classes;    ///< (N), kPredictedClass resolved
  std::int64_t outputs = 0;    ///< K
};

/// dS/dx.
Attribution input_gradient(nn::Module& model, const Tensor& input, std::span<const int> classes);

/// dS/dx by guided backpropagation.
Attribution guided_backprop(nn::Module& model, const Tensor& input, std::span<const int> classes);

/// Writes the noise of one sample, to be added to (N, H, W, 3) input values.
using NoiseSource = std::function<void(int sample, std::span<float> noise)>;

/// The mean of dS/dx over `samples` copies, each with its own noise. The predicted class is that of the picture without noise.
Attribution smoothgrad(nn::Module& model, const Tensor& input, std::span<const int> classes, int samples, const NoiseSource& noise);

/// Gaussian noise for smoothgrad: `level` times the range (largest minus smallest input value) of each picture is its standard
/// deviation. A function of (seed, sample, place): every picture gets the same pattern, so that its map does not depend on the company
/// that it is explained in.
NoiseSource gaussian_noise(const Tensor& input, double level, std::uint64_t seed);

/// Integrated gradients with a Gauss-Legendre rule of `steps` points on the line from `baseline` (N, H, W, 3) to the input.
struct IntegratedGradients {
  Attribution attribution;
  std::vector<double> baseline_scores;  ///< (N) S(x')
  /// Sum of the attributions of picture i minus S(x) - S(x'): zero for an exact integral.
  double gap(std::size_t i) const;
  /// |gap| / |S(x) - S(x')|; NaN where the two scores are equal.
  double relative_gap(std::size_t i) const;
  /// S(x) - S(x').
  double score_difference(std::size_t i) const;
};
IntegratedGradients integrated_gradients(nn::Module& model, const Tensor& input, std::span<const int> classes, std::span<const float> baseline, int steps);

/// Points and weights of the Gauss-Legendre rule on [0, 1]; weights add up to 1.
struct Quadrature {
  std::vector<double> points, weights;
};
Quadrature gauss_legendre(int steps);

/// Maps of H x W from attributions (N, H, W, 3): the largest magnitude over channels (saliency's way), or the signed sum over channels.
enum class ChannelRule : std::uint8_t { kLargestMagnitude, kSum };
std::vector<Map> channel_maps(std::span<const float> values, std::int64_t height, std::int64_t width, ChannelRule rule);

}  // namespace sepia::explain
