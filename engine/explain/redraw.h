// A model with its weights taken away: layer by layer from the output, or all of them.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/nn/module.h"

namespace sepia::explain {

/// Added to a user's seed for weights drawn anew: the seed itself may be the one that the model's first weights were drawn from.
inline constexpr std::uint64_t kOtherWeights = 1'000'003;

/// Keeps a placed model's weights and running statistics, and puts them back when it goes. In between, layers can be given fresh ones, as
/// their initialisers draw them from a seed, and fresh running statistics.
class Redraw {
 public:
  Redraw(nn::Module& model, std::uint64_t seed);
  ~Redraw();
  Redraw(const Redraw&) = delete;
  Redraw& operator=(const Redraw&) = delete;

  /// Names of the parts that have weights, from the output to the input: "fc2", "fc1", "blocks.2", ..., "stem". A part is a child of the
  /// model, or a numbered child of one.
  const std::vector<std::string>& layers() const { return layers_; }
  /// Gives one part fresh weights and statistics.
  void redraw(const std::string& layer);
  void redraw_all();
  /// Puts everything back.
  void restore();

 private:
  nn::Module& model_;
  Tensor kept_weights_, kept_statistics_, fresh_weights_;
  std::vector<std::pair<std::string, std::int64_t>> batches_tracked_;
  std::vector<std::string> layers_;
};

}  // namespace sepia::explain
