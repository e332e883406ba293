// All parameters of a model in one buffer, all gradients in another, all running statistics in a third: an optimiser step is one
// kernel launch, an all-reduce one message, a checkpoint of state one copy.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "engine/nn/parameter.h"
#include "engine/ops/flat.h"

namespace sepia::nn {

class Module;
class BatchNorm2d;

/// The flat arenas of one model. Parameters lie in the order of Module::named_parameters(), each start aligned to 64 bytes; the
/// gaps are zero and stay zero. Weights here are the master weights (accumulator type of the activations). With bf16 activations
/// there is a rounded copy of them besides, which convolutions and linear layers read; the optimiser writes both in one pass.
class FlatParameters {
 public:
  /// Running statistics at their start, weights without values yet.
  FlatParameters(Module& root, Device device, DType dtype);

  /// Sets weights by their initialisers and buffers to their start. A weight is a function of (seed, parameter number, element).
  void initialise(std::uint64_t seed);
  /// Whoever has written every weight without initialise() says so here.
  void set_have_values() { have_values_ = true; }
  /// Throws kInternal while there may be weights without a value.
  void require_values() const;

  /// Gives every trainable parameter a slot in the gradient arena. Without this (evaluation, explanations of the input) no weight
  /// gradient is computed and no memory is taken for it. Call again after changing Parameter::trainable. The arena begins at the first
  /// trainable parameter: a frozen backbone takes no memory for gradients, and none for what an optimiser keeps of them.
  void require_gradients();
  void release_gradients();

  std::int64_t size() const { return weights_.numel(); }
  const Tensor& weights() const { return weights_; }
  const Tensor& gradients() const { return gradients_; }
  /// The element of weights() whose gradient is the first of gradients(); 0 unless the first layers are frozen.
  std::int64_t gradient_begin() const { return size() - gradients_.numel(); }
  /// The part of weights(), and of rounded_weights(), that gradients() belong to, element by element: what an optimiser takes.
  Tensor trained_weights() const { return weights_.slice(gradient_begin(), {gradients_.numel()}); }
  Tensor trained_rounded_weights() const { return rounded_.defined() ? rounded_.slice(gradient_begin(), {gradients_.numel()}) : Tensor(); }
  const Tensor& running_statistics() const { return running_; }
  /// The weights rounded to bf16; undefined when activations have the type of the master weights.
  const Tensor& rounded_weights() const { return rounded_; }
  /// After the master weights were written by anything but an optimiser (loaded, exchanged with an average): rounds them anew.
  void round_weights();

  /// Elements [offset, offset + count) of weights() whose parameters are trainable, neighbours joined: what an optimiser walks over,
  /// once gradient_begin() is taken from the offsets.
  struct Range {
    std::int64_t offset, count;
  };
  std::vector<Range> trainable_ranges() const;

  /// Before an optimiser step: parameters that no gradient has reached get zeros.
  void complete_gradients();
  /// After it: the next backward writes instead of adding.
  void clear_gradients();

  /// running += momentum * (step statistics - running) for the batch norms that ran on batch statistics in this step, and counts the
  /// batch (num_batches_tracked). Under a control nothing moves when that is stopped, and nothing is counted: see below.
  void commit_running_statistics(const kernels::StepControl* control = nullptr);
  /// Counts the batch for the batch norms of the last commit under a control, once the step is known to have been taken. A step that
  /// is played back from a recording confirms again without a commit of its own.
  void confirm_running_statistics();

  /// Index of the first NaN or infinite element of `flat` (weights or gradients), or -1; name_at() says whose it is, of weights().
  std::int64_t first_nonfinite(const Tensor& flat) const;
  std::string name_at(std::int64_t offset) const;
  /// Square root of the sum of squares of `flat` over [offset, offset + count), summed in double in a fixed order.
  double norm(const Tensor& flat, std::int64_t offset, std::int64_t count) const;

 private:
  Tensor value_of(const Parameter& parameter) const;

  std::vector<std::pair<std::string, Parameter*>> parameters_;
  std::vector<BatchNorm2d*> batch_norms_, committed_;
  Tensor weights_, rounded_, gradients_, running_, step_statistics_;
  bool have_values_ = false;
};

}  // namespace sepia::nn
