#include "tools/measure/layer_clock.h"

#include "engine/autograd/backward_observer.h"

namespace sepia::tools {
namespace {

constexpr std::size_t kOutside = static_cast<std::size_t>(-1);

}  // namespace

LayerClock::LayerClock(nn::Module& model) : model_(model) {
  for (const auto& [name, module] : model.named_modules()) {
    index_[module] = modules_.size();
    names_.push_back(name);
    modules_.push_back(module);
  }
  makes_nodes_.resize(modules_.size());
}

// Gives the time since the last border to whom it belongs.
void LayerClock::charge() {
  backend_of(model_.device()).memory.synchronize({});
  const Clock::time_point now = Clock::now();
  *running_ += std::chrono::duration<double>(now - last_).count();
  last_ = now;
}

// Nodes made since the last border were made by the innermost module that is running.
void LayerClock::claim_new_nodes() {
  const std::uint64_t next = next_node_sequence();
  const std::size_t maker = inside_.empty() ? kOutside : inside_.back();
  if (next > next_node_ && maker != kOutside) makes_nodes_[maker] = true;
  maker_.resize(next - first_node_, maker);
  next_node_ = next;
}

void LayerClock::enter(const nn::Module& module) {
  charge();
  claim_new_nodes();
  inside_.push_back(index_.at(&module));
  entered_.push_back(inside_.back());
  running_ = &times_.modules[inside_.back()].forward;
}

void LayerClock::leave() {
  charge();
  claim_new_nodes();
  inside_.pop_back();
  running_ = inside_.empty() ? &times_.loss : &times_.modules[inside_.back()].forward;
}

StepTimes LayerClock::time(const std::function<void()>& step) {
  times_ = {.modules = std::vector<ModuleTime>(modules_.size())};
  inside_.clear();
  entered_.clear();
  maker_.clear();
  first_node_ = next_node_ = next_node_sequence();
  running_ = &times_.input;

  const nn::ModuleObserver modules([this](nn::Module&, const Shape&, const Shape&) { leave(); }, [this](nn::Module& module) { enter(module); });
  const BackwardObserver backward(
      [this](const Node& node) {
        charge();
        const std::uint64_t i = node.sequence() - first_node_;
        const std::size_t maker = i < maker_.size() ? maker_[i] : kOutside;
        running_ = maker == kOutside ? &times_.loss : &times_.modules[maker].backward;
      },
      [this] {
        charge();
        running_ = &times_.update;
      });

  const Clock::time_point start = last_ = Clock::now();
  step();
  charge();
  times_.total = std::chrono::duration<double>(last_ - start).count();
  return std::move(times_);
}

}  // namespace sepia::tools
