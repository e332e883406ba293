#include "models/xception.h"

#include "engine/ops/add.h"

namespace sepia::models {
namespace {

constexpr XceptionBlockShape kBlocks[] = {
    {.in_channels = 64, .out_channels = 128, .convolutions = 2, .strided = true, .leading_relu = false},
    {.in_channels = 128, .out_channels = 256, .convolutions = 2, .strided = true},
    {.in_channels = 256, .out_channels = 728, .convolutions = 2, .strided = true},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 728, .convolutions = 3},
    {.in_channels = 728, .out_channels = 1024, .convolutions = 2, .strided = true, .grow_first = false},
};

nn::BatchNorm2d::Options batch_norm_of(std::int64_t channels, const XceptionNumerics& numerics) {
  return {.channels = channels, .eps = numerics.batch_norm_eps};
}

}  // namespace

SeparableConv2d::SeparableConv2d(std::int64_t in_channels, std::int64_t out_channels)
    : conv1_(add<nn::DepthwiseConv2d>("conv1", nn::DepthwiseConv2d::Options{.channels = in_channels, .bias = false, .recompute = true})),
      pointwise_(add<nn::PointwiseConv2d>(
          "pointwise",
          nn::PointwiseConv2d::Options{.in_channels = in_channels, .out_channels = out_channels, .bias = false, .normalised = true})) {}

Variable SeparableConv2d::forward(const Variable& x) { return pointwise_(conv1_(x)); }

XceptionBlock::XceptionBlock(const XceptionBlockShape& shape, const XceptionNumerics& numerics)
    : skip_(shape.in_channels == shape.out_channels ? nullptr
                                                    : &add<nn::Conv2d>("skip", nn::Conv2d::Options{.in_channels = shape.in_channels,
                                                                                                   .out_channels = shape.out_channels,
                                                                                                   .kernel = 1,
                                                                                                   .stride = shape.strided ? 2 : 1,
                                                                                                   .bias = false,
                                                                                                   .normalised = true})),
      skipbn_(skip_ ? &add<nn::BatchNorm2d>("skipbn", batch_norm_of(shape.out_channels, numerics)) : nullptr),
      rep_(add<nn::Sequential>("rep")) {
  std::int64_t channels = shape.in_channels;
  for (int i = 0; i < shape.convolutions; ++i) {
    const bool grown = shape.grow_first || i + 1 == shape.convolutions;
    const std::int64_t next = grown ? shape.out_channels : shape.in_channels;
    if (i > 0 || shape.leading_relu) rep_.push<nn::ReLU>();
    rep_.push<SeparableConv2d>(channels, next);
    rep_.push<nn::BatchNorm2d>(batch_norm_of(next, numerics));
    channels = next;
  }
  if (shape.strided) rep_.push<nn::MaxPool2d>(numerics.pool);
}

Variable XceptionBlock::forward(const Variable& x) {
  const Variable y = rep_(x);
  return ops::add(y, skip_ ? (*skipbn_)((*skip_)(x)) : x);
}

Xception::Xception(const XceptionOptions& options) {
  SEPIA_CHECK(options.width_divisor >= 1 && options.width_divisor <= 8 && 728 % options.width_divisor == 0,
              "xception's widths cannot be divided by ", options.width_divisor);
  const XceptionNumerics& numerics = options.numerics;
  const auto width = [&](std::int64_t channels) { return channels / options.width_divisor; };

  push_named<nn::Conv2d>(
      "conv1",
      nn::Conv2d::Options{.in_channels = 3, .out_channels = width(32), .kernel = 3, .stride = 2, .bias = false, .normalised = true});
  push_norm_and_relu("1", width(32), numerics);
  push_named<nn::Conv2d>(
      "conv2", nn::Conv2d::Options{.in_channels = width(32), .out_channels = width(64), .kernel = 3, .bias = false, .normalised = true});
  push_norm_and_relu("2", width(64), numerics);

  int number = 0;
  for (XceptionBlockShape shape : kBlocks) {
    shape.in_channels = width(shape.in_channels);
    shape.out_channels = width(shape.out_channels);
    push_named<XceptionBlock>("block" + std::to_string(++number), shape, numerics);
  }

  push_named<SeparableConv2d>("conv3", width(1024), width(1536));
  push_norm_and_relu("3", width(1536), numerics);
  push_named<SeparableConv2d>("conv4", width(1536), width(2048));
  push_norm_and_relu("4", width(2048), numerics);
  push_named<nn::GlobalAvgPool>("global_pool");

  if (!options.deep_head) {
    push_named<nn::Linear>("fc", nn::Linear::Options{.in_features = width(2048), .out_features = options.classes});
    return;
  }
  auto& head = push_named<nn::Sequential>("fc");
  const std::int64_t features[] = {width(2048), width(1000), width(256), width(64), options.classes};
  for (int i = 0; i < 4; ++i) {
    if (i > 0) head.push<nn::ReLU>();
    head.push<nn::Linear>(nn::Linear::Options{.in_features = features[i], .out_features = features[i + 1]});
  }
}

void Xception::push_norm_and_relu(const std::string& number, std::int64_t channels, const XceptionNumerics& numerics) {
  push_named<nn::BatchNorm2d>("bn" + number, batch_norm_of(channels, numerics));
  push_named<nn::ReLU>("act" + number);
}

}  // namespace sepia::models
