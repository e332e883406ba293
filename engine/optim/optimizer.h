// Optimisers over flat arenas. Formulas: kernels/optimizer.h.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/optimizer.h"

namespace sepia::optim {

enum class Algorithm : std::uint8_t { kAdam, kAdamW, kSgd };

/// "adam", "adamw", "sgd" (timm's names); throws kUsage otherwise.
Algorithm algorithm_from_name(const std::string& name);
const char* algorithm_name(Algorithm algorithm);

/// Defaults are PyTorch's, and the document's.
struct OptimizerOptions {
  Algorithm algorithm = Algorithm::kAdam;
  double lr = 1e-3;
  double beta1 = 0.9, beta2 = 0.999, eps = 1e-8;  ///< Adam, AdamW
  double weight_decay = 0;
  double momentum = 0.9;  ///< SGD
  bool nesterov = false;  ///< SGD
};

/// A stretch of the arenas with settings of its own: frozen parts have none, a new head may learn faster.
struct ParameterGroup {
  std::int64_t offset = 0, count = 0;
  double lr_scale = 1;
};

/// Holds the moments; weights and gradients belong to the model. All tensors are flat and of equal size, and of equal type but for
/// `rounded` (may be undefined): the copy of the weights in the type of the activations, written in the same pass.
class Optimizer {
 public:
  Optimizer(const OptimizerOptions& options, Tensor weights, Tensor gradients, std::vector<ParameterGroup> groups, Tensor rounded = {});

  /// One update of every group with learning rate lr * lr_scale and gradients times gradient_scale (1, or the clipping factor).
  void step(double lr, double gradient_scale = 1);
  /// The same with learning rate, clipping factor and step count read on the device, nothing at all when the control is stopped.
  /// Whoever reads the control back calls set_steps_taken().
  void step(const kernels::StepControl* control);

  const OptimizerOptions& options() const { return options_; }
  std::int64_t steps_taken() const { return steps_; }
  void set_steps_taken(std::int64_t steps) { steps_ = steps; }
  /// The moments under PyTorch's names (exp_avg, exp_avg_sq, momentum_buffer): for checkpoints.
  std::vector<std::pair<std::string, Tensor>> state() const;

 private:
  void launch(double lr, double gradient_scale, std::int64_t step, const kernels::StepControl* control);

  OptimizerOptions options_;
  Tensor weights_, gradients_, rounded_, first_moment_, second_moment_;
  std::vector<ParameterGroup> groups_;
  std::int64_t steps_ = 0;
};

/// Factor that brings a gradient of this norm to max_norm when it is longer: min(1, max_norm / (norm + 1e-6)), as
/// torch.nn.utils.clip_grad_norm_. max_norm <= 0 means no clipping.
double clip_factor(double norm, double max_norm);

}  // namespace sepia::optim
