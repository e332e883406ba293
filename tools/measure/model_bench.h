// One network's training step and inference, timed whole and layer by layer beside this machine's ceilings.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "engine/nn/module.h"
#include "models/model.h"
#include "tools/measure/ceilings.h"
#include "tools/measure/layer_cost.h"

namespace sepia::tools {

/// Median, least and greatest of the rounds.
struct Spread {
  double median = 0, low = 0, high = 0;
};

/// One layer, or what runs in a module outside of the layers within it (a block's addition). Seconds are medians for a whole batch.
struct LayerFigures {
  LayerRow row;              ///< as `summary` has it, for one picture; of a module that is no leaf only name and type
  bool leaf = true;
  LayerCost cost;            ///< least work for the batch; empty unless `leaf`
  /// A convolution that was left pending, in training or in inference: the next layer but a ReLU did its work and has its cost and time.
  bool trains_in_next = false, infers_in_next = false;
  double forward_s = 0, backward_s = 0, infer_s = 0;
};

/// Medians of what is not in a layer, seconds.
struct OutsideFigures {
  double input_s = 0;    ///< bytes to the device and normalisation
  double output_s = 0;   ///< training: loss and its gradient; inference: reading the outputs
  double update_s = 0;   ///< training: gradients checked, optimiser, running statistics, loss read
  double between_s = 0;  ///< calls between layers
};

struct BenchSettings {
  int batch = 32;
  int rounds = 7;                             ///< measurements of each, taken in turn
  std::function<void(int done)> on_round{};   ///< after each round, the untimed ones counted too
};

/// Rounds that are run before those which count: memory is planned in them, a CUDA device records the step, scratch grows.
inline constexpr int kUntimedRounds = 3;

struct ModelFigures {
  std::optional<Spread> train_step_s;  ///< the trainer's own step, pictures as bytes in, weights moved, loss read
  std::string train_reason;            ///< why there is none
  Spread infer_s;                      ///< what eval and predict run: a batch's bytes in, outputs read
  bool infer_depth_first = false;      ///< pictures went through the network one by one; the layers were timed in passes of the whole batch
  double infer_layers_s = 0;           ///< median of the inference passes in which the layers were timed: infer_s unless they were passes apart
  OutsideFigures train_outside, infer_outside;
  Ceilings ceilings;                   ///< medians
  double train_least_s = 0, infer_least_s = 0;  ///< the layers' least work at the ceilings
  double peak_rss_mib = 0;             ///< of the process, as the system reports it, ahead of the ceilings' buffers: model and both steps
  double infer_peak_rss_mib = 0;       ///< the same when only inference had run
  double arena_mib = 0;                ///< memory planned for the larger of both steps: activations, gradients of activations, scratch of ops
  double unshared_mib = 0;             ///< what the training step's buffers would take if none shared its bytes
  std::vector<LayerFigures> layers;    ///< in the order of the forward pass
};

/// Measures a placed model on pictures of noise with the present number of threads; its weights move. A network that has not two outputs
/// cannot be trained here: train_reason says so. Throws kNumeric when a loss or gradient is NaN or infinite.
ModelFigures bench_model(nn::Module& model, const models::ModelSpec& spec, const BenchSettings& settings);

}  // namespace sepia::tools
