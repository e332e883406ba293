#include "engine/ops/depthwise_conv.h"

#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

kernels::DepthwiseConvShape kernel_shape(const Variable& x, const Variable& weight, int stride, int padding) {
  return {.batch = x.shape()[0], .height = x.shape()[1], .width = x.shape()[2], .channels = x.shape()[3],
          .kernel_h = weight.shape()[0], .kernel_w = weight.shape()[1], .stride = stride, .padding = padding};
}

kernels::DepthwiseConvShape checked_shape(const Variable& x, const Variable& weight, const Variable& bias, const DepthwiseConvParams& params) {
  SEPIA_CHECK(x.shape().ndim() == 4, "[depthwise_conv] input must be (N, H, W, C), got ", x.shape());
  SEPIA_CHECK(weight.shape().ndim() == 3, "[depthwise_conv] weight must be (R, S, C), got ", weight.shape());
  SEPIA_CHECK(weight.shape()[2] == x.shape()[3], "[depthwise_conv] input has ", x.shape()[3], " channels, weight expects ", weight.shape()[2]);
  SEPIA_CHECK(!bias.defined() || bias.shape() == Shape({weight.shape()[2]}), "[depthwise_conv] bias must be (", weight.shape()[2], "), got ", bias.shape());
  SEPIA_CHECK(params.stride >= 1 && params.padding >= 0, "[depthwise_conv] stride must be at least 1 and padding at least 0");
  check_weight_and_bias("depthwise_conv", x, weight, bias);
  const kernels::DepthwiseConvShape shape = kernel_shape(x, weight, params.stride, params.padding);
  SEPIA_CHECK(shape.height + 2 * shape.padding >= shape.kernel_h && shape.width + 2 * shape.padding >= shape.kernel_w,
              "[depthwise_conv] a ", shape.kernel_h, "x", shape.kernel_w, " kernel does not fit a picture of ", shape.height, "x", shape.width,
              "; use a larger --image-size");
  return shape;
}

struct DepthwiseConvNode final : Node {
  explicit DepthwiseConvNode(const DepthwiseOperands& operands) : operands_(operands) {}
  const char* name() const override { return "depthwise_conv"; }

  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      auto arguments = operands_.claim<T>(slot(0), slot(1), slot(2), table.depthwise_conv_backward_sums != nullptr);
      arguments.convolution.grad_y = grad_y.data<T>();
      if (arguments.mean) table.depthwise_conv_backward_sums({}, arguments);
      else table.depthwise_conv_backward({}, arguments.convolution);
    });
  }

  DepthwiseOperands operands_;
};

}  // namespace

kernels::DepthwiseConvShape kernel_shape_of_depthwise(const PendingConvolution& convolution) {
  return kernel_shape(convolution.x, convolution.weight, convolution.stride, convolution.padding);
}

DepthwiseOperands::DepthwiseOperands(const PendingConvolution& convolution)
    : shape(kernel_shape_of_depthwise(convolution)),
      x(convolution.x.stored()),
      pending(convolution.x.pending()),
      weight(convolution.weight.stored()),
      bias(convolution.bias.stored()) {}

Tensor DepthwiseOperands::forward() const {
  Tensor y = Tensor::empty(output_shape(shape), x.dtype(), x.device());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.depthwise_conv_forward({}, {.shape = shape, .x = x.data<T>(), .prologue = prologue_of<T>(pending), .weight = weight.data<T>(),
                                      .bias = bias.data_or_null<Accumulator<T>>(), .y = y.data<T>()});
  });
  return y;
}

PendingConvolution with_input_carried_out(PendingConvolution convolution) {
  convolution.x = carried_out(convolution.x);
  return convolution;
}

Variable carry_out(const PendingConvolution& given) {
  const PendingConvolution convolution = with_input_carried_out(given);
  const DepthwiseOperands operands(convolution);
  return record<DepthwiseConvNode>(operands.forward(), {&convolution.x, &convolution.weight, &convolution.bias}, operands);
}

Variable depthwise_conv(const Variable& given_x, const Variable& weight, const Variable& bias, const DepthwiseConvParams& params) {
  const kernels::DepthwiseConvShape shape = checked_shape(given_x, weight, bias, params);
  const bool on_tape = needs_node({&given_x, &weight, &bias});
  const PendingConvolution* stem = given_x.convolution();
  const bool both_pending = !on_tape && stem && stem->dense() && has_conv2d_separable(*stem);
  const PendingConvolution convolution{both_pending ? given_x : carried_out(given_x), weight, bias, params.stride, params.padding, output_shape(shape)};
  return on_tape && !params.recompute ? carry_out(convolution) : left_pending(convolution);
}

}  // namespace sepia::ops
