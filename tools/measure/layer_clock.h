// Where the time of a step goes: a clock that is read at the borders of modules and of tape nodes.
//
// Forward: time between entering and leaving a module is its own, less that of the modules inside. Backward: the tape's nodes are
// numbered as they are made, so the nodes made inside a module are known by number, and the walk back says which node's turn it is.
// What is pending is charged where it is carried out: a batch norm's affine map and a ReLU cost their layer nothing, the next layer
// applies them as it loads, and a convolution that is left pending is carried out by the layer behind it, there and back. Nothing
// is kept alive and nothing is materialised, so the step computes the same bits in the same memory.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "engine/nn/module.h"

namespace sepia::tools {

/// Seconds of one module's own work, without the modules inside it.
struct ModuleTime {
  double forward = 0, backward = 0;
};

/// Seconds of one step. The parts add up to `total` but for rounding.
struct StepTimes {
  double total = 0;
  std::vector<ModuleTime> modules;  ///< in the order of named_modules()
  double input = 0;    ///< before the network: bytes to the device, normalisation
  double loss = 0;     ///< after the network: loss and its gradient in training, reading the outputs in inference
  double update = 0;   ///< after backward: gradients checked, optimiser, running statistics, reading the loss
};

class LayerClock {
 public:
  explicit LayerClock(nn::Module& model);

  /// Runs `step` (at most one forward pass of the model, then at most one backward pass, on this thread) under the clock. On a device
  /// that works on its own the clock waits for it at every border, which costs what the device would have overlapped.
  StepTimes time(const std::function<void()>& step);

  /// Dotted paths, in the order of StepTimes::modules.
  const std::vector<std::string>& names() const { return names_; }
  const std::vector<nn::Module*>& modules() const { return modules_; }
  /// Modules in the order in which the last timed step entered them.
  const std::vector<std::size_t>& entered() const { return entered_; }
  /// Whether the module itself, not one inside it, put a node on the tape in any step timed so far.
  bool makes_nodes(std::size_t module) const { return makes_nodes_[module]; }

 private:
  using Clock = std::chrono::steady_clock;

  void charge();
  void claim_new_nodes();
  void enter(const nn::Module& module);
  void leave();

  nn::Module& model_;
  std::vector<std::string> names_;
  std::vector<nn::Module*> modules_;
  std::map<const nn::Module*, std::size_t> index_;
  std::vector<bool> makes_nodes_;

  StepTimes times_;
  double* running_ = nullptr;            // whom the time since last_ belongs to
  Clock::time_point last_;
  std::vector<std::size_t> entered_, inside_;
  std::uint64_t first_node_ = 0, next_node_ = 0;
  std::vector<std::size_t> maker_;       // of node first_node_ + i; kOutside for those of the loss
};

}  // namespace sepia::tools
