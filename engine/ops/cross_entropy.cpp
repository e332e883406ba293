#include "engine/ops/cross_entropy.h"

#include "engine/ops/materialise.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct CrossEntropyNode final : Node {
  CrossEntropyNode(Tensor probabilities, Tensor labels, CrossEntropyParams params)
      : probabilities_(std::move(probabilities)), labels_(std::move(labels)), params_(std::move(params)) {}
  const char* name() const override { return "cross_entropy"; }

  void backward(Tensor grad_loss) override {
    const GradTarget logits = input(0).claim();
    dispatch(probabilities_, [&]<class T>(const KernelTable<T>& table) {
      using A = Accumulator<T>;
      table.cross_entropy_backward({}, {.rows = probabilities_.shape()[0], .classes = probabilities_.shape()[1], .probabilities = probabilities_.data<T>(),
                                        .labels = labels_.data<std::int32_t>(), .class_weights = params_.class_weights.data_or_null<A>(),
                                        .smoothing = params_.smoothing, .grad_loss = grad_loss.data<A>(), .grad_logits = logits.tensor.data<T>(),
                                        .accumulate = logits.accumulate});
    });
  }

  Tensor probabilities_, labels_;
  CrossEntropyParams params_;
};

struct SoftmaxNode final : Node {
  explicit SoftmaxNode(Tensor y) : y_(std::move(y)) {}
  const char* name() const override { return "softmax"; }

  void backward(Tensor grad_y) override {
    const GradTarget x = input(0).claim();
    dispatch(y_, [&]<class T>(const KernelTable<T>& table) {
      table.softmax_backward({}, {.rows = y_.shape()[0], .classes = y_.shape()[1], .y = y_.data<T>(), .grad_y = grad_y.data<T>(),
                                  .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
    });
  }

  Tensor y_;
};

void check_labels(const Tensor& labels, std::int64_t classes) {
  if (!labels.device().on_host()) return;  // the data pipeline made them; reading them back would stall the device
  for (const std::int32_t label : labels.to_host<std::int32_t>()) {
    SEPIA_CHECK(label >= 0 && label < classes, "[cross_entropy] label ", label, " is outside 0 to ", classes - 1);
  }
}

}  // namespace

Variable cross_entropy(const Variable& pending_logits, const Tensor& labels, const CrossEntropyParams& params) {
  const Variable logits = materialise(pending_logits);
  SEPIA_CHECK(logits.shape().ndim() == 2 && logits.shape().numel() > 0, "[cross_entropy] logits must be (N, K), got ", logits.shape());
  const std::int64_t rows = logits.shape()[0], classes = logits.shape()[1];
  SEPIA_CHECK(labels.shape() == Shape({rows}) && labels.dtype() == DType::kI32, "[cross_entropy] labels must be (", rows, ") i32, got ", labels.shape(), " ", labels.dtype());
  SEPIA_CHECK(params.smoothing >= 0 && params.smoothing < 1, "[cross_entropy] label smoothing must be in [0, 1), got ", params.smoothing);
  SEPIA_CHECK(!params.class_weights.defined() || params.class_weights.shape() == Shape({classes}), "[cross_entropy] class weights must be (", classes, "), got ",
              params.class_weights.shape());
  SEPIA_CHECK(labels.device() == logits.device(), "[cross_entropy] logits are on ", logits.device(), ", labels are on ", labels.device());
  check_labels(labels, classes);
  return dispatch(logits.stored(), [&]<class T>(const KernelTable<T>& table) {
    using A = Accumulator<T>;
    Tensor loss = Tensor::empty({}, kDTypeOf<A>, logits.device());
    Tensor probabilities = Tensor::empty(logits.shape(), logits.dtype(), logits.device());
    table.cross_entropy_forward({}, {.rows = rows, .classes = classes, .logits = logits.stored().data<T>(), .labels = labels.data<std::int32_t>(),
                                     .class_weights = params.class_weights.data_or_null<A>(), .smoothing = params.smoothing,
                                     .loss = loss.data<A>(), .probabilities = probabilities.data<T>()});
    return record<CrossEntropyNode>(std::move(loss), {&logits}, std::move(probabilities), labels, params);
  });
}

Variable softmax(const Variable& pending_x) {
  const Variable x = materialise(pending_x);
  SEPIA_CHECK(x.shape().ndim() == 2, "[softmax] input must be (N, K), got ", x.shape());
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.softmax_forward({}, {.rows = x.shape()[0], .classes = x.shape()[1], .x = x.stored().data<T>(), .y = y.data<T>()});
  });
  return record<SoftmaxNode>(y, {&x}, y);
}

}  // namespace sepia::ops
