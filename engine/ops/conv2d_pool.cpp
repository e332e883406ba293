// A pending dense convolution, the ReLU behind it and the max pooling behind that, together. kernels/conv2d_pool.h has the maths.
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct Conv2dPoolNode final : Node {
  Conv2dPoolNode(const PendingConvolution& convolution, Tensor index, Tensor y)
      : shape_(kernel_shape_of_dense(convolution)), x_(convolution.x), weight_(convolution.weight.stored()), relu_(convolution.relu), index_(std::move(index)), y_(relu_ ? std::move(y) : Tensor()) {}
  const char* name() const override { return "conv2d_pool"; }

  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      using A = Accumulator<T>;
      const GradTarget x = wants(0) ? input(0).claim() : GradTarget{};
      const WeightTargets targets = claim_weight_and_bias(slot(1), slot(2), weight_, wants(1) || wants(2));
      table.conv2d_pool_backward({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .index = index_.data<std::uint8_t>(), .y = y_.data_or_null<T>(),
                                      .relu = relu_, .x = x_.x<T>(), .prologue = x_.prologue<T>(), .weight = weight_.data<T>(),
                                      .grad_x = x.tensor.data_or_null<T>(), .accumulate_x = x.accumulate,
                                      .grad_weight = targets.weight.data_or_null<A>(), .grad_bias = targets.bias.data_or_null<A>(),
                                      .accumulate_weight = targets.accumulate, .pixels = x_.pixels()});
    });
  }

 private:
  kernels::Conv2dShape shape_;
  DenseInput x_;
  Tensor weight_;
  bool relu_;
  Tensor index_, y_;
};

}  // namespace

bool has_conv2d_pool(const PendingConvolution& convolution) {
  if (!kernels::conv2d_pool_takes(kernel_shape_of_dense(convolution))) return false;
  return dispatch(convolution.x.dtype(), convolution.x.device(),
                  []<class T>(const KernelTable<T>& table) { return table.conv2d_pool_forward && table.conv2d_pool_backward; });
}

Variable conv2d_pool(const PendingConvolution& convolution) {
  const Variable& x = convolution.x;
  const Shape& v = convolution.shape;
  const Shape out{v[0], v[1] / 2, v[2] / 2, v[3]};
  const auto inputs = {&convolution.x, &convolution.weight, &convolution.bias};
  Tensor y = Tensor::empty(out, x.dtype(), x.device());
  Tensor index = needs_node(inputs) ? Tensor::empty(out, DType::kU8, x.device()) : Tensor();
  const DenseInput input(x);
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.conv2d_pool_forward({}, {.shape = kernel_shape_of_dense(convolution), .x = input.x<T>(), .prologue = input.prologue<T>(),
                                   .weight = convolution.weight.stored().data<T>(), .bias = convolution.bias.stored().data_or_null<Accumulator<T>>(),
                                   .relu = convolution.relu, .y = y.data<T>(), .index = index.data_or_null<std::uint8_t>(), .pixels = input.pixels()});
  });
  return record<Conv2dPoolNode>(y, inputs, convolution, index, y);
}

}  // namespace sepia::ops
