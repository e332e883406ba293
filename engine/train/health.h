// Is every layer alive and moving? The figures behind "why did training fail".
#pragma once

#include <string>
#include <vector>

#include "engine/train/history.h"
#include "engine/train/stepper.h"

namespace sepia::train {

/// Per layer with parameters, in network order: gradient norm and update ratio from `updates`, and the share of dead units of
/// the ReLU that follows it, if one does. A unit (a channel of a convolution, a neuron of a linear layer) is dead when no picture and
/// no position of the probe batch gives it a positive value. Runs one forward pass in evaluation mode.
std::vector<LayerHealth> layer_health(nn::Module& model, const Batch& probe, const ops::Normalisation& normalisation,
                                      const std::vector<UpdateFigures>& updates);

/// What the end of a run says in one line: "learning", "overfitting (...)" or "not learning: ... try --lr ...".
struct VerdictInput {
  const History& history;
  double learning_rate = 0;
  /// Of the last evaluation on validation (or training) samples: how many, and the one class they were all called, if so.
  std::size_t predictions = 0;
  std::string all_one_class{};  ///< "real", "fake" or empty
};
std::string training_verdict(const VerdictInput& input);

}  // namespace sepia::train
