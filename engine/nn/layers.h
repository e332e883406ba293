// The layers that the networks are made of, with PyTorch's names and defaults. Activations are NHWC.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/nn/module.h"
#include "engine/ops/batch_norm.h"
#include "engine/ops/conv2d.h"
#include "engine/ops/depthwise_conv.h"
#include "engine/ops/pooling.h"

namespace sepia::nn {

/// torch.nn.Conv2d with a square kernel: (N, H, W, in) -> (N, P, Q, out).
class Conv2d : public Module {
 public:
  struct Options {
    std::int64_t in_channels, out_channels;
    int kernel;
    int stride = 1, padding = 0;
    bool bias = true;
    bool pooled = false;     ///< in front of a 2x2 MaxPool2d, perhaps with a ReLU between: made in one with them (ops::Conv2dParams)
    bool separable = false;  ///< in front of a DepthwiseConv2d and a PointwiseConv2d, perhaps with a ReLU between: for inference made in one with them
    bool normalised = false; ///< in front of a BatchNorm2d: leaves the statistics that it wants in training (ops::Conv2dParams)
  };
  explicit Conv2d(const Options& options);
  std::string type() const override { return "Conv2d"; }
  bool normalised() const { return options_.normalised; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  Options options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

/// torch.nn.Conv2d with groups = channels: one filter per channel.
class DepthwiseConv2d : public Module {
 public:
  struct Options {
    std::int64_t channels;
    int kernel = 3;
    int stride = 1, padding = 1;
    bool bias = true;
    bool recompute = false;  ///< in front of a PointwiseConv2d: not kept for the way back but made again there (ops::DepthwiseConvParams)
  };
  explicit DepthwiseConv2d(const Options& options);
  std::string type() const override { return "DepthwiseConv2d"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  Options options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

/// torch.nn.Conv2d with a 1x1 kernel: a linear map of the channels of every pixel.
class PointwiseConv2d : public Module {
 public:
  struct Options {
    std::int64_t in_channels, out_channels;
    bool bias = true;
    bool normalised = false;  ///< in front of a BatchNorm2d: leaves the statistics that it wants in training (ops::LinearParams)
  };
  explicit PointwiseConv2d(const Options& options);
  std::string type() const override { return "PointwiseConv2d"; }
  bool normalised() const { return options_.normalised; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  Options options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

/// torch.nn.Linear: (N, in) -> (N, out). `flattened` is the (C, H, W) of the pictures in front of a flatten, when there is one, so
/// that weight files can be read in PyTorch's column order.
class Linear : public Module {
 public:
  struct Options {
    std::int64_t in_features, out_features;
    bool bias = true;
    std::optional<std::array<std::int64_t, 3>> flattened = std::nullopt;
  };
  explicit Linear(const Options& options);
  std::string type() const override { return "Linear"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  Options options_;
  Parameter& weight_;
  Parameter* bias_ = nullptr;
};

/// torch.nn.BatchNorm2d. In training mode it normalises by the batch; the running statistics move at the optimiser's commit
/// (FlatParameters::commit_running_statistics), not in forward. Frozen or in evaluation mode it uses the running statistics.
class BatchNorm2d : public Module {
 public:
  struct Options {
    std::int64_t channels;
    double eps = 1e-5;
    double momentum = 0.1;
  };
  explicit BatchNorm2d(const Options& options);
  std::string type() const override { return "BatchNorm2d"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

  std::int64_t channels() const { return options_.channels; }
  double momentum() const { return options_.momentum; }
  /// Always uses running statistics and leaves them alone, whatever the mode (transfer learning).
  void freeze(bool frozen = true) { frozen_ = frozen; }
  /// Training steps committed so far: PyTorch's num_batches_tracked.
  std::int64_t batches_tracked() const { return batches_tracked_; }
  void set_batches_tracked(std::int64_t count) { batches_tracked_ = count; }

  /// For FlatParameters: mean and variance at offset and offset + stride of the flat arenas.
  void bind_statistics(const Tensor& running, const Tensor& step, std::int64_t offset, std::int64_t stride);
  void reset_statistics();
  /// Whether a training forward has run since the last call.
  bool take_step_taken();

 protected:
  Variable forward(const Variable& x) override;

 private:
  Options options_;
  Parameter& weight_;
  Parameter& bias_;
  Buffer& running_mean_;
  Buffer& running_variance_;
  Tensor step_mean_, step_variance_;
  std::int64_t batches_tracked_ = 0;
  bool frozen_ = false, step_taken_ = false;
};

/// torch.nn.ReLU. Left pending: the next layer applies it on load.
class ReLU : public Module {
 public:
  std::string type() const override { return "ReLU"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;
};

/// torch.nn.MaxPool2d.
class MaxPool2d : public Module {
 public:
  explicit MaxPool2d(const ops::MaxPoolParams& params) : params_(params) {}
  std::string type() const override { return "MaxPool2d"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;

 private:
  ops::MaxPoolParams params_;
};

/// The mean over all positions: (N, H, W, C) -> (N, C).
class GlobalAvgPool : public Module {
 public:
  std::string type() const override { return "GlobalAvgPool"; }
  std::int64_t flops(const Shape& input, const Shape& output) const override;

 protected:
  Variable forward(const Variable& x) override;
};

/// (N, H, W, C) -> (N, H*W*C).
class Flatten : public Module {
 public:
  std::string type() const override { return "Flatten"; }

 protected:
  Variable forward(const Variable& x) override;
};

/// Modules one after another, named "0", "1", ... unless push() is given a name.
class Sequential : public Module {
 public:
  std::string type() const override { return "Sequential"; }

  template <class M, class... Arguments>
  M& push(Arguments&&... arguments) {
    M& module = add<M>(std::to_string(sequence_.size()), std::forward<Arguments>(arguments)...);
    sequence_.push_back(&module);
    return module;
  }
  template <class M, class... Arguments>
  M& push_named(const std::string& name, Arguments&&... arguments) {
    M& module = add<M>(name, std::forward<Arguments>(arguments)...);
    sequence_.push_back(&module);
    return module;
  }

 protected:
  Variable forward(const Variable& x) override;

 private:
  std::vector<Module*> sequence_;
};

}  // namespace sepia::nn
