#include "engine/ops/conv2d.h"

#include "engine/ops/batch_statistics.h"
#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

kernels::Conv2dShape kernel_shape(const Variable& x, const Variable& weight, int stride, int padding) {
  return {.batch = x.shape()[0], .height = x.shape()[1], .width = x.shape()[2], .in_channels = x.shape()[3], .out_channels = weight.shape()[0],
          .kernel_h = weight.shape()[1], .kernel_w = weight.shape()[2], .stride = stride, .padding = padding};
}

kernels::Conv2dShape checked_shape(const Variable& x, const Variable& weight, const Variable& bias, const Conv2dParams& params) {
  SEPIA_CHECK(x.shape().ndim() == 4, "[conv2d] input must be (N, H, W, C), got ", x.shape());
  SEPIA_CHECK(weight.shape().ndim() == 4, "[conv2d] weight must be (K, R, S, C), got ", weight.shape());
  SEPIA_CHECK(weight.shape()[3] == x.shape()[3], "[conv2d] input has ", x.shape()[3], " channels, weight expects ", weight.shape()[3]);
  SEPIA_CHECK(!bias.defined() || bias.shape() == Shape({weight.shape()[0]}), "[conv2d] bias must be (", weight.shape()[0], "), got ", bias.shape());
  SEPIA_CHECK(params.stride >= 1 && params.padding >= 0, "[conv2d] stride must be at least 1 and padding at least 0");
  check_weight_and_bias("conv2d", x, weight, bias);
  const kernels::Conv2dShape shape = kernel_shape(x, weight, params.stride, params.padding);
  SEPIA_CHECK(shape.height + 2 * shape.padding >= shape.kernel_h && shape.width + 2 * shape.padding >= shape.kernel_w,
              "[conv2d] a ", shape.kernel_h, "x", shape.kernel_w, " kernel does not fit a picture of ", shape.height, "x", shape.width,
              "; use a larger --image-size");
  return shape;
}

struct Conv2dNode final : Node {
  Conv2dNode(const kernels::Conv2dShape& shape, const Variable& x, const Variable& weight)
      : shape_(shape), x_(x), weight_(weight.stored()) {}
  const char* name() const override { return "conv2d"; }

  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      using A = Accumulator<T>;
      if (wants(1) || wants(2)) {
        const WeightTargets targets = claim_weight_and_bias(slot(1), slot(2), weight_, true);
        table.conv2d_backward_weight({}, {.shape = shape_, .x = x_.x<T>(), .prologue = x_.prologue<T>(), .grad_y = grad_y.data<T>(),
                                          .grad_weight = targets.weight.data<A>(), .grad_bias = targets.bias.data_or_null<A>(),
                                          .accumulate = targets.accumulate, .pixels = x_.pixels()});
      }
      if (wants(0)) {
        const GradTarget x = input(0).claim();
        table.conv2d_backward_input({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .weight = weight_.data<T>(), .x = x_.x<T>(),
                                         .prologue = x_.prologue<T>(), .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
      }
    });
  }

  kernels::Conv2dShape shape_;
  DenseInput x_;
  Tensor weight_;
};

}  // namespace

kernels::Conv2dShape kernel_shape_of_dense(const PendingConvolution& convolution) {
  return kernel_shape(convolution.x, convolution.weight, convolution.stride, convolution.padding);
}

Variable carry_out_dense(const PendingConvolution& convolution, bool normalised) {
  const Variable &x = convolution.x, &weight = convolution.weight, &bias = convolution.bias;
  Tensor y = Tensor::empty(convolution.shape, x.dtype(), x.device());
  const DenseInput input(x);
  auto statistics = dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    return run_forward(table.conv2d_forward, table.conv2d_forward_statistics, normalised, y, dense_arguments<T>(convolution, input, y.data<T>()));
  });
  const Variable output =
      record<Conv2dNode>(std::move(y), {&x, &weight, &bias}, kernel_shape_of_dense(convolution), x, weight).with_statistics(std::move(statistics));
  return convolution.relu ? relu(output) : output;
}

Variable conv2d(const Variable& given_x, const Variable& weight, const Variable& bias, const Conv2dParams& params) {
  const kernels::Conv2dShape shape = checked_shape(given_x, weight, bias, params);
  const Variable x = given_x.pictures() && kernels::conv2d_takes_pixels(shape) ? given_x : carried_out(given_x);
  const PendingConvolution convolution{x, weight, bias, params.stride, params.padding,
                                       {shape.batch, shape.out_height(), shape.out_width(), shape.out_channels}};
  const bool pending = (params.pooled && has_conv2d_pool(convolution)) || (params.separable && !needs_node({&x, &weight, &bias}) && has_conv2d_separable(convolution));
  return pending ? left_pending(convolution) : carry_out_dense(convolution, params.normalised);
}

}  // namespace sepia::ops
