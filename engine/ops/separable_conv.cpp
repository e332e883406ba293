// A pending depthwise convolution and the pointwise one behind it, together. kernels/separable_conv.h has the maths.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct SeparableConvNode final : Node {
  SeparableConvNode(const DepthwiseOperands& depthwise, const kernels::LinearShape& shape, const Variable& weight)
      : depthwise_(depthwise), shape_(shape), weight_(weight.stored()) {}
  const char* name() const override { return "separable_conv"; }

  // In fused kernels where the backend has them, else the calls of LinearNode and DepthwiseConvNode in turn.
  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      if (wants(3) || wants(4)) backward_pointwise_weight(table, grad_y);
      if (!wants(0) && !wants(1) && !wants(2)) return;
      const bool fused = table.separable_conv_backward_input != nullptr;
      auto arguments = depthwise_.claim<T>(slot(0), slot(1), slot(2), fused);
      if (fused) {
        return table.separable_conv_backward_input({}, {.out_features = shape_.out_features, .grad_y = grad_y.data<T>(),
                                                        .pointwise_weight = weight_.data<T>(), .depthwise = arguments});
      }
      const Tensor grad_u = Tensor::empty(output_shape(depthwise_.shape), grad_y.dtype(), grad_y.device());
      table.linear_backward_input({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .weight = weight_.data<T>(), .x = nullptr, .prologue = {},
                                       .grad_x = grad_u.data<T>(), .accumulate = Accumulate::kWrite});
      grad_y = Tensor();
      arguments.convolution.grad_y = grad_u.data<T>();
      table.depthwise_conv_backward({}, arguments.convolution);
    });
  }

 private:
  template <class T>
  void backward_pointwise_weight(const KernelTable<T>& table, const Tensor& grad_y) {
    using A = Accumulator<T>;
    const WeightTargets targets = claim_weight_and_bias(slot(3), slot(4), weight_, true);
    if (table.separable_conv_backward_weight) {
      table.separable_conv_backward_weight({}, {.shape = depthwise_.shape, .out_features = shape_.out_features, .x = depthwise_.x.data<T>(),
                                                .prologue = prologue_of<T>(depthwise_.pending), .depthwise_weight = depthwise_.weight.data<T>(),
                                                .depthwise_bias = depthwise_.bias.data_or_null<A>(), .grad_y = grad_y.data<T>(),
                                                .grad_pointwise_weight = targets.weight.data<A>(), .grad_pointwise_bias = targets.bias.data_or_null<A>(),
                                                .accumulate = targets.accumulate});
      return;
    }
    const Tensor u = depthwise_.forward();
    table.linear_backward_weight({}, {.shape = shape_, .x = u.data<T>(), .prologue = {}, .grad_y = grad_y.data<T>(),
                                      .grad_weight = targets.weight.data<A>(), .grad_bias = targets.bias.data_or_null<A>(),
                                      .accumulate = targets.accumulate});
  }

  DepthwiseOperands depthwise_;
  kernels::LinearShape shape_;
  Tensor weight_;
};

// With x as the depthwise convolution's input in memory, or null.
template <class T>
kernels::SeparableConvForward<T> forward_arguments(const PendingConvolution& depthwise, const Tensor& x, const PendingAffine& pending, const Variable& weight,
                                                   const Variable& bias, const Tensor& y) {
  using A = Accumulator<T>;
  return {.shape = kernel_shape_of_depthwise(depthwise), .out_features = weight.shape()[0], .x = x.data_or_null<T>(), .prologue = prologue_of<T>(pending),
          .depthwise_weight = depthwise.weight.stored().data<T>(), .depthwise_bias = depthwise.bias.stored().data_or_null<A>(),
          .pointwise_weight = weight.stored().data<T>(), .pointwise_bias = bias.stored().data_or_null<A>(), .y = y.data<T>()};
}

// Without a tape: the dense convolution that the depthwise one reads, and both of them.
Variable with_stem(const PendingConvolution& depthwise, const Variable& weight, const Variable& bias, const Tensor& y) {
  const PendingConvolution& stem = *depthwise.x.convolution();
  const DenseInput input(stem.x);
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.conv2d_separable_forward({}, {.stem = dense_arguments<T>(stem, input, nullptr),
                                        .separable = forward_arguments<T>(depthwise, Tensor(), {.scale = {}, .shift = {}, .relu = stem.after.relu}, weight, bias, y)});
  });
  return Variable(y);
}

}  // namespace

