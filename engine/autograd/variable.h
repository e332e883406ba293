// A value in a network: a tensor, perhaps an affine map and a ReLU that are still to be applied, and where its gradient goes.
#pragma once

#include <memory>
#include <optional>

#include "engine/autograd/grad_slot.h"
#include "engine/tensor/tensor.h"

namespace sepia {

/// relu(scale * x + shift) per channel (last extent), not yet carried out. scale and shift are both set or both undefined.
struct PendingAffine {
  Tensor scale, shift;  // (C), accumulator type
  bool relu = false;

  bool empty() const { return !scale.defined() && !relu; }
};

/// What ops take and return. Copies are cheap and share the value and the slot.
///
/// Batch normalisation and ReLU return their input's tensor with a pending affine instead of computing a new one. An op that can
/// apply it on load (convolutions, linear, pooling, add) does; any other asks for materialise() (engine/ops/materialise.h).
/// Observers do not see any of this: value() is only for variables without a pending part, and module hooks materialise first.
class Variable {
 public:
  Variable() = default;
  /// A constant: no gradient.
  explicit Variable(Tensor value) : stored_(std::move(value)) {}
  Variable(Tensor stored, PendingAffine pending, std::shared_ptr<GradSlot> slot)
      : stored_(std::move(stored)), pending_(std::move(pending)), slot_(std::move(slot)) {}
  /// A leaf whose gradient is wanted, in the accumulator type of the tensor when `of_parameter`, else in its own.
  static Variable leaf(Tensor value, bool of_parameter = false);

  bool defined() const { return stored_.defined(); }
  const Shape& shape() const { return stored_.shape(); }
  DType dtype() const { return stored_.dtype(); }
  Device device() const { return stored_.device(); }

  /// The value. Throws kInternal while an affine or ReLU is pending: materialise() first.
  const Tensor& value() const;
  /// The tensor in memory, to which the pending part is still to be applied.
  const Tensor& stored() const { return stored_; }
  const PendingAffine& pending() const { return pending_; }

  bool requires_grad() const { return slot_ != nullptr; }
  const std::shared_ptr<GradSlot>& slot() const { return slot_; }
  /// The gradient after backward(): of a leaf, or where slot()->retain() was called. Undefined when there is none.
  Tensor grad() const { return slot_ ? slot_->gradient() : Tensor(); }
  /// The same value, cut from the tape.
  Variable detach() const { return {stored_, pending_, nullptr}; }

 private:
  Tensor stored_;
  PendingAffine pending_;
  std::shared_ptr<GradSlot> slot_;
};

/// Runs backward from `root`, whose gradient is `seed` (of its shape and type; default: one for a scalar). Afterwards leaves and
/// retained values hold their gradients; the tape behind root is gone. Contributions to leaves add to what they hold:
/// GradSlot::clear() starts anew. Throws kUsage when root depends on nothing that wants a gradient, when the seed is missing or
/// does not fit, and when an earlier backward has used up a part of the tape (sum the two roots and run backward once).
void backward(const Variable& root, std::optional<Tensor> seed = std::nullopt);

/// Whether ops record nodes on this thread.
bool grad_enabled();

/// While it lives, ops on this thread record nothing (PyTorch's torch.no_grad).
class NoGradGuard {
 public:
  NoGradGuard();
  ~NoGradGuard();
  NoGradGuard(const NoGradGuard&) = delete;
  NoGradGuard& operator=(const NoGradGuard&) = delete;

 private:
  bool saved_;
};

}  // namespace sepia
