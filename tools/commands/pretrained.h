// Weights that a training starts from, as commands take them.
#pragma once

#include "engine/train/config.h"
#include "models/model.h"

namespace sepia::cli {

/// What the file named by config.transfer.pretrained says of itself becomes the run's: its SHA-256, numerics, and the scaling of the input. kPath when
/// it is not there; kData when it is no .safetensors file (with the line to type) or belongs to a network with another backbone.
void take_pretrained(train::TrainConfig& config, const models::ModelSpec& spec);

}  // namespace sepia::cli
