// What every op does alike: turn a pending affine into a kernel's Prologue, and put a node on the tape.
#pragma once

#include <initializer_list>
#include <memory>
#include <utility>

#include "engine/autograd/node.h"
#include "engine/autograd/variable.h"
#include "engine/tensor/dispatch.h"

namespace sepia::ops {

using kernels::KernelTable;

template <class T>
kernels::Prologue<T> prologue_of(const PendingAffine& pending) {
  return {.scale = pending.scale.data_or_null<Accumulator<T>>(), .shift = pending.shift.data_or_null<Accumulator<T>>(), .relu = pending.relu};
}

/// Whether a result of these inputs must be recorded.
inline bool needs_node(std::initializer_list<const Variable*> inputs) {
  if (!grad_enabled()) return false;
  for (const Variable* input : inputs) {
    if (input->requires_grad()) return true;
  }
  return false;
}

/// The variable of an op's result `y`, made by a NodeType(arguments...) with the given inputs when any of them wants a gradient.
template <class NodeType, class... Arguments>
Variable record(Tensor y, std::initializer_list<const Variable*> inputs, Arguments&&... arguments) {
  if (!needs_node(inputs)) return Variable(std::move(y));
  auto node = std::make_shared<NodeType>(std::forward<Arguments>(arguments)...);
  for (const Variable* input : inputs) node->add_input(input->slot());
  auto slot = std::make_shared<GradSlot>(y.shape(), y.dtype(), y.device());
  slot->set_producer(std::move(node));
  return Variable(std::move(y), {}, std::move(slot));
}

/// Parameters and activations of one op must live on one device.
inline void check_same_device(const char* op, const Variable& x, const Variable& parameter) {
  SEPIA_CHECK(x.device() == parameter.device(), "[", op, "] input is on ", x.device(), ", parameters are on ", parameter.device());
}

}  // namespace sepia::ops
