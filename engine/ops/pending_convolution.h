// A convolution that was left pending (engine/autograd/variable.h), as the ops that carry it out see it.
#pragma once

#include "engine/autograd/variable.h"
#include "engine/ops/linear.h"
#include "engine/ops/record.h"
#include "kernels/conv2d.h"
#include "kernels/depthwise_conv.h"
#include "kernels/separable_conv.h"

namespace sepia::ops {

inline Shape output_shape(const kernels::DepthwiseConvShape& shape) { return {shape.batch, shape.out_height(), shape.out_width(), shape.channels}; }

/// What the kernels read of it: tensors, which a node may keep.
struct DepthwiseOperands {
  /// The convolution's input must not be pending.
  explicit DepthwiseOperands(const PendingConvolution& convolution);

  /// The convolution's output, computed now.
  Tensor forward() const;
  /// Arguments of a backward kernel that delivers the gradients of x, weight and bias; a null slot wants none. The gradient of the output is left
  /// to be set. Where a batch norm made x and wants sums of its gradient, they are asked for (mean not null), unless `sums` forbids it.
  template <class T>
  kernels::DepthwiseConvBackwardSums<T> claim(GradSlot* x_slot, GradSlot* weight_slot, GradSlot* bias_slot, bool sums) const;

  kernels::DepthwiseConvShape shape;
  Tensor x;
  PendingAffine pending;  // of x
  Tensor weight, bias;    // bias may be undefined
};

template <class T>
kernels::DepthwiseConvBackwardSums<T> DepthwiseOperands::claim(GradSlot* x_slot, GradSlot* weight_slot, GradSlot* bias_slot, bool sums) const {
  using A = Accumulator<T>;
  const GradTarget target = x_slot ? x_slot->claim() : GradTarget{};
  const WeightTargets parameters = claim_weight_and_bias(weight_slot, bias_slot, weight, false);
  kernels::DepthwiseConvBackwardSums<T> arguments{
      .convolution = {.shape = shape, .x = x.data<T>(), .prologue = prologue_of<T>(pending), .weight = weight.data<T>(), .grad_y = nullptr,
                      .grad_x = target.tensor.data_or_null<T>(), .accumulate_x = target.accumulate,
                      .grad_weight = parameters.weight.data_or_null<A>(), .grad_bias = parameters.bias.data_or_null<A>(),
                      .accumulate_weight = parameters.accumulate},
      .mean = nullptr, .inv_std = nullptr, .sum_g = nullptr, .sum_g_xhat = nullptr};
  GradientSums* const wanted = target.sums;
  if (!sums || !wanted || wanted->x.data<T>() != arguments.convolution.x) return arguments;
  for (Tensor* sum : {&wanted->sum_g, &wanted->sum_g_xhat}) *sum = Tensor::empty(wanted->mean.shape(), kDTypeOf<A>, x.device());
  arguments.mean = wanted->mean.data<A>();
  arguments.inv_std = wanted->inv_std.data<A>();
  arguments.sum_g = wanted->sum_g.data<A>();
  arguments.sum_g_xhat = wanted->sum_g_xhat.data<A>();
  return arguments;
}

/// What the kernels read of a dense convolution's input, which a node may keep.
class DenseInput {
 public:
  explicit DenseInput(const Variable& x) {
    if (const PendingPictures* pictures = x.pictures()) {
      x_ = pictures->pixels;
      pixels_ = {x_.data<std::uint8_t>(), pictures->mean, pictures->std};
    } else {
      x_ = x.stored();
      pending_ = x.pending();
    }
  }

  template <class T>
  const T* x() const { return pixels_.data ? nullptr : x_.data<T>(); }
  template <class T>
  kernels::Prologue<T> prologue() const { return prologue_of<T>(pending_); }
  const kernels::Pixels& pixels() const { return pixels_; }

 private:
  Tensor x_;
  PendingAffine pending_;
  kernels::Pixels pixels_;
};

/// The convolution, left for whoever reads it. What is made without a tape stays off it, whoever carries it out.
Variable left_pending(const PendingConvolution& convolution);

/// Its output as a variable, with a node on the tape where one is wanted. Of a depthwise convolution, and of a dense one (normalised: see
/// Conv2dParams).
Variable carry_out(const PendingConvolution& convolution);
Variable carry_out_dense(const PendingConvolution& convolution, bool normalised = false);

/// linear(convolution's output, weight, bias, params), whose arguments linear has checked: in one kernel where the backend has one, and
/// without keeping the convolution's output for the way back, where it is made again.
Variable separable_conv(const PendingConvolution& convolution, const Variable& weight, const Variable& bias, const LinearParams& params);

/// The same where the convolution's input is a dense one that is pending, without a tape: all three in one kernel.
Variable conv2d_separable(const PendingConvolution& convolution, const Variable& weight, const Variable& bias);

/// What the kernels must know of a convolution.
kernels::DepthwiseConvShape kernel_shape_of_depthwise(const PendingConvolution& convolution);
kernels::Conv2dShape kernel_shape_of_dense(const PendingConvolution& convolution);

/// The forward kernel's arguments of a dense convolution whose input is `input`.
template <class T>
kernels::Conv2dForward<T> dense_arguments(const PendingConvolution& convolution, const DenseInput& input, T* y) {
  return {.shape = kernel_shape_of_dense(convolution), .x = input.x<T>(), .prologue = input.prologue<T>(), .weight = convolution.weight.stored().data<T>(),
          .bias = convolution.bias.stored().data_or_null<Accumulator<T>>(), .y = y, .pixels = input.pixels()};
}

/// The forward kernel's arguments of a depthwise convolution, whose input is x in memory, or null, and the pointwise one behind it.
template <class T>
kernels::SeparableConvForward<T> separable_arguments(const PendingConvolution& depthwise, const Tensor& x, const PendingAffine& pending, const Variable& weight,
                                                   const Variable& bias, const Tensor& y) {
  using A = Accumulator<T>;
  return {.shape = kernel_shape_of_depthwise(depthwise), .out_features = weight.shape()[0], .x = x.data_or_null<T>(), .prologue = prologue_of<T>(pending),
          .depthwise_weight = depthwise.weight.stored().data<T>(), .depthwise_bias = depthwise.bias.stored().data_or_null<A>(),
          .pointwise_weight = weight.stored().data<T>(), .pointwise_bias = bias.stored().data_or_null<A>(), .y = y.data<T>()};
}

/// Whether the device has the kernels that conv2d_pool needs for this convolution.
bool has_conv2d_pool(const PendingConvolution& convolution);

/// Whether the device has the kernel that takes this convolution, a depthwise and a pointwise one together.
bool has_conv2d_separable(const PendingConvolution& convolution);

/// The same convolution with its input carried out, should that be pending too.
PendingConvolution with_input_carried_out(PendingConvolution convolution);

/// max_pool of 2x2 windows and stride 2 over the dense convolution's output, ReLU included: one kernel there and one back. Keeps the pooled
/// output and one byte for each number in it, neither the convolution's output nor its gradient.
Variable conv2d_pool(const PendingConvolution& convolution);

}  // namespace sepia::ops
