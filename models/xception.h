// Xception, in the form that its PyTorch weights have: 22,855,952 parameters with 1000 classes, 20,811,050 with two.
// Source: Chollet 2017, "Xception: Deep Learning with Depthwise Separable Convolutions"; names as timm's `legacy_xception`.
//
//   stage     layer                                              output at 256x256 (H, W, C)   at 299x299
//   conv1     conv 3x3 s2, 3 -> 32, BN, ReLU                     127 127   32                  149
//   conv2     conv 3x3, 32 -> 64, BN, ReLU                       125 125   64                  147
//   block1    2 separable, 64 -> 128, pool s2; no leading ReLU    63  63  128                   74
//   block2    2 separable, 128 -> 256, pool s2                    32  32  256                   37
//   block3    2 separable, 256 -> 728, pool s2                    16  16  728                   19
//   block4-11 3 separable, 728 -> 728                             16  16  728                   19
//   block12   2 separable, 728 -> 728 -> 1024, pool s2             8   8 1024                   10
//   conv3     separable, 1024 -> 1536, BN, ReLU                    8   8 1536                   10
//   conv4     separable, 1536 -> 2048, BN, ReLU                    8   8 2048                   10
//   head      global average pooling, then
//     xception         fc 2048 -> K
//     xception_based   fc.0 2048 -> 1000, fc.2 1000 -> 256, fc.4 256 -> 64, fc.6 64 -> K, with ReLU between: 272,834 more at K = 2
//
// No convolution has a bias. A separable convolution is a depthwise 3x3 p1 (conv1) and a pointwise one. A block adds two branches:
// rep, in which ReLU, separable convolution and BN take turns and a 3x3 s2 max-pool comes last where the block strides, and the
// block's own input, which passes a strided 1x1 convolution and a BN (skip, skipbn) where the shape changes.
#pragma once

#include "engine/nn/layers.h"

namespace sepia::models {

/// Depthwise 3x3, then pointwise.
class SeparableConv2d : public nn::Module {
 public:
  SeparableConv2d(std::int64_t in_channels, std::int64_t out_channels);
  std::string type() const override { return "SeparableConv2d"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  nn::DepthwiseConv2d& conv1_;
  nn::PointwiseConv2d& pointwise_;
};

/// One row of the table of blocks.
struct XceptionBlockShape {
  std::int64_t in_channels, out_channels;
  int convolutions;          ///< separable ones
  bool strided = false;      ///< halves height and width
  bool leading_relu = true;  ///< before the first convolution too
  bool grow_first = true;    ///< the first convolution has out_channels already; else only the last one
};

/// Whose conventions the weights were trained under. Keras: eps 1e-3 in batch norm, and padding 'same' in max-pooling, which pads
/// an even side at its end only.
struct XceptionNumerics {
  double batch_norm_eps = 1e-5;
  ops::MaxPoolParams pool{.kernel = 3, .stride = 2, .padding = 1};

  static XceptionNumerics pytorch() { return {}; }
  static XceptionNumerics keras() { return {.batch_norm_eps = 1e-3, .pool = {.kernel = 3, .stride = 2, .same = true}}; }
};

class XceptionBlock : public nn::Module {
 public:
  XceptionBlock(const XceptionBlockShape& shape, const XceptionNumerics& numerics);
  std::string type() const override { return "XceptionBlock"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  nn::Conv2d* skip_ = nullptr;  ///< with skipbn_, where the shape changes
  nn::BatchNorm2d* skipbn_ = nullptr;
  nn::Sequential& rep_;
};

struct XceptionOptions {
  std::int64_t classes = 1000;
  bool deep_head = false;  ///< xception_based: four linear layers
  XceptionNumerics numerics{};
  /// Every width of the table divided by this, for tests that cannot afford the whole network: 1, 2, 4 or 8.
  std::int64_t width_divisor = 1;
};

class Xception : public nn::Sequential {
 public:
  explicit Xception(const XceptionOptions& options);
  std::string type() const override { return "Xception"; }

 private:
  void push_norm_and_relu(const std::string& number, std::int64_t channels, const XceptionNumerics& numerics);
};

}  // namespace sepia::models
