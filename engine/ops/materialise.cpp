#include "engine/ops/materialise.h"

#include "engine/ops/images.h"
#include "engine/ops/pending_convolution.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct MaterialiseNode final : Node {
  explicit MaterialiseNode(const Variable& x) : x_(x.stored()), pending_(x.pending()) {}
  const char* name() const override { return "relu"; }

  void backward(Tensor grad_y) override {
    const GradTarget x = input(0).claim();
    const std::int64_t channels = channels_of(x_.shape());
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      table.affine_relu_backward({}, {.rows = x_.numel() / channels, .channels = channels, .x = x_.data<T>(), .prologue = prologue_of<T>(pending_),
                                      .grad_y = grad_y.data<T>(), .grad_x = x.tensor.data<T>(), .accumulate = x.accumulate});
    });
  }

  Tensor x_;
  PendingAffine pending_;
};

}  // namespace

Variable left_pending(const PendingConvolution& convolution) {
  const Variable pending(std::make_shared<const PendingConvolution>(convolution));
  return needs_node({&convolution.x, &convolution.weight, &convolution.bias}) ? pending : pending.detach();
}

Variable carried_out(const Variable& x) {
  if (const PendingPictures* pictures = x.pictures()) {
    return Variable(images_to_input(pictures->pixels, {.mean = pictures->mean, .std = pictures->std}, pictures->dtype));
  }
  const PendingConvolution* convolution = x.convolution();
  if (!convolution) return x;
  return convolution->dense() ? carry_out_dense(*convolution) : carry_out(*convolution);
}

Variable materialise(const Variable& given_x) {
  const Variable x = carried_out(given_x);
  if (x.pending().empty()) return x;
  Tensor y = Tensor::empty(x.shape(), x.dtype(), x.device());
  const std::int64_t channels = channels_of(x.shape());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.affine_relu_forward({}, {.rows = y.numel() / channels, .channels = channels, .x = x.stored().data<T>(),
                                   .prologue = prologue_of<T>(x.pending()), .y = y.data<T>()});
  });
  // Without a ReLU the slot already holds the gradient at y: an affine's output.
  if (!x.pending().relu) return Variable(std::move(y), {}, x.slot());
  return record<MaterialiseNode>(std::move(y), {&x}, x);
}

Variable relu(const Variable& given_x) {
  if (const PendingConvolution* convolution = given_x.convolution(); convolution && convolution->dense()) {
    PendingConvolution with_relu = *convolution;
    with_relu.relu = true;
    return Variable(std::make_shared<const PendingConvolution>(std::move(with_relu)));
  }
  const Variable x = carried_out(given_x);
  PendingAffine pending = x.pending();
  pending.relu = true;
  return Variable(x.stored(), std::move(pending), x.slot());
}

}  // namespace sepia::ops
