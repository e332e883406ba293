#include "engine/ops/flatten.h"

#include "engine/ops/materialise.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct FlattenNode final : Node {
  const char* name() const override { return "flatten"; }
  void backward(Tensor grad_y) override { input(0).deliver(std::move(grad_y)); }
};

}  // namespace

Variable flatten(const Variable& pending_x) {
  // A per-channel affine has no meaning on flattened features; a ReLU alone does and stays pending.
  const Variable convolved = carried_out(pending_x);
  const Variable x = convolved.pending().scale.defined() ? materialise(convolved) : convolved;
  SEPIA_CHECK(x.shape().ndim() >= 1, "[flatten] input must have rows, got ", x.shape());
  const std::int64_t rows = x.shape()[0];
  const Variable flat = record<FlattenNode>(x.stored().reshape({rows, rows ? x.shape().numel() / rows : 0}), {&x});
  return Variable(flat.stored(), x.pending(), flat.slot());
}

}  // namespace sepia::ops
