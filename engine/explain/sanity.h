// Does a method look at the model at all? The weight-randomisation test of Adebayo et al. 2018, "Sanity checks for saliency maps".
//
// The layers' weights are drawn anew, from the output to the input, and after each layer the maps of the same pictures for the same
// classes are compared with the trained model's by rank correlation. Maps that stay as they were do not come from what was learned.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "engine/explain/explain.h"

namespace sepia::explain {

struct SanityOptions {
  ExplainOptions explain{};
  std::uint64_t seed = 0;
  int redraws = 3;     ///< the whole cascade this many times, with new weights each time
  /// A method passes when, from where the upper half of the layers is drawn anew until all are, its maps correlate with the trained
  /// model's by less than this. With the upper half gone the scores are noise: a map that stays does not explain them. (Guided
  /// backpropagation's stay until the lower layers, which see edges, are gone too; the paper finds the same.)
  double limit = 0.5;
};

/// After the weights of `layer` and of all behind it were drawn anew.
struct SanityStep {
  std::string layer;
  double correlation = 0;  ///< mean over pictures and redraws of Spearman's rho between magnitudes; a map that became empty counts as 0
  std::size_t empty = 0;   ///< how many became empty
};

struct SanityResult {
  std::vector<SanityStep> steps;  ///< from the output to the input; after the last one all weights are new
  std::size_t pictures = 0;       ///< whose maps by the trained model were not empty, so that there was something to compare
  double between_pictures = 0;    ///< rho between the trained model's maps of different pictures: what maps share for being such maps
  bool passes = false;

  /// The step at which the upper half of the layers (rounded up) is new.
  const SanityStep& upper_half() const { return steps[(steps.size() - 1) / 2]; }
  /// The largest correlation from that step on: what the limit is for.
  double correlation() const;
};

/// Checks options.explain.method on batches of input (N, H, W, 3) with their classes (resolved by the trained model where
/// kPredictedClass). The weights are as before afterwards. `progress` hears of passes done and to do. Throws kUsage when there are no
/// pictures, kData when the trained model's maps are all empty.
SanityResult sanity_check(nn::Module& model, const std::vector<Tensor>& batches, const std::vector<std::vector<int>>& classes, const SanityOptions& options,
                          const std::function<void(std::size_t, std::size_t)>& progress = {});

}  // namespace sepia::explain
