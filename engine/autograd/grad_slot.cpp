#include "engine/autograd/grad_slot.h"

#include "engine/autograd/accumulate.h"
#include "engine/autograd/node.h"

namespace sepia {

// A tape that is dropped without a backward pass is a long chain slot -> node -> slot; taken apart here in a loop, since a
// recursion of destructors would use the stack once per layer.
GradSlot::~GradSlot() {
  std::vector<std::shared_ptr<Node>> pending;
  if (producer_) pending.push_back(std::move(producer_));
  while (!pending.empty()) {
    const std::shared_ptr<Node> node = std::move(pending.back());
    pending.pop_back();
    if (node.use_count() > 1) continue;
    for (std::shared_ptr<GradSlot>& input : node->take_inputs()) {
      const std::shared_ptr<GradSlot> slot = std::move(input);  // let go one by one: add(x, x) holds x twice
      if (slot && slot.use_count() == 1 && slot->producer_) pending.push_back(std::move(slot->producer_));
    }
  }
}

GradTarget GradSlot::claim() {
  forget_sums();
  const bool first = !has_gradient_;
  if (first && !fixed_) gradient_ = Tensor::empty(shape_, dtype_, device_);
  has_gradient_ = true;
  return {gradient_, first ? Accumulate::kWrite : Accumulate::kAdd, sums_.get()};
}

void GradSlot::forget_sums() {
  if (sums_) sums_->sum_g = sums_->sum_g_xhat = {};
}

void GradSlot::deliver(Tensor gradient) {
  SEPIA_CHECK_KIND(gradient.numel() == shape_.numel(), ErrorKind::kInternal, "[autograd] gradient of shape ", gradient.shape(), " for a value of shape ", shape_);
  SEPIA_CHECK_KIND(gradient.dtype() == dtype_, ErrorKind::kInternal, "[autograd] gradient of type ", gradient.dtype(), " where ", dtype_, " is collected");
  if (!has_gradient_ && !fixed_ && gradient.sole_owner()) {
    adopt(std::move(gradient));
    return;
  }
  const GradTarget target = claim();
  accumulate_into(target.tensor, gradient, target.accumulate);
}

void GradSlot::adopt(Tensor gradient) {
  forget_sums();
  gradient_ = gradient.reshape(shape_);
  has_gradient_ = true;
}

Tensor GradSlot::take() {
  if (!has_gradient_) return {};
  if (fixed_) return gradient_;
  has_gradient_ = false;
  return std::move(gradient_);
}

void GradSlot::clear() {
  has_gradient_ = false;
  if (!fixed_) gradient_ = {};
}

void GradSlot::set_fixed_buffer(Tensor buffer) {
  gradient_ = std::move(buffer);
  fixed_ = true;
  has_gradient_ = false;
}

}  // namespace sepia
