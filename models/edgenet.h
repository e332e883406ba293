// EdgeNet: the efficient net of depthwise-separable convolutions, 64,066 parameters.
//
//   stage      layer                                                        output at 256x256 (H, W, C)
//   stem       conv 3x3 s2 p1, 3 -> 32 (bias), ReLU                         128 128  32
//   blocks.0   depthwise 3x3 s2 p1 (bias), pointwise 32 -> 64 (bias), BN, ReLU    64  64  64
//   blocks.1   the same, 64 -> 128                                           32  32 128
//   blocks.2   the same, 128 -> 256                                          16  16 256
//   head       global average pooling, fc1 256 -> 64, ReLU, fc2 64 -> 2      logits (real, fake)
//
// The convolution biases stand in front of a batch norm and so have a true gradient of zero; they are kept because the
// document's parameter count has them.
#pragma once

#include "engine/nn/layers.h"

namespace sepia::models {

/// depthwise, pointwise, bn, relu.
class DepthwiseSeparableBlock : public nn::Module {
 public:
  DepthwiseSeparableBlock(std::int64_t in_channels, std::int64_t out_channels);
  std::string type() const override { return "DepthwiseSeparableBlock"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  nn::DepthwiseConv2d& depthwise_;
  nn::PointwiseConv2d& pointwise_;
  nn::BatchNorm2d& bn_;
  nn::ReLU& relu_;
};

class EdgeNet : public nn::Module {
 public:
  explicit EdgeNet(std::int64_t classes = 2);
  std::string type() const override { return "EdgeNet"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  nn::Conv2d& stem_;
  nn::Sequential& blocks_;
  nn::Linear& fc1_;
  nn::Linear& fc2_;
  nn::ReLU& stem_relu_;
  nn::GlobalAvgPool& pool_;
  nn::ReLU& fc1_relu_;
};

}  // namespace sepia::models
