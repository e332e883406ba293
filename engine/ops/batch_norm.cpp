#include "engine/ops/batch_norm.h"

#include "engine/ops/materialise.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct BatchNormNode final : Node {
  BatchNormNode(const kernels::BatchNormShape& shape, BatchNormMode mode, std::shared_ptr<GradientSums> sums, Tensor scale)
      : shape_(shape), mode_(mode), sums_(std::move(sums)), scale_(std::move(scale)) {}
  const char* name() const override { return "batch_norm"; }

  void backward(Tensor grad_y) override {
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      using A = Accumulator<T>;
      const bool batch_statistics = mode_ == BatchNormMode::kBatch;
      Tensor sum_g, sum_g_xhat;
      if (sums_->sum_g.defined()) {
        sum_g = std::move(sums_->sum_g);
        sum_g_xhat = std::move(sums_->sum_g_xhat);
      } else if (batch_statistics || wants(1) || wants(2)) {
        sum_g = Tensor::empty({shape_.channels}, kDTypeOf<A>, grad_y.device());
        sum_g_xhat = Tensor::empty({shape_.channels}, kDTypeOf<A>, grad_y.device());
        table.batch_norm_backward_sums({}, {.shape = shape_, .x = sums_->x.data<T>(), .grad_y = grad_y.data<T>(), .mean = sums_->mean.data<A>(),
                                            .inv_std = sums_->inv_std.data<A>(), .sum_g = sum_g.data<A>(), .sum_g_xhat = sum_g_xhat.data<A>()});
      }
      if (wants(0)) backward_input(table, grad_y, sum_g, sum_g_xhat);
      if (wants(1)) input(1).deliver(std::move(sum_g_xhat));
      if (wants(2)) input(2).deliver(std::move(sum_g));
    });
  }

  template <class T>
  void backward_input(const KernelTable<T>& table, Tensor& grad_y, const Tensor& sum_g, const Tensor& sum_g_xhat) {
    using A = Accumulator<T>;
    const bool batch_statistics = mode_ == BatchNormMode::kBatch;
    // Nobody else holds grad_y and nothing has arrived at x yet: overwrite in place instead of writing a second tensor.
    const bool in_place = grad_y.sole_owner() && !input(0).has_gradient() && !input(0).has_fixed_buffer();
    const GradTarget x = in_place ? GradTarget{grad_y, Accumulate::kWrite} : input(0).claim();
    table.batch_norm_backward_input({}, {.shape = shape_, .x = sums_->x.data<T>(), .grad_y = grad_y.data<T>(), .mean = sums_->mean.data<A>(),
                                         .inv_std = sums_->inv_std.data<A>(), .scale = scale_.data<A>(),
                                         .sum_g = batch_statistics ? sum_g.data<A>() : nullptr,
                                         .sum_g_xhat = batch_statistics ? sum_g_xhat.data<A>() : nullptr,
                                         .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
    if (in_place) input(0).adopt(std::move(grad_y));
  }

  kernels::BatchNormShape shape_;
  BatchNormMode mode_;
  std::shared_ptr<GradientSums> sums_;  // with x and its statistics; perhaps filled by the op that writes the gradient at y
  Tensor scale_;
};

}  // namespace

Variable batch_norm(const Variable& pending_x, const Variable& gamma, const Variable& beta, const BatchNormBuffers& buffers, BatchNormMode mode) {
  const Variable x = materialise(pending_x);
  SEPIA_CHECK(x.shape().ndim() >= 2 && x.shape()[-1] > 0, "[batch_norm] input must be (..., C), got ", x.shape());
  const std::int64_t channels = x.shape()[-1];
  for (const auto& [name, shape] : {std::pair{"gamma", gamma.shape()}, {"beta", beta.shape()}, {"running_mean", buffers.running_mean.shape()}}) {
    SEPIA_CHECK(shape == Shape({channels}), "[batch_norm] ", name, " must be (", channels, "), got ", shape);
  }
  for (const Variable* parameter : {&gamma, &beta}) {
    check_same_device("batch_norm", x, *parameter);
    SEPIA_CHECK(parameter->dtype() == accumulator_dtype(x.dtype()), "[batch_norm] input is ", x.dtype(), ", so gamma and beta must be ",
                accumulator_dtype(x.dtype()), ", got ", parameter->dtype());
  }
  const kernels::BatchNormShape shape{.rows = x.shape().numel() / channels, .channels = channels};
  SEPIA_CHECK(mode == BatchNormMode::kRunning || shape.rows > 1, "[batch_norm] training needs more than one value per channel, got input ", x.shape(),
              "; use a larger --batch-size or --image-size");

  return dispatch(x.stored(), [&]<class T>(const KernelTable<T>& table) {
    using A = Accumulator<T>;
    const auto make = [&] { return Tensor::empty({channels}, kDTypeOf<A>, x.device()); };
    Tensor mean = buffers.running_mean, variance = buffers.running_variance;
    if (const BatchStatistics* known = x.statistics().get(); known && mode == BatchNormMode::kBatch) {
      mean = known->mean;
      variance = known->variance;
      buffers.step_mean.copy_from(mean);
      buffers.step_variance.copy_from(known->unbiased_variance);
    } else if (mode == BatchNormMode::kBatch) {
      mean = make();
      variance = make();
      table.batch_norm_statistics({}, {.shape = shape, .x = x.stored().data<T>(), .mean = mean.data<A>(), .variance = variance.data<A>(),
                                       .unbiased_variance = buffers.step_variance.data<A>()});
      buffers.step_mean.copy_from(mean);
    }
    Tensor scale = make(), shift = make(), inv_std = make();
    table.batch_norm_affine({}, {.channels = channels, .mean = mean.data<A>(), .variance = variance.data<A>(), .gamma = gamma.stored().data<A>(),
                                 .beta = beta.stored().data<A>(), .eps = buffers.eps, .scale = scale.data<A>(), .shift = shift.data<A>(),
                                 .inv_std = inv_std.data<A>()});
    if (!needs_node({&x, &gamma, &beta})) return Variable(x.stored(), {.scale = scale, .shift = shift, .relu = false}, nullptr);
    const auto sums = std::make_shared<GradientSums>(GradientSums{.x = x.stored(), .mean = mean, .inv_std = inv_std, .sum_g = {}, .sum_g_xhat = {}});
    const Variable recorded = record<BatchNormNode>(x.stored(), {&x, &gamma, &beta}, shape, mode, sums, scale);
    if (mode == BatchNormMode::kBatch || gamma.requires_grad() || beta.requires_grad()) recorded.slot()->want_sums(sums);
    return Variable(x.stored(), {.scale = scale, .shift = shift, .relu = false}, recorded.slot());
  });
}

}  // namespace sepia::ops
