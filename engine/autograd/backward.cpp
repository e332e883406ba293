#include <algorithm>
#include <unordered_set>

#include "engine/autograd/accumulate.h"
#include "engine/autograd/backward_down_to.h"
#include "engine/autograd/backward_observer.h"
#include "engine/autograd/node.h"
#include "engine/autograd/variable.h"
#include "engine/tensor/dispatch.h"

namespace sepia {
namespace {

using SlotPointer = std::shared_ptr<GradSlot>;

struct Slots {
  std::vector<SlotPointer> made;    // by an op, latest first
  std::vector<SlotPointer> leaves;
};

// Every slot that root depends on. Sequence numbers are a topological order: a node is made after the nodes that made its
// inputs, so when a slot's turn comes all contributions to it have arrived.
Slots slots_behind(const SlotPointer& root) {
  Slots found;
  std::vector<SlotPointer> stack{root};
  std::unordered_set<const GradSlot*> seen{root.get()};
  while (!stack.empty()) {
    const SlotPointer slot = std::move(stack.back());
    stack.pop_back();
    SEPIA_CHECK(!slot->spent(), "[backward] an earlier backward has used up the tape behind this value or a part of it; add up the roots and run backward once");
    if (!slot->producer()) {
      found.leaves.push_back(slot);
      continue;
    }
    for (const SlotPointer& input : slot->producer()->inputs()) {
      if (input && seen.insert(input.get()).second) stack.push_back(input);
    }
    found.made.push_back(slot);
  }
  std::ranges::sort(found.made, std::greater{}, [](const SlotPointer& slot) { return slot->producer()->sequence(); });
  return found;
}

Tensor seed_of_ones(const GradSlot& slot) {
  const std::vector<double> ones(static_cast<std::size_t>(slot.shape().numel()), 1.0);
  return tensor_from_doubles(ones, slot.shape(), slot.dtype(), slot.device());
}

void call_hooks(const GradSlot& slot) {
  for (const auto& hook : slot.hooks()) hook(slot.gradient());
}

// `last` (may be null): the slot that ends it. Nothing made before it can contribute to it.
void run_backward(const Variable& root, std::optional<Tensor>&& seed, const GradSlot* last) {
  SEPIA_CHECK(root.requires_grad(), "[backward] the value does not depend on anything that requires a gradient");
  SEPIA_CHECK(seed || root.shape().numel() == 1, "[backward] a seed gradient is needed for a value of shape ", root.shape());
  SEPIA_CHECK(!seed || (seed->shape() == root.shape() && seed->dtype() == root.slot()->dtype() && seed->device() == root.device()), "[backward] the seed is ",
              seed->dtype(), " ", seed->shape(), " on ", seed->device(), ", the value ", root.slot()->dtype(), " ", root.shape(), " on ", root.device());
  const Slots slots = slots_behind(root.slot());
  root.slot()->deliver(seed ? std::move(*seed) : seed_of_ones(*root.slot()));

  const BackwardObserver* observer = BackwardObserver::current();
  bool ended = false;
  for (const SlotPointer& slot : slots.made) {
    const std::shared_ptr<Node> node = slot->producer();
    if (slot->has_gradient() && !ended) {
      if (observer) observer->before_node(*node);
      call_hooks(*slot);
      ended = slot.get() == last;
      if (!ended) node->backward(slot->retained() ? slot->gradient() : slot->take());
    }
    slot->spend();
    node->take_inputs();
  }
  for (const SlotPointer& slot : slots.leaves) {
    if (slot->has_gradient()) call_hooks(*slot);
  }
  if (observer) observer->walk_done();
}

}  // namespace

void backward(const Variable& root, std::optional<Tensor> seed) { run_backward(root, std::move(seed), nullptr); }

void backward_down_to(const Variable& root, Tensor seed, const Variable& last) {
  SEPIA_CHECK(last.slot() && last.slot()->retained(), "[backward] the value to stop at must be on the tape and retain its gradient");
  run_backward(root, std::move(seed), last.slot().get());
}

void accumulate_into(const Tensor& destination, const Tensor& source, kernels::Accumulate accumulate) {
  dispatch(destination, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.accumulate_into({}, {.count = destination.numel(), .source = source.data<T>(), .destination = destination.data<T>(), .accumulate = accumulate});
  });
}

}  // namespace sepia
