#include "engine/autograd/variable.h"

#include "engine/autograd/node.h"

namespace sepia {
namespace {

thread_local bool t_grad_enabled = true;
thread_local std::uint64_t t_next_sequence = 0;

}  // namespace

Node::Node() : sequence_(t_next_sequence++) {}

bool grad_enabled() { return t_grad_enabled; }
NoGradGuard::NoGradGuard() : saved_(t_grad_enabled) { t_grad_enabled = false; }
NoGradGuard::~NoGradGuard() { t_grad_enabled = saved_; }

Variable Variable::leaf(Tensor value, bool of_parameter) {
  const DType dtype = of_parameter ? accumulator_dtype(value.dtype()) : value.dtype();
  auto slot = std::make_shared<GradSlot>(value.shape(), dtype, value.device());
  slot->retain();
  return {std::move(value), {}, std::move(slot)};
}

const Tensor& Variable::value() const {
  SEPIA_CHECK_KIND(pending_.empty(), ErrorKind::kInternal, "[variable] an affine or ReLU is pending; call materialise() first");
  return stored_;
}

}  // namespace sepia
