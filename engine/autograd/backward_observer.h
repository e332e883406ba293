// Watching the tape from outside: which node's backward runs when. For clocks; nothing that is computed changes.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/autograd/node.h"

namespace sepia {

/// The number that the next node made on this thread will get (Node::sequence). Read before and after a stretch of a forward pass, it
/// says which nodes that stretch has made.
std::uint64_t next_node_sequence();

/// Hears of every backward() on this thread while it lives. Unlike a hook or a retained gradient it keeps no value alive and asks for
/// nothing to be carried out, so a step that is watched makes the same calls on the same memory.
class BackwardObserver {
 public:
  /// `before` is called ahead of each node's backward, latest node first; `done` when the walk is over.
  BackwardObserver(std::function<void(const Node&)> before, std::function<void()> done);
  ~BackwardObserver();
  BackwardObserver(const BackwardObserver&) = delete;
  BackwardObserver& operator=(const BackwardObserver&) = delete;

  /// The one that backward() reports to on this thread; null when there is none.
  static const BackwardObserver* current();
  void before_node(const Node& node) const { before_(node); }
  void walk_done() const { done_(); }

 private:
  std::function<void(const Node&)> before_;
  std::function<void()> done_;
  const BackwardObserver* previous_;
};

}  // namespace sepia
