// What a training step of a network takes in memory, told without running one of the full size.
#pragma once

#include <cstddef>

#include "engine/nn/module.h"

namespace sepia::tools {

struct StepMemory {
  int batch = 0;
  std::size_t state_bytes = 0;  ///< weights, running statistics, gradients and Adam's two moments: the same for any batch
  std::size_t step_bytes = 0;   ///< the step's plan: activations that the way back needs, gradients of activations, labels and the like
  std::size_t total() const { return state_bytes + step_bytes; }
};

/// Records the plans (engine/base/arena.h) of training steps with one and with two black pictures of side `image_size`; a plan grows by as
/// much with every further picture. Takes about as long as a step of three pictures; the weights, of a placed network on the CPU with two
/// outputs and something to train, stay as they are. The program, its pictures and the kernels' scratch come on top.
StepMemory step_memory(nn::Module& model, int image_size, int batch);

}  // namespace sepia::tools
