// A pending depthwise convolution and the pointwise one behind it, together. kernels/separable_conv.h has the maths.
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct SeparableConvNode final : Node {
  SeparableConvNode(const DepthwiseOperands& depthwise, const kernels::LinearShape& shape, const Variable& weight)
      : depthwise_(depthwise), shape_(shape), weight_(weight.stored()) {}
  const char* name() const override { return "separable_conv"; }

  // The calls of LinearNode and DepthwiseConvNode in turn.
  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      if (wants(3) || wants(4)) backward_pointwise_weight(table, grad_y);
      if (!wants(0) && !wants(1) && !wants(2)) return;
      const Tensor grad_u = Tensor::empty(output_shape(depthwise_.shape), grad_y.dtype(), grad_y.device());
      table.linear_backward_input({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .weight = weight_.data<T>(), .x = nullptr, .prologue = {},
                                       .grad_x = grad_u.data<T>(), .accumulate = Accumulate::kWrite});
      grad_y = Tensor();
      backward_depthwise(table, grad_u);
    });
  }

 private:
  template <class T>
  void backward_pointwise_weight(const KernelTable<T>& table, const Tensor& grad_y) {
    using A = Accumulator<T>;
    const Tensor u = depthwise_.forward();
    const WeightTargets targets = claim_weight_and_bias(slot(3), slot(4), weight_, true);
    table.linear_backward_weight({}, {.shape = shape_, .x = u.data<T>(), .prologue = {}, .grad_y = grad_y.data<T>(),
                                      .grad_weight = targets.weight.data<A>(), .grad_bias = targets.bias.data_or_null<A>(),
                                      .accumulate = targets.accumulate});
  }

  template <class T>
  void backward_depthwise(const KernelTable<T>& table, const Tensor& grad_u) {
    using A = Accumulator<T>;
    const GradTarget x = wants(0) ? input(0).claim() : GradTarget{};
    const WeightTargets targets = claim_weight_and_bias(slot(1), slot(2), depthwise_.weight, false);
    table.depthwise_conv_backward({}, {.shape = depthwise_.shape, .x = depthwise_.x.data<T>(), .prologue = prologue_of<T>(depthwise_.pending),
                                       .weight = depthwise_.weight.data<T>(), .grad_y = grad_u.data<T>(), .grad_x = x.tensor.data_or_null<T>(),
                                       .accumulate_x = x.accumulate, .grad_weight = targets.weight.data_or_null<A>(),
                                       .grad_bias = targets.bias.data_or_null<A>(), .accumulate_weight = targets.accumulate});
  }

  DepthwiseOperands depthwise_;
  kernels::LinearShape shape_;
  Tensor weight_;
};

}  // namespace

Variable separable_conv(const PendingConvolution& convolution, const Variable& weight, const Variable& bias) {
  const DepthwiseOperands depthwise(convolution);
  const Shape& u = convolution.shape;
  const kernels::LinearShape shape{.rows = u.numel() / u[3], .in_features = u[3], .out_features = weight.shape()[0]};
  Tensor y = Tensor::empty({u[0], u[1], u[2], shape.out_features}, convolution.x.dtype(), convolution.x.device());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    using A = Accumulator<T>;
    if (table.separable_conv_forward) {
      table.separable_conv_forward({}, {.shape = depthwise.shape, .out_features = shape.out_features, .x = depthwise.x.data<T>(),
                                        .prologue = prologue_of<T>(depthwise.pending), .depthwise_weight = depthwise.weight.data<T>(),
                                        .depthwise_bias = depthwise.bias.data_or_null<A>(), .pointwise_weight = weight.stored().data<T>(),
                                        .pointwise_bias = bias.stored().data_or_null<A>(), .y = y.data<T>()});
      return;
    }
    const Tensor output = depthwise.forward();
    table.linear_forward({}, {.shape = shape, .x = output.data<T>(), .prologue = {}, .weight = weight.stored().data<T>(),
                              .bias = bias.stored().data_or_null<A>(), .y = y.data<T>()});
  });
  return record<SeparableConvNode>(std::move(y), {&convolution.x, &convolution.weight, &convolution.bias, &weight, &bias}, depthwise, shape, weight);
}

}  // namespace sepia::ops
