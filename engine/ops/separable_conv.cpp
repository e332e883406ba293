// A pending depthwise convolution and the pointwise one behind it, together. kernels/separable_conv.h has the maths.
#include "engine/ops/batch_statistics.h"
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

}  // namespace

Variable separable_conv(const PendingConvolution& given, const Variable& weight, const Variable& bias, const LinearParams& params) {
  if (given.x.convolution() && !needs_node({&given.x, &given.weight, &given.bias, &weight, &bias})) return conv2d_separable(given, weight, bias);
  const Shape& u = given.shape;
  const kernels::LinearShape shape{.rows = u.numel() / u[3], .in_features = u[3], .out_features = weight.shape()[0]};
  Tensor y = Tensor::empty({u[0], u[1], u[2], shape.out_features}, given.x.dtype(), given.x.device());
  const PendingConvolution convolution = with_input_carried_out(given);
  const DepthwiseOperands depthwise(convolution);
  auto statistics = dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    if (table.separable_conv_forward) {
      return run_forward(table.separable_conv_forward, table.separable_conv_forward_statistics, params.normalised, y,
                         separable_arguments<T>(convolution, depthwise.x, depthwise.pending, weight, bias, y));
    }
    const Tensor output = depthwise.forward();
    const kernels::LinearForward<T> forward{.shape = shape, .x = output.data<T>(), .prologue = {}, .weight = weight.stored().data<T>(),
                                            .bias = bias.stored().data_or_null<Accumulator<T>>(), .y = y.data<T>()};
    return run_forward(table.linear_forward, table.linear_forward_statistics, params.normalised, y, forward);
  });
  return record<SeparableConvNode>(std::move(y), {&convolution.x, &convolution.weight, &convolution.bias, &weight, &bias}, depthwise, shape, weight)
      .with_statistics(std::move(statistics));
}

}  // namespace sepia::ops
