#include "engine/ops/linear.h"

#include <algorithm>
#include <array>

#include "engine/ops/batch_statistics.h"
#include "engine/ops/materialise.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

kernels::LinearShape checked_shape(const Variable& x, const Variable& weight, const Variable& bias) {
  SEPIA_CHECK(x.shape().ndim() >= 2 && x.shape()[-1] > 0, "[linear] input must have rows and features, got ", x.shape());
  SEPIA_CHECK(weight.shape().ndim() == 2, "[linear] weight must be (O, I), got ", weight.shape());
  SEPIA_CHECK(weight.shape()[1] == x.shape()[-1], "[linear] input has ", x.shape()[-1], " features, weight expects ", weight.shape()[1]);
  SEPIA_CHECK(!bias.defined() || bias.shape() == Shape({weight.shape()[0]}), "[linear] bias must be (", weight.shape()[0], "), got ", bias.shape());
  check_weight_and_bias("linear", x, weight, bias);
  return {.rows = x.shape().numel() / x.shape()[-1], .in_features = weight.shape()[1], .out_features = weight.shape()[0]};
}

struct LinearNode final : Node {
  LinearNode(const kernels::LinearShape& shape, const Variable& x, const Variable& weight)
      : shape_(shape), x_(x.stored()), pending_(x.pending()), weight_(weight.stored()) {}
  const char* name() const override { return "linear"; }

  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      using A = Accumulator<T>;
      if (wants(1) || wants(2)) {
        const WeightTargets targets = claim_weight_and_bias(slot(1), slot(2), weight_, true);
        table.linear_backward_weight({}, {.shape = shape_, .x = x_.data<T>(), .prologue = prologue_of<T>(pending_), .grad_y = grad_y.data<T>(),
                                          .grad_weight = targets.weight.data<A>(), .grad_bias = targets.bias.data_or_null<A>(),
                                          .accumulate = targets.accumulate});
      }
      if (wants(0)) {
        const GradTarget x = input(0).claim();
        table.linear_backward_input({}, {.shape = shape_, .grad_y = grad_y.data<T>(), .weight = weight_.data<T>(), .x = x_.data<T>(),
                                         .prologue = prologue_of<T>(pending_), .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
      }
    });
  }

  kernels::LinearShape shape_;
  Tensor x_;
  PendingAffine pending_;
  Tensor weight_;
};

}  // namespace

Variable linear(const Variable& given_x, const Variable& weight, const Variable& bias, const LinearParams& params) {
  const kernels::LinearShape shape = checked_shape(given_x, weight, bias);
  if (given_x.convolution() && !given_x.convolution()->dense()) return separable_conv(*given_x.convolution(), weight, bias, params);
  const Variable x = carried_out(given_x);
  std::array<std::int64_t, Shape::kMaxDims> extents{};
  const auto dims = static_cast<std::size_t>(x.shape().ndim());
  std::ranges::copy(x.shape().extents(), extents.begin());
  extents[dims - 1] = shape.out_features;
  Tensor y = Tensor::empty(Shape(std::span<const std::int64_t>(extents.data(), dims)), x.dtype(), x.device());
  auto statistics = dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    const kernels::LinearForward<T> forward{.shape = shape,
                                            .x = x.stored().data<T>(),
                                            .prologue = prologue_of<T>(x.pending()),
                                            .weight = weight.stored().data<T>(),
                                            .bias = bias.stored().data_or_null<Accumulator<T>>(),
                                            .y = y.data<T>()};
    return run_forward(table.linear_forward, table.linear_forward_statistics, params.normalised, y, forward);
  });
  return record<LinearNode>(std::move(y), {&x, &weight, &bias}, shape, x, weight).with_statistics(std::move(statistics));
}

}  // namespace sepia::ops
