#include "engine/nn/layers.h"

#include <utility>

#include "engine/ops/flatten.h"
#include "engine/ops/linear.h"
#include "engine/ops/materialise.h"

namespace sepia::nn {
namespace {

Parameter bias_parameter(std::int64_t outputs, std::int64_t fan_in) {
  return {.shape = {outputs}, .initialiser = Initialiser::fan_in(fan_in), .vector_like = true};
}

Variable used_or_none(const Parameter* parameter) { return parameter ? parameter->used() : Variable(); }

}  // namespace

Conv2d::Conv2d(const Options& options)
    : options_(options),
      weight_(add_parameter("weight", {.shape = {options.out_channels, options.kernel, options.kernel, options.in_channels},
                                       .layout = FileLayout::kOihw,
                                       .initialiser = Initialiser::fan_in(options.in_channels * options.kernel * options.kernel)})) {
  if (options.bias) bias_ = &add_parameter("bias", bias_parameter(options.out_channels, options.in_channels * options.kernel * options.kernel));
}

std::int64_t Conv2d::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * options_.kernel * options_.kernel * options_.in_channels + (bias_ ? 1 : 0));
}

Variable Conv2d::forward(const Variable& x) {
  return ops::conv2d(x, weight_.used(), used_or_none(bias_), {.stride = options_.stride, .padding = options_.padding, .pooled = options_.pooled,
                                                              .separable = options_.separable && !training() && !observed(), .normalised = options_.normalised && training()});
}

DepthwiseConv2d::DepthwiseConv2d(const Options& options)
    : options_(options),
      weight_(add_parameter("weight", {.shape = {options.kernel, options.kernel, options.channels},
                                       .layout = FileLayout::kDepthwise,
                                       .initialiser = Initialiser::fan_in(options.kernel * options.kernel)})) {
  if (options.bias) bias_ = &add_parameter("bias", bias_parameter(options.channels, options.kernel * options.kernel));
}

std::int64_t DepthwiseConv2d::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * options_.kernel * options_.kernel + (bias_ ? 1 : 0));
}

Variable DepthwiseConv2d::forward(const Variable& x) {
  return ops::depthwise_conv(x, weight_.used(), used_or_none(bias_),
                             {.stride = options_.stride, .padding = options_.padding, .recompute = options_.recompute});
}

PointwiseConv2d::PointwiseConv2d(const Options& options)
    : options_(options),
      weight_(add_parameter("weight", {.shape = {options.out_channels, options.in_channels},
                                       .layout = FileLayout::kPointwise,
                                       .initialiser = Initialiser::fan_in(options.in_channels)})) {
  if (options.bias) bias_ = &add_parameter("bias", bias_parameter(options.out_channels, options.in_channels));
}

std::int64_t PointwiseConv2d::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * options_.in_channels + (bias_ ? 1 : 0));
}

Variable PointwiseConv2d::forward(const Variable& x) {
  return ops::linear(x, weight_.used(), used_or_none(bias_), {.normalised = options_.normalised && training()});
}

Linear::Linear(const Options& options)
    : options_(options),
      weight_(add_parameter("weight", {.shape = {options.out_features, options.in_features},
                                       .layout = options.flattened ? FileLayout::kLinearAfterFlatten : FileLayout::kPlain,
                                       .flattened = options.flattened.value_or(std::array<std::int64_t, 3>{}),
                                       .initialiser = Initialiser::fan_in(options.in_features)})) {
  if (options.bias) bias_ = &add_parameter("bias", bias_parameter(options.out_features, options.in_features));
}

std::int64_t Linear::flops(const Shape&, const Shape& output) const {
  return output.numel() * (2 * options_.in_features + (bias_ ? 1 : 0));
}

Variable Linear::forward(const Variable& x) { return ops::linear(x, weight_.used(), used_or_none(bias_)); }

BatchNorm2d::BatchNorm2d(const Options& options)
    : options_(options),
      weight_(add_parameter("weight", {.shape = {options.channels}, .initialiser = Initialiser::constant(1), .vector_like = true})),
      bias_(add_parameter("bias", {.shape = {options.channels}, .initialiser = Initialiser::constant(0), .vector_like = true})),
      running_mean_(add_buffer("running_mean", {.shape = {options.channels}, .initial = 0})),
      running_variance_(add_buffer("running_var", {.shape = {options.channels}, .initial = 1})) {}

std::int64_t BatchNorm2d::flops(const Shape&, const Shape& output) const { return 2 * output.numel(); }

void BatchNorm2d::bind_statistics(const Tensor& running, const Tensor& step, std::int64_t offset, std::int64_t stride) {
  running_mean_.value = running.slice(offset, running_mean_.shape);
  running_variance_.value = running.slice(offset + stride, running_variance_.shape);
  step_mean_ = step.slice(offset, running_mean_.shape);
  step_variance_ = step.slice(offset + stride, running_variance_.shape);
}

void BatchNorm2d::reset_statistics() {
  for (Buffer* buffer : {&running_mean_, &running_variance_}) {
    const std::vector<double> values(static_cast<std::size_t>(options_.channels), buffer->initial);
    buffer->value.copy_from(tensor_from_doubles(values, buffer->shape, buffer->value.dtype(), buffer->value.device()));
  }
  batches_tracked_ = 0;
  step_taken_ = false;
}

bool BatchNorm2d::take_step_taken() { return std::exchange(step_taken_, false); }

Variable BatchNorm2d::forward(const Variable& x) {
  const bool batch = training() && !frozen_;
  if (batch) step_taken_ = true;  // in evaluation several threads may be here at once: nothing is written
  return ops::batch_norm(x, weight_.used(), bias_.used(),
                         {.running_mean = running_mean_.value, .running_variance = running_variance_.value, .step_mean = step_mean_,
                          .step_variance = step_variance_, .eps = options_.eps},
                         batch ? ops::BatchNormMode::kBatch : ops::BatchNormMode::kRunning);
}

std::int64_t ReLU::flops(const Shape&, const Shape& output) const { return output.numel(); }
Variable ReLU::forward(const Variable& x) { return ops::relu(x); }

std::int64_t MaxPool2d::flops(const Shape&, const Shape& output) const { return output.numel() * params_.kernel * params_.kernel; }
Variable MaxPool2d::forward(const Variable& x) { return ops::max_pool(x, params_); }

std::int64_t GlobalAvgPool::flops(const Shape& input, const Shape&) const { return input.numel(); }
Variable GlobalAvgPool::forward(const Variable& x) { return ops::global_avg_pool(x); }

Variable Flatten::forward(const Variable& x) { return ops::flatten(x); }

Variable Sequential::forward(const Variable& x) {
  Variable y = x;
  for (Module* module : sequence_) y = (*module)(y);
  return y;
}

}  // namespace sepia::nn
