#include "engine/optim/optimizer.h"

#include <algorithm>

#include "engine/tensor/dispatch.h"

namespace sepia::optim {

Algorithm algorithm_from_name(const std::string& name) {
  if (name == "adam") return Algorithm::kAdam;
  if (name == "adamw") return Algorithm::kAdamW;
  if (name == "sgd") return Algorithm::kSgd;
  fail(ErrorKind::kUsage, "there is no optimiser '", name, "'; use adam, adamw or sgd");
}

const char* algorithm_name(Algorithm algorithm) {
  switch (algorithm) {
    case Algorithm::kAdam: return "adam";
    case Algorithm::kAdamW: return "adamw";
    case Algorithm::kSgd: return "sgd";
  }
  return "?";
}

Optimizer::Optimizer(const OptimizerOptions& options, Tensor weights, Tensor gradients, std::vector<ParameterGroup> groups, Tensor rounded)
    : options_(options), weights_(std::move(weights)), gradients_(std::move(gradients)), rounded_(std::move(rounded)), groups_(std::move(groups)) {
  SEPIA_CHECK_KIND(weights_.shape() == gradients_.shape() && weights_.dtype() == gradients_.dtype(), ErrorKind::kInternal,
                   "[optimizer] weights ", weights_.shape(), " and gradients ", gradients_.shape(), " differ");
  SEPIA_CHECK_KIND(weights_.dtype() == accumulator_dtype(weights_.dtype()), ErrorKind::kInternal, "[optimizer] weights must be f32 or f64, got ", weights_.dtype());
  for (const ParameterGroup& group : groups_) {
    SEPIA_CHECK_KIND(group.offset >= 0 && group.count >= 0 && group.offset + group.count <= weights_.numel(), ErrorKind::kInternal, "[optimizer] group of elements ",
                     group.offset, " to ", group.offset + group.count, " of ", weights_.numel());
  }
  const bool sgd = options_.algorithm == Algorithm::kSgd;
  SEPIA_CHECK(!sgd || !options_.nesterov || options_.momentum > 0, "Nesterov's momentum needs a momentum above 0");
  if (!sgd || options_.momentum != 0) first_moment_ = Tensor::zeros(weights_.shape(), weights_.dtype(), weights_.device());
  if (!sgd) second_moment_ = Tensor::zeros(weights_.shape(), weights_.dtype(), weights_.device());
}

void Optimizer::step(double lr, double gradient_scale) { launch(lr, gradient_scale, ++steps_, nullptr); }

void Optimizer::step(const kernels::StepControl* control) { launch(1, 1, 0, control); }

void Optimizer::launch(double lr, double gradient_scale, std::int64_t step, const kernels::StepControl* control) {
  dispatch(rounded_.defined() ? rounded_ : weights_, [&]<class T>(const kernels::KernelTable<T>& table) {
    using A = Accumulator<T>;
    for (const ParameterGroup& group : groups_) {
      const auto at = [&](const Tensor& tensor) { return tensor.defined() ? tensor.data<A>() + group.offset : nullptr; };
      T* const rounded = rounded_.defined() ? rounded_.data<T>() + group.offset : nullptr;
      if (options_.algorithm == Algorithm::kSgd) {
        table.sgd_step({}, {.count = group.count, .weight = at(weights_), .gradient = at(gradients_), .momentum_buffer = at(first_moment_),
                            .lr = lr * group.lr_scale, .momentum = options_.momentum, .weight_decay = options_.weight_decay,
                            .nesterov = options_.nesterov, .first_step = step == 1, .gradient_scale = gradient_scale, .shadow = rounded, .control = control});
      } else {
        table.adam_step({}, {.count = group.count, .weight = at(weights_), .gradient = at(gradients_), .m = at(first_moment_), .v = at(second_moment_),
                             .lr = lr * group.lr_scale, .beta1 = options_.beta1, .beta2 = options_.beta2, .eps = options_.eps,
                             .weight_decay = options_.weight_decay, .decoupled = options_.algorithm == Algorithm::kAdamW, .step = step,
                             .gradient_scale = gradient_scale, .shadow = rounded, .control = control});
      }
    }
  });
}

std::vector<std::pair<std::string, Tensor>> Optimizer::state() const {
  if (options_.algorithm == Algorithm::kSgd) {
    if (!first_moment_.defined()) return {};
    return {{"momentum_buffer", first_moment_}};
  }
  return {{"exp_avg", first_moment_}, {"exp_avg_sq", second_moment_}};
}

double clip_factor(double norm, double max_norm) { return max_norm > 0 ? std::min(1.0, max_norm / (norm + 1e-6)) : 1.0; }

}  // namespace sepia::optim
