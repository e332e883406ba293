// One step of the tape: what an op leaves behind so that its gradient can be computed.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>
#include <vector>

#include "engine/autograd/grad_slot.h"

namespace sepia {

/// Every op derives one and must say how its gradient is computed: an op without backward does not compile.
///
/// A node has one output. It keeps what its backward needs (tensors saved at construction) and the slots of its inputs, not the
/// input values: an activation that no backward needs dies as soon as the forward pass has moved on.
class Node {
 public:
  Node();
  virtual ~Node() = default;
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Name for messages and `docs`, as in "depthwise_conv".
  virtual const char* name() const = 0;
  /// Delivers gradients into the inputs' slots. grad_output is handed over: when grad_output.sole_owner() it may be overwritten.
  /// Runs once; saved tensors may be let go.
  virtual void backward(Tensor grad_output) = 0;

  /// Registers the i-th input; a null slot means that no gradient is wanted there.
  void add_input(std::shared_ptr<GradSlot> slot) { inputs_.push_back(std::move(slot)); }
  const std::vector<std::shared_ptr<GradSlot>>& inputs() const { return inputs_; }
  /// Nodes are numbered in the order of their making, which is a topological order of the network.
  std::uint64_t sequence() const { return sequence_; }
  /// Hands the inputs' slots over: afterwards the node keeps nothing before it alive.
  std::vector<std::shared_ptr<GradSlot>> take_inputs() { return std::exchange(inputs_, {}); }

 protected:
  bool wants(std::size_t i) const { return inputs_[i] != nullptr; }
  GradSlot& input(std::size_t i) const { return *inputs_[i]; }
  /// input(i), or null where no gradient is wanted.
  GradSlot* slot(std::size_t i) const { return inputs_[i].get(); }

 private:
  std::vector<std::shared_ptr<GradSlot>> inputs_;
  std::uint64_t sequence_;
};

}  // namespace sepia
