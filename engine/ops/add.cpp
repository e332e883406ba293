#include "engine/ops/add.h"

#include "engine/ops/materialise.h"
#include "engine/ops/record.h"

namespace sepia::ops {
namespace {

struct AddNode final : Node {
  AddNode(const Variable& a, const Variable& b) : branches_{Branch(a), Branch(b)} {}
  const char* name() const override { return "add"; }

  void backward(Tensor grad_y) override {
    if (wants(0)) pass(0, grad_y);
    // The second branch may take grad_y itself, since nobody needs it afterwards.
    if (wants(1)) {
      branches_[1].pending.relu ? pass(1, grad_y) : input(1).deliver(std::move(grad_y));
    }
  }

 private:
  // x is kept only where a ReLU's mask has to be recomputed.
  struct Branch {
    explicit Branch(const Variable& v) : pending(v.pending()) {
      if (pending.relu) x = v.stored();
    }
    Tensor x;
    PendingAffine pending;
  };

  void pass(std::size_t i, const Tensor& grad_y) {
    const Branch& branch = branches_[i];
    const GradTarget target = input(i).claim();
    const std::int64_t channels = channels_of(grad_y.shape());
    dispatch(grad_y, [&]<class T>(const KernelTable<T>& table) {
      if (branch.pending.relu) {
        table.affine_relu_backward({}, {.rows = grad_y.numel() / channels, .channels = channels, .x = branch.x.template data<T>(),
                                        .prologue = prologue_of<T>(branch.pending), .grad_y = grad_y.data<T>(),
                                        .grad_x = target.tensor.data<T>(), .accumulate = target.accumulate});
      } else {
        table.accumulate_into({}, {.count = grad_y.numel(), .source = grad_y.data<T>(), .destination = target.tensor.data<T>(), .accumulate = target.accumulate});
      }
    });
  }

  Branch branches_[2];
};

}  // namespace

Variable add(const Variable& given_a, const Variable& given_b) {
  const Variable a = carried_out(given_a), b = carried_out(given_b);
  SEPIA_CHECK(a.shape() == b.shape() && a.dtype() == b.dtype(), "[add] needs equal shapes and types, got ", a.dtype(), " ", a.shape(), " and ", b.dtype(), " ", b.shape());
  check_same_device("add", a, b);
  Tensor y = Tensor::empty(a.shape(), a.dtype(), a.device());
  const std::int64_t channels = channels_of(y.shape());
  dispatch(y, [&]<class T>(const KernelTable<T>& table) {
    table.add_forward({}, {.rows = y.numel() / channels, .channels = channels, .a = a.stored().data<T>(), .prologue_a = prologue_of<T>(a.pending()),
                           .b = b.stored().data<T>(), .prologue_b = prologue_of<T>(b.pending()), .y = y.data<T>()});
  });
  return record<AddNode>(std::move(y), {&a, &b}, a, b);
}

}  // namespace sepia::ops
