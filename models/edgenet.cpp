#include "models/edgenet.h"

namespace sepia::models {

DepthwiseSeparableBlock::DepthwiseSeparableBlock(std::int64_t in_channels, std::int64_t out_channels)
    : depthwise_(add<nn::DepthwiseConv2d>("depthwise", nn::DepthwiseConv2d::Options{.channels = in_channels, .stride = 2})),
      pointwise_(add<nn::PointwiseConv2d>(
          "pointwise", nn::PointwiseConv2d::Options{.in_channels = in_channels, .out_channels = out_channels, .normalised = true})),
      bn_(add<nn::BatchNorm2d>("bn", nn::BatchNorm2d::Options{.channels = out_channels})),
      relu_(add<nn::ReLU>("relu")) {}

Variable DepthwiseSeparableBlock::forward(const Variable& x) { return relu_(bn_(pointwise_(depthwise_(x)))); }

EdgeNet::EdgeNet(std::int64_t classes)
    : stem_(add<nn::Conv2d>("stem", nn::Conv2d::Options{.in_channels = 3, .out_channels = 32, .kernel = 3, .stride = 2, .padding = 1, .separable = true})),
      blocks_(add<nn::Sequential>("blocks")),
      fc1_(add<nn::Linear>("fc1", nn::Linear::Options{.in_features = 256, .out_features = 64})),
      fc2_(add<nn::Linear>("fc2", nn::Linear::Options{.in_features = 64, .out_features = classes})),
      stem_relu_(add<nn::ReLU>("stem_relu")),
      pool_(add<nn::GlobalAvgPool>("pool")),
      fc1_relu_(add<nn::ReLU>("fc1_relu")) {
  blocks_.push<DepthwiseSeparableBlock>(32, 64);
  blocks_.push<DepthwiseSeparableBlock>(64, 128);
  blocks_.push<DepthwiseSeparableBlock>(128, 256);
}

Variable EdgeNet::forward(const Variable& x) {
  const Variable features = pool_(blocks_(stem_relu_(stem_(x))));
  return fc2_(fc1_relu_(fc1_(features)));
}

}  // namespace sepia::models
