// One training step: a batch in, its loss and updated weights out.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "data/loader.h"
#include "engine/nn/flat_parameters.h"
#include "engine/nn/module.h"
#include "engine/ops/images.h"
#include "engine/optim/ema.h"
#include "engine/optim/optimizer.h"

namespace sepia::train {

/// How gradients become updates.
struct StepOptions {
  ops::Normalisation normalisation{};
  optim::OptimizerOptions optimizer{};
  std::vector<double> class_weights{};  ///< empty: all one
  double smoothing = 0;
  double clip_grad = 0;
  double ema_decay = 0;
  /// A layer from which on the learning rate is another: the head of transfer learning. Empty: there is one rate.
  std::string head{};
  double head_lr_scale = 1, backbone_lr_scale = 1;
  bool record = true;  ///< where the device can, whole steps are recorded and played back (SEPIA_CUDA_GRAPH=off forbids it)
};

struct BatchFigures {
  double loss = 0;  ///< mean per sample of this batch, as optimised
  int correct = 0;
};

/// Norms of one parameter tensor around a step.
struct UpdateFigures {
  std::string name;
  double gradient_norm = 0, weight_norm = 0, update_norm = 0;
};

/// The pictures of a batch for a message: "a.png, b.png, c.png and 29 more".
std::string pictures_of(const Batch& batch, const std::function<std::string(std::size_t)>& picture_name);

/// Runs a placed model's steps. A step commits at once: gradients are first found finite, then weights, moments, running
/// statistics and the weight average all move. The device decides that by itself (kernels::StepControl), so that no step waits for
/// the host in its middle; the host reads the verdict when it reads the loss.
class Stepper {
 public:
  Stepper(nn::Module& model, const StepOptions& options);
  ~Stepper();
  Stepper(const Stepper&) = delete;
  Stepper& operator=(const Stepper&) = delete;

  /// Forward, backward and update with one batch. Throws kNumeric as accumulate() and commit() do, with everything as it was before.
  /// On a device that records (a CUDA graph), the third step of a batch shape is recorded, and from then on one call plays it back.
  BatchFigures step(const Batch& batch, double lr);

  /// Forward and backward of one batch; its gradient counts `weight` (1, or its share when several batches make one step).
  /// Throws kNumeric, naming the first parameter that is not finite (if one is), when the loss is NaN or infinite: nothing has been
  /// changed then, and gradients accumulated before are dropped.
  BatchFigures accumulate(const Batch& batch, double weight);

  /// The update with what was accumulated. Throws kNumeric, naming the parameter, when a gradient is NaN or infinite: weights,
  /// moments and statistics are as before. `watch` also measures every parameter's norms (reads the device back: once an epoch).
  std::vector<UpdateFigures> commit(double lr, bool watch = false);

  optim::Optimizer& optimizer() { return optimizer_; }
  std::optional<optim::WeightAverage>& average() { return average_; }
  /// Exchanges the model's weights with their moving average, when there is one: before and after evaluating or saving the average.
  void exchange_with_average();
  /// Steps that were played back from a recording so far.
  std::int64_t steps_played_back() const { return played_back_; }

 private:
  struct Shaped;  // the tensors and the recording of one batch shape

  Shaped& shaped(const Batch& batch);
  void forward_backward_update(Shaped& tensors, const Batch& batch);
  bool run_recorded(Shaped& tensors, const Batch& batch);
  void write_control(double lr);
  void enqueue_update();
  void conclude();

  nn::Module& model_;
  StepOptions options_;
  optim::Optimizer optimizer_;
  std::optional<optim::WeightAverage> average_;
  Tensor class_weights_;
  Tensor one_, loss_, control_;  // the seed of backward; the loss of the step under way; a kernels::StepControl on the device
  std::map<std::string, std::unique_ptr<Shaped>> shaped_;
  std::int64_t played_back_ = 0;
};

}  // namespace sepia::train
