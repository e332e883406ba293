// A value in a network: a tensor, perhaps with something still to be done to it (an affine map and a ReLU, a convolution, bytes to be
// normalised), and where its gradient goes.
#pragma once

#include <array>
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

/// Of a tensor's rows, per channel (C), accumulator type: what a batch norm wants of a batch (kernels/batch_norm.h).
struct BatchStatistics {
  Tensor mean, variance, unbiased_variance;
};

struct PendingConvolution;

/// Pictures that are still bytes: the value is (pixels / 255 - mean) / std per channel, in `dtype` (kernels/elementwise.h, ImagesToInput).
struct PendingPictures {
  Tensor pixels;  ///< (N, H, W, 3) u8
  std::array<double, 3> mean, std;
  DType dtype;
};

/// What ops take and return. Copies are cheap and share the value and the slot.
///
/// Batch normalisation and ReLU return their input's tensor with a pending affine instead of computing a new one. An op that can
/// apply it on load (convolutions, linear, pooling, add) does; any other asks for materialise() (engine/ops/materialise.h).
/// A convolution may be left pending as a whole, for the op behind it to carry both out: a depthwise one for the pointwise one (linear), a
/// dense one, with a ReLU or without, for max_pool or, without a tape, for both of those. shape() is then that of its output, and there is neither
/// a tensor nor a slot. Every other op carries it out first, by materialise() or carried_out().
/// Pictures may be left in bytes for a convolution to normalise as it reads them (ops/images.h); for every other op the same holds.
/// A convolution or linear map that stands in front of a batch norm leaves the statistics of what it wrote on the variable. They belong to
/// that variable: what other ops return, relu() too, has none. Observers do not see any of this: value() is only for variables without a
/// pending part, and module hooks materialise first.
class Variable {
 public:
  Variable() = default;
  /// A constant: no gradient.
  explicit Variable(Tensor value) : stored_(std::move(value)) {}
  explicit Variable(std::shared_ptr<const PendingConvolution> convolution) : convolution_(std::move(convolution)) {}
  explicit Variable(std::shared_ptr<const PendingPictures> pictures) : pictures_(std::move(pictures)) {}
  Variable(Tensor stored, PendingAffine pending, std::shared_ptr<GradSlot> slot)
      : stored_(std::move(stored)), pending_(std::move(pending)), slot_(std::move(slot)) {}
  /// A leaf whose gradient is wanted, in the accumulator type of the tensor when `of_parameter`, else in its own.
  static Variable leaf(Tensor value, bool of_parameter = false);

  bool defined() const { return convolution_ || pictures_ || stored_.defined(); }
  const Shape& shape() const;
  DType dtype() const;
  Device device() const;

  /// The value. Throws kInternal while something is pending: materialise() first.
  const Tensor& value() const;
  /// The tensor in memory, to which the pending affine and ReLU are still to be applied. As pending() it throws kInternal while a convolution
  /// or pictures are pending.
  const Tensor& stored() const { return checked().stored_; }
  const PendingAffine& pending() const { return checked().pending_; }
  /// The convolution that is still to be carried out; null when there is none.
  const PendingConvolution* convolution() const { return convolution_.get(); }
  /// The pictures that are still bytes; null when there are none.
  const PendingPictures* pictures() const { return pictures_.get(); }

  /// Statistics of stored(); null when nobody has taken them.
  const std::shared_ptr<const BatchStatistics>& statistics() const { return statistics_; }
  Variable with_statistics(std::shared_ptr<const BatchStatistics> statistics) const;

  bool requires_grad() const;
  /// Null where no gradient is wanted, as of pictures. Throws kInternal while a convolution is pending.
  const std::shared_ptr<GradSlot>& slot() const { return pictures_ ? slot_ : checked().slot_; }
  /// The gradient after backward(): of a leaf, or where slot()->retain() was called. Undefined when there is none.
  Tensor grad() const { return slot() ? slot()->gradient() : Tensor(); }
  /// The same value, cut from the tape.
  Variable detach() const;

 private:
  const Variable& checked() const;

  Tensor stored_;
  PendingAffine pending_;
  std::shared_ptr<GradSlot> slot_;
  std::shared_ptr<const PendingConvolution> convolution_;
  std::shared_ptr<const PendingPictures> pictures_;
  std::shared_ptr<const BatchStatistics> statistics_;
};

/// depthwise_conv(x, weight, bias) or conv2d(x, weight, bias), checked but not computed (kernels/depthwise_conv.h, kernels/conv2d.h). It is
/// computed from what its tensors hold then, and anew for each op that reads it.
struct PendingConvolution {
  Variable x, weight, bias;  ///< of a depthwise one, x may be a dense one that is pending itself; bias may be undefined
  int stride = 1, padding = 1;
  Shape shape;               ///< of its output
  bool relu = false;         ///< of a dense one: a ReLU follows, pending too

  bool dense() const { return weight.shape().ndim() == 4; }
};

/// Runs backward from `root`, whose gradient is `seed` (of its shape and type; default: one for a scalar). Afterwards leaves and
/// retained values hold their gradients; the tape behind root is gone. Contributions to leaves add to what they hold:
/// GradSlot::clear() starts anew. Throws kUsage when root depends on nothing that wants a gradient, when the seed is missing or
/// does not fit, and when an earlier backward has used up a part of the tape (sum the two roots and run backward once); kInternal when a
/// convolution is pending at root.
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
