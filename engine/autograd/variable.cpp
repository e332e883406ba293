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

const Shape& Variable::shape() const { return convolution_ ? convolution_->shape : pictures_ ? pictures_->pixels.shape() : stored_.shape(); }
DType Variable::dtype() const { return convolution_ ? convolution_->x.dtype() : pictures_ ? pictures_->dtype : stored_.dtype(); }
Device Variable::device() const { return convolution_ ? convolution_->x.device() : pictures_ ? pictures_->pixels.device() : stored_.device(); }

const Tensor& Variable::value() const {
  SEPIA_CHECK_KIND(pending().empty(), ErrorKind::kInternal, "[variable] an affine or ReLU is pending; call materialise() first");
  return stored_;
}

Variable Variable::with_statistics(std::shared_ptr<const BatchStatistics> statistics) const {
  Variable with = *this;
  with.statistics_ = std::move(statistics);
  return with;
}

bool Variable::requires_grad() const {
  if (!convolution_) return slot_ != nullptr;
  return convolution_->x.requires_grad() || convolution_->weight.requires_grad() || convolution_->bias.requires_grad();
}

Variable Variable::detach() const {
  if (pictures_) return *this;
  if (!convolution_) return {stored_, pending_, nullptr};
  PendingConvolution cut = *convolution_;
  for (Variable* part : {&cut.x, &cut.weight, &cut.bias}) *part = part->detach();
  return Variable(std::make_shared<const PendingConvolution>(std::move(cut)));
}

const Variable& Variable::checked() const {
  SEPIA_CHECK_KIND(!convolution_, ErrorKind::kInternal, "[variable] a convolution is pending; call materialise() first");
  SEPIA_CHECK_KIND(!pictures_, ErrorKind::kInternal, "[variable] pictures are still bytes; call materialise() first");
  return *this;
}

}  // namespace sepia
