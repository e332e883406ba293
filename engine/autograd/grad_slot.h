// Where the gradient of one value is collected during backward, and the edge from that value to the node that made it.
#pragma once

#include <functional>
#include <memory>
#include <vector>

#include "engine/tensor/tensor.h"
#include "kernels/launch.h"

namespace sepia {

class Node;
using kernels::Accumulate;

/// What a batch norm's backward asks of the gradient that is collected for it (kernels/batch_norm.h): an op that writes the gradient may leave
/// the sums here as well, and spares a pass over it.
struct GradientSums {
  Tensor x, mean, inv_std;   ///< the batch norm's input and its statistics
  Tensor sum_g, sum_g_xhat;  ///< (C), of the gradient as it stands; undefined while nobody has left them
};

/// Place and manner in which a backward kernel delivers a gradient.
struct GradTarget {
  Tensor tensor;
  Accumulate accumulate = Accumulate::kWrite;
  GradientSums* sums = nullptr;  ///< where sums of the gradient, this contribution included, are welcome; null: nobody wants them
};

/// One slot per differentiable value. The first contribution is written, later ones are added.
///
/// For a value with a pending affine and ReLU (see Variable) the slot holds the gradient at the *affine's output*: whoever applied
/// the ReLU on load also masks the gradient it delivers.
class GradSlot {
 public:
  GradSlot(const Shape& shape, DType dtype, Device device) : shape_(shape), dtype_(dtype), device_(device) {}
  ~GradSlot();

  const Shape& shape() const { return shape_; }
  DType dtype() const { return dtype_; }
  Device device() const { return device_; }

  /// Where the next contribution goes. Allocates at the first one unless a fixed buffer was given.
  GradTarget claim();
  /// Takes a finished gradient: keeps the tensor itself when it is the first contribution and nobody else holds it, adds otherwise.
  void deliver(Tensor gradient);

  /// Takes a gradient written in place of another as the first contribution. The slot must be empty and without a fixed buffer.
  void adopt(Tensor gradient);

  /// From now on claim() offers `sums` to be filled. Each further contribution makes what was left there undefined again.
  void want_sums(std::shared_ptr<GradientSums> sums) { sums_ = std::move(sums); }

  bool has_gradient() const { return has_gradient_; }
  /// The gradient collected so far; undefined when there is none.
  Tensor gradient() const { return has_gradient_ ? gradient_ : Tensor(); }
  /// Hands the gradient over and forgets it (a fixed buffer stays with the slot).
  Tensor take();
  /// Forgets the gradient: the next contribution is written again.
  void clear();

  /// Gradients of parameters live in a flat arena: the slot writes there and keeps it between steps.
  void set_fixed_buffer(Tensor buffer);
  bool has_fixed_buffer() const { return fixed_; }

  /// Keep the gradient after backward has passed on (PyTorch's retain_grad).
  void retain() { retained_ = true; }
  bool retained() const { return retained_; }
  /// Called with the complete gradient when backward reaches this value; on a leaf at the end of backward, with all it then holds.
  void add_hook(std::function<void(const Tensor&)> hook) { hooks_.push_back(std::move(hook)); }
  const std::vector<std::function<void(const Tensor&)>>& hooks() const { return hooks_; }

  const std::shared_ptr<Node>& producer() const { return producer_; }
  void set_producer(std::shared_ptr<Node> node) { producer_ = std::move(node); }
  /// Backward has passed: the producer is let go, and a second pass through here would stop without a word, so it is refused.
  void spend() {
    producer_ = nullptr;
    sums_ = nullptr;
    spent_ = true;
  }
  bool spent() const { return spent_; }

 private:
  Shape shape_;
  DType dtype_;
  Device device_;
  Tensor gradient_;
  bool has_gradient_ = false, fixed_ = false, retained_ = false, spent_ = false;
  std::vector<std::function<void(const Tensor&)>> hooks_;
  std::shared_ptr<Node> producer_;
  std::shared_ptr<GradientSums> sums_;

  void forget_sums();
};

}  // namespace sepia
