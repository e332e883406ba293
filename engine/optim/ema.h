// Exponential moving average of the weights (Polyak averaging; timm's ModelEma).
#pragma once

#include <utility>

#include "engine/tensor/tensor.h"
#include "kernels/optimizer.h"

namespace sepia::optim {

/// average = decay * average + (1 - decay) * value after every step, for weights and running statistics alike.
class WeightAverage {
 public:
  WeightAverage(double decay, Tensor weights, Tensor running_statistics);

  /// After an optimiser step; nothing moves when the step's control is there and stopped.
  void update(const kernels::StepControl* control = nullptr);
  /// Exchanges the averages with the model's own values: before and after evaluating or saving the average.
  void swap();

  double decay() const { return decay_; }
  const Tensor& average_weights() const { return average_weights_; }
  const Tensor& average_statistics() const { return average_statistics_; }

 private:
  double decay_;
  Tensor weights_, running_, average_weights_, average_statistics_;
};

}  // namespace sepia::optim
