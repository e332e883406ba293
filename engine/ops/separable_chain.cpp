// What waits for each other without a tape: a stem and the separable convolution behind it, separable convolutions in a chain and the addition
// that ends it. kernels/conv2d_separable.h and kernels/separable_chain.h have the maths.
#include <algorithm>
#include <array>
#include <vector>

#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

// Without a tape: the dense convolution that the depthwise one reads, and both of them.
Variable with_stem(const PendingConvolution& depthwise, const Variable& weight, const Variable& bias, const Shape& out) {
  const Tensor y = Tensor::empty(out, depthwise.x.dtype(), depthwise.x.device());
  const PendingConvolution& stem = *depthwise.x.convolution();
  const DenseInput input(stem.x);
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.conv2d_separable_forward({}, {.stem = dense_arguments<T>(stem, input, nullptr),
                                        .separable = separable_arguments<T>(depthwise, Tensor(), {.scale = {}, .shift = {}, .relu = stem.after.relu}, weight, bias, y)});
  });
  return Variable(y);
}

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
      arguments[i] = separable_arguments<T>(*depthwise, input, pending, pointwise->weight, pointwise->bias, output);
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

std::optional<Variable> separable_without_tape(const PendingConvolution& depthwise, const Variable& weight, const Variable& bias) {
  if (needs_node({&depthwise.x, &depthwise.weight, &depthwise.bias, &weight, &bias})) return std::nullopt;
  const Shape& u = depthwise.shape;
  const Shape out{u[0], u[1], u[2], weight.shape()[0]};
  if (depthwise.x.convolution() && depthwise.x.convolution()->dense()) return with_stem(depthwise, weight, bias, out);
  if (!has_chains(depthwise.x)) return std::nullopt;
  const Variable pending(std::make_shared<const PendingConvolution>(depthwise));
  return left_pending({.x = pending, .weight = weight, .bias = bias, .shape = out, .after = {}, .made = std::make_shared<Tensor>()});
}

}  // namespace sepia::ops
