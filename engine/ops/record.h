// What every op does alike: turn a pending affine into a kernel's Prologue, and put a node on the tape.
#pragma once

#include <algorithm>
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

/// Parameters and activations of one op must live on one device. An undefined parameter (no bias) fits everywhere.
inline void check_same_device(const char* op, const Variable& x, const Variable& parameter) {
  SEPIA_CHECK(!parameter.defined() || x.device() == parameter.device(), "[", op, "] input is on ", x.device(), ", parameters are on ", parameter.device());
}

/// A weight lies in the type of the activations, a bias (or gamma, beta) in their accumulator type.
inline void check_weight_and_bias(const char* op, const Variable& x, const Variable& weight, const Variable& bias) {
  check_same_device(op, x, weight);
  check_same_device(op, x, bias);
  SEPIA_CHECK(weight.dtype() == x.dtype(), "[", op, "] input is ", x.dtype(), ", weight is ", weight.dtype());
  SEPIA_CHECK(!bias.defined() || bias.dtype() == accumulator_dtype(x.dtype()), "[", op, "] input is ", x.dtype(), ", so bias must be ",
              accumulator_dtype(x.dtype()), ", got ", bias.dtype());
}

/// Last extent: what a pending affine is per. One for a scalar and where there is nothing, so that numel / channels is the rows.
inline std::int64_t channels_of(const Shape& shape) { return shape.ndim() == 0 ? 1 : std::max<std::int64_t>(shape[-1], 1); }

/// Where a kernel puts the gradients of a weight and its bias, which it writes in one manner.
struct WeightTargets {
  Tensor weight, bias;
  Accumulate accumulate;
};

/// Claims both. A tensor is undefined when its slot is null, except the weight where the kernel must have one (`need_weight`):
/// scratch then. Where only one of the two holds a gradient already (shared weights), the other starts from zero and both add.
inline WeightTargets claim_weight_and_bias(GradSlot* weight_slot, GradSlot* bias_slot, const Tensor& weight_value, bool need_weight) {
  GradTarget weight = weight_slot ? weight_slot->claim() : GradTarget{}, bias = bias_slot ? bias_slot->claim() : GradTarget{};
  if (!weight_slot && need_weight) weight.tensor = Tensor::empty(weight_value.shape(), accumulator_dtype(weight_value.dtype()), weight_value.device());
  const bool adds = weight.accumulate == Accumulate::kAdd || bias.accumulate == Accumulate::kAdd;
  for (const GradTarget* target : {&weight, &bias}) {
    if (adds && target->accumulate == Accumulate::kWrite && target->tensor.defined()) target->tensor.zero();
  }
  return {weight.tensor, bias.tensor, adds ? Accumulate::kAdd : Accumulate::kWrite};
}

}  // namespace sepia::ops
