#include "engine/autograd/variable.h"

#include <utility>

#include "engine/autograd/backward_observer.h"
#include "engine/autograd/node.h"

namespace sepia {
namespace {

thread_local bool t_grad_enabled = true;
thread_local std::uint64_t t_next_sequence = 0;
thread_local const BackwardObserver* t_backward_observer = nullptr;

}  // namespace

Node::Node() : sequence_(t_next_sequence++) {}
std::uint64_t next_node_sequence() { return t_next_sequence; }

BackwardObserver::BackwardObserver(std::function<void(const Node&)> before, std::function<void()> done)
    : before_(std::move(before)), done_(std::move(done)), previous_(std::exchange(t_backward_observer, this)) {}
BackwardObserver::~BackwardObserver() { t_backward_observer = previous_; }
const BackwardObserver* BackwardObserver::current() { return t_backward_observer; }

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