namespace {

// One convolution of a chain that is to be made.
struct ChainStage {
  const PendingConvolution* depthwise;
  const PendingConvolution* pointwise;
  Tensor y;
};

// What of a chain is still to be made, first to last, at most as many as the kernel takes; x: what the first reads.
std::vector<ChainStage> stages_of(const PendingConvolution& last, Variable& x) {
  std::vector<ChainStage> stages;
  for (const PendingConvolution* at = &last;; at = x.convolution()) {
    const PendingConvolution& depthwise = *at->x.convolution();
    stages.push_back({&depthwise, at, Tensor::empty(at->shape, x.dtype(), x.device())});
    x = depthwise.x;
    const PendingConvolution* before = x.convolution();
    if (!before || !before->pointwise() || before->made->defined() || stages.size() == kernels::kMostSeparableStages) break;
  }
  std::ranges::reverse(stages);
  return stages;
}

// Runs the chain; its last output, to which `residual`, where it is defined, has been added.
Tensor run_chain(const PendingConvolution& last, const Variable& residual) {
  Variable x = last.x;
  const std::vector<ChainStage> stages = stages_of(last, x);
  x = carried_out(x);
  const Tensor& y = stages.back().y;
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    std::array<kernels::SeparableConvForward<T>, kernels::kMostSeparableStages> arguments;
    Tensor input = x.stored();
    PendingAffine pending = x.pending();
    for (std::size_t i = 0; i < stages.size(); ++i) {
      const auto& [depthwise, pointwise, output] = stages[i];
      arguments[i] = forward_arguments<T>(*depthwise, input, pending, pointwise->weight, pointwise->bias, output);
      input = output;
      pending = pointwise->after;
    }
    table.separable_chain_forward({}, {.stages = arguments.data(), .count = static_cast<std::int64_t>(stages.size()), .prologue = prologue_of<T>(pending),
                                       .residual = residual.defined() ? residual.stored().data<T>() : nullptr,
                                       .residual_prologue = residual.defined() ? prologue_of<T>(residual.pending()) : kernels::Prologue<T>{}});
  });
  for (const ChainStage& stage : stages) {
    if (!residual.defined() || &stage != &stages.back()) *stage.pointwise->made = stage.y;
  }
  return y;
}

bool has_chains(const Variable& x) {
  return dispatch(x.dtype(), x.device(), []<class T>(const KernelTable<T>& table) { return table.separable_chain_forward != nullptr; });
}

}  // namespace

Variable carry_out_chain(const PendingConvolution& convolution) {
  if (!convolution.made->defined()) run_chain(convolution, {});
  return Variable(*convolution.made, convolution.after, nullptr);
}

Variable carry_out_chain(const PendingConvolution& convolution, const Variable& residual) { return Variable(run_chain(convolution, residual)); }

bool has_conv2d_separable(const PendingConvolution& convolution) {
  return kernels::conv2d_has_few_inputs(kernel_shape_of_dense(convolution)) &&
         dispatch(convolution.x.dtype(), convolution.x.device(), []<class T>(const KernelTable<T>& table) { return table.conv2d_separable_forward != nullptr; });
}

Variable separable_conv(const PendingConvolution& given, const Variable& weight, const Variable& bias) {
  const Shape& u = given.shape;
  const kernels::LinearShape shape{.rows = u.numel() / u[3], .in_features = u[3], .out_features = weight.shape()[0]};
  const Shape out{u[0], u[1], u[2], shape.out_features};
  const bool on_tape = needs_node({&given.x, &given.weight, &given.bias, &weight, &bias}), stem = given.x.convolution() && given.x.convolution()->dense();
  if (!on_tape && !stem && has_chains(given.x)) {
    const Variable depthwise(std::make_shared<const PendingConvolution>(given));
    return left_pending({.x = depthwise, .weight = weight, .bias = bias, .shape = out, .after = {}, .made = std::make_shared<Tensor>()});
  }
  Tensor y = Tensor::empty(out, given.x.dtype(), given.x.device());
  if (!on_tape && stem) return with_stem(given, weight, bias, y);
  const PendingConvolution convolution = with_input_carried_out(given);
  const DepthwiseOperands depthwise(convolution);
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    if (table.separable_conv_forward) return table.separable_conv_forward({}, forward_arguments<T>(convolution, depthwise.x, depthwise.pending, weight, bias, y));
    const Tensor output = depthwise.forward();
    table.linear_forward({}, {.shape = shape, .x = output.data<T>(), .prologue = {}, .weight = weight.stored().data<T>(),
                              .bias = bias.stored().data_or_null<Accumulator<T>>(), .y = y.data<T>()});
  });
  return record<SeparableConvNode>(std::move(y), {&convolution.x, &convolution.weight, &convolution.bias, &weight, &bias}, depthwise, shape, weight);
}

}  // namespace sepia::ops
