// Three controls that tell a broken pipeline from a hard problem: `sepia train --self-test`.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/nn/module.h"
#include "engine/train/config.h"
#include "engine/train/pictures.h"

namespace sepia::train {

/// What one control found.
struct SelfTestControl {
  std::string name;     ///< "one_batch", "planted_mark" or "shuffled_labels"
  bool passed = false;
  double figure = 0;    ///< share of the batch that is right; accuracy on held-out pictures; their AUC
  double lowest = 0, highest = 1;  ///< what the figure must lie in
  int steps = 0;        ///< training steps taken
  std::string finding;  ///< one line for people
};

/// A new placed network with the first weights of the run (drawn from its seed, or the pretrained ones), frozen as the run asks.
using ModelFactory = std::function<std::unique_ptr<nn::Module>()>;

/// Trains three times, with the run's own settings (optimiser, schedule, batch size, augmentation, loss) but the weight average:
///   one_batch        one batch without augmentation, until all of it is right ten steps in a row (at most 400 steps). A network that
///                    can learn learns that; else the fault is in the network or the optimiser's settings.
///   planted_mark     all training pictures under labels of no meaning, the fake ones with sixteen marks of 8x8 pixels; half
///                    to train, half held out, until 90% of the latter are right (at most 600 steps). Else the fault is between
///                    the files and the network: reading, augmentation, labels.
///   shuffled_labels  the same without the mark, for as many steps: the AUC of the held-out half must be what chance gives (within 3.3
///                    standard deviations, one false alarm in a thousand). Else labels leak into pictures or into the evaluation.
/// `heard` is told of each control when it is done. kData when there are fewer than 16 training pictures.
std::vector<SelfTestControl> self_test(const TrainConfig& config, const SplitPictures& train, const ModelFactory& make_model,
                                       const std::function<void(const SelfTestControl&)>& heard);

/// The faulty part in one line, from the controls in their order; empty when all have passed.
std::string faulty_part(const std::vector<SelfTestControl>& controls, const TrainConfig& config);

}  // namespace sepia::train
