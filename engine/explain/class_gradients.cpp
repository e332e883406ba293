#include "engine/explain/class_gradients.h"

#include <algorithm>
#include <cmath>

#include "engine/autograd/backward_down_to.h"
#include "engine/nn/layers.h"
#include "engine/ops/flat.h"
#include "engine/ops/materialise.h"

namespace sepia::explain {
namespace {

/// Evaluation mode for as long as it lives.
class EvaluationMode {
 public:
  explicit EvaluationMode(nn::Module& model) : model_(model), was_training_(model.training()) { model_.eval(); }
  ~EvaluationMode() { model_.train(was_training_); }
  EvaluationMode(const EvaluationMode&) = delete;
  EvaluationMode& operator=(const EvaluationMode&) = delete;

 private:
  nn::Module& model_;
  bool was_training_;
};

/// Hooks that go when it goes.
class Hooks {
 public:
  Hooks() = default;
  ~Hooks() {
    for (nn::Module* module : modules_) module->clear_hooks();
  }
  Hooks(const Hooks&) = delete;
  Hooks& operator=(const Hooks&) = delete;

  void add(nn::Module& module, nn::Module::Hook hook) {
    module.add_hook(std::move(hook));
    modules_.push_back(&module);
  }

 private:
  std::vector<nn::Module*> modules_;
};

// In place, since the hook of a slot sees the very tensor that the tape hands on.
void clamp_below_zero(const Tensor& gradient) {
  if (gradient.dtype() == DType::kF32 && gradient.device().on_host()) {
    for (float& v : std::span(gradient.data<float>(), static_cast<std::size_t>(gradient.numel()))) v = std::max(v, 0.0f);
    return;
  }
  std::vector<double> values = gradient.to_doubles();
  for (double& v : values) v = std::max(v, 0.0);
  gradient.copy_from(tensor_from_doubles(values, gradient.shape(), gradient.dtype(), gradient.device()));
}

void guide(nn::Module& model, Hooks& hooks) {
  for (const auto& [name, module] : model.named_modules()) {
    if (dynamic_cast<nn::ReLU*>(module) == nullptr) continue;
    hooks.add(*module, [](const Variable&, const Variable& output) {
      if (output.slot()) output.slot()->add_hook(clamp_below_zero);
    });
  }
}

void check_finite(const Tensor& tensor, const char* what) {
  const std::int64_t bad = ops::first_nonfinite(tensor);
  SEPIA_CHECK_KIND(bad < 0, ErrorKind::kNumeric, "[explain] ", what, " holds NaN or Inf (element ", bad, "); are the weights whole?");
}

std::vector<int> resolved_classes(std::span<const int> asked, const std::vector<double>& logits, std::int64_t outputs) {
  std::vector<int> classes(asked.begin(), asked.end());
  for (std::size_t i = 0; i < classes.size(); ++i) {
    SEPIA_CHECK(classes[i] >= kPredictedClass && classes[i] < outputs, "[explain] there is no class ", classes[i], "; the network has ", outputs);
    if (classes[i] != kPredictedClass) continue;
    const auto row = logits.begin() + static_cast<std::ptrdiff_t>(i) * outputs;
    classes[i] = static_cast<int>(std::max_element(row, row + outputs) - row);
  }
  return classes;
}

std::string step_kind(const Tensor& input, const PassOptions& options) {
  return str("explain ", input.shape(), " ", options.layer, options.guided ? " guided" : "", options.layer_gradient, options.input_gradient);
}

}  // namespace

std::vector<float> to_floats(const Tensor& tensor) {
  if (tensor.dtype() == DType::kF32) return tensor.to_host<float>();
  const std::vector<double> values = tensor.to_doubles();
  return {values.begin(), values.end()};
}

Tensor input_from_floats(const nn::Module& model, std::span<const float> values, const Shape& shape) {
  if (model.dtype() == DType::kF32) return Tensor::from_host<float>(values, shape, model.device());
  const std::vector<double> wide(values.begin(), values.end());
  return tensor_from_doubles(wide, shape, model.dtype(), model.device());
}

ClassGradients class_gradients(nn::Module& model, const Tensor& input, std::span<const int> classes, const PassOptions& options) {
  SEPIA_CHECK(input.shape().ndim() == 4 && input.shape()[0] == static_cast<std::int64_t>(classes.size()), "[explain] input must be (N, H, W, 3) with a class for each of N, got ",
              input.shape(), " and ", classes.size(), " classes");
  const EvaluationMode evaluation(model);
  Hooks hooks;
  Variable seen;
  if (!options.layer.empty()) {
    hooks.add(model.at(options.layer), [&](const Variable&, const Variable& output) {
      seen = output;
      if (output.slot() && options.layer_gradient) output.slot()->retain();
    });
  }
  if (options.guided) guide(model, hooks);

  ClassGradients result;
  const StepScope scope(model.device(), step_kind(input, options));
  const bool backwards = options.input_gradient || (options.layer_gradient && !options.layer.empty());
  const Variable x = backwards ? Variable::leaf(input) : Variable(input);
  const Variable logits = ops::materialise(model(x));
  SEPIA_CHECK(logits.shape().ndim() == 2, "[explain] the network must give (N, K), got ", logits.shape());
  check_finite(logits.value(), "a score");
  result.outputs = logits.shape()[1];
  result.logits = logits.value().to_doubles();
  result.classes = resolved_classes(classes, result.logits, result.outputs);
  if (backwards) {
    std::vector<double> seed(result.logits.size(), 0.0);
    for (std::size_t i = 0; i < classes.size(); ++i) seed[i * static_cast<std::size_t>(result.outputs) + static_cast<std::size_t>(result.classes[i])] = 1;
    Tensor seeds = tensor_from_doubles(seed, logits.shape(), logits.slot()->dtype(), logits.device());
    if (!options.input_gradient && seen.requires_grad()) {
      backward_down_to(logits, std::move(seeds), seen);  // most of a network lies below its last layers
    } else {
      backward(logits, std::move(seeds));
    }
    if (options.input_gradient) {
      result.input = x.grad();
      check_finite(result.input, "the gradient at the input");
    }
  }
  if (seen.defined()) {
    result.activation = seen.value();
    if (backwards && options.layer_gradient) {
      result.activation_gradient = seen.grad().defined() ? seen.grad() : Tensor::zeros(seen.shape(), seen.dtype(), seen.device());
      check_finite(result.activation_gradient, "the gradient at the layer");
    }
  }
  return result;
}

std::vector<double> logits_of(nn::Module& model, const Tensor& input) {
  const NoGradGuard no_grad;
  const EvaluationMode evaluation(model);
  const StepScope scope(model.device(), str("explain, scores ", input.shape()));
  return ops::materialise(model(Variable(input))).value().to_doubles();
}

}  // namespace sepia::explain
