#include <algorithm>
#include <unordered_set>

#include "engine/autograd/accumulate.h"
#include "engine/autograd/node.h"
#include "engine/autograd/variable.h"
#include "engine/tensor/dispatch.h"

namespace sepia {
namespace {

using SlotPointer = std::shared_ptr<GradSlot>;

// Every slot with a producer that root depends on, latest first. Sequence numbers are a topological order: a node is made after
// the nodes that made its inputs, so when a slot's turn comes all contributions to it have arrived.
std::vector<SlotPointer> slots_latest_first(const SlotPointer& root) {
  std::vector<SlotPointer> found, stack{root};
  std::unordered_set<const GradSlot*> seen{root.get()};
  while (!stack.empty()) {
    const SlotPointer slot = std::move(stack.back());
    stack.pop_back();
    if (!slot->producer()) continue;
    for (const SlotPointer& input : slot->producer()->inputs()) {
      if (input && seen.insert(input.get()).second) stack.push_back(input);
    }
    found.push_back(slot);
  }
  std::ranges::sort(found, std::greater{}, [](const SlotPointer& slot) { return slot->producer()->sequence(); });
  return found;
}

Tensor seed_of_ones(const GradSlot& slot) {
  const std::vector<double> ones(static_cast<std::size_t>(slot.shape().numel()), 1.0);
  return tensor_from_doubles(ones, slot.shape(), slot.dtype(), slot.device());
}

}  // namespace

void backward(const Variable& root, std::optional<Tensor> seed) {
  SEPIA_CHECK(root.requires_grad(), "[backward] the value does not depend on anything that requires a gradient");
  SEPIA_CHECK(seed || root.shape().numel() == 1, "[backward] a seed gradient is needed for a value of shape ", root.shape());
  root.slot()->deliver(seed ? std::move(*seed) : seed_of_ones(*root.slot()));

  for (const SlotPointer& slot : slots_latest_first(root.slot())) {
    const std::shared_ptr<Node> node = slot->producer();
    if (slot->has_gradient()) {
      for (const auto& hook : slot->hooks()) hook(slot->gradient());
      node->backward(slot->retained() ? slot->gradient() : slot->take());
    }
    slot->set_producer(nullptr);
    node->release_inputs();
  }
}

void accumulate_into(const Tensor& destination, const Tensor& source, kernels::Accumulate accumulate) {
  dispatch(destination, [&]<class T>(const kernels::KernelTable<T>& table) {
    table.accumulate_into({}, {.count = destination.numel(), .source = source.data<T>(), .destination = destination.data<T>(), .accumulate = accumulate});
  });
}

}  // namespace sepia
