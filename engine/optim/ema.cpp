#include "engine/optim/ema.h"

#include "engine/tensor/dispatch.h"

namespace sepia::optim {
namespace {

void move_towards(const Tensor& average, const Tensor& value, double weight, const kernels::StepControl* control) {
  if (value.numel() == 0) return;
  dispatch(value, [&]<class T>(const kernels::KernelTable<T>& table) {
    if constexpr (std::is_same_v<T, Accumulator<T>>) {
      table.lerp({}, {.count = value.numel(), .source = value.data<T>(), .destination = average.data<T>(), .weight = weight, .control = control});
    }
  });
}

void exchange(const Tensor& a, const Tensor& b) {
  const Tensor kept = a.clone();
  a.copy_from(b);
  b.copy_from(kept);
}

}  // namespace

WeightAverage::WeightAverage(double decay, Tensor weights, Tensor running_statistics)
    : decay_(decay),
      weights_(std::move(weights)),
      running_(std::move(running_statistics)),
      average_weights_(weights_.clone()),
      average_statistics_(running_.clone()) {
  SEPIA_CHECK(decay > 0 && decay < 1, "the decay of the weight average must be between 0 and 1, got ", decay);
}

void WeightAverage::update(const kernels::StepControl* control) {
  move_towards(average_weights_, weights_, 1 - decay_, control);
  move_towards(average_statistics_, running_, 1 - decay_, control);
}

void WeightAverage::swap() {
  exchange(average_weights_, weights_);
  exchange(average_statistics_, running_);
}

}  // namespace sepia::optim
