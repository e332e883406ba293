#include "models/simplenet.h"

namespace sepia::models {
namespace {

// Side of the pictures that fc1 sees: three times a 7x7 convolution without padding and a 2x2 pooling.
std::int64_t side_before_fc1(std::int64_t image_size) {
  SEPIA_CHECK(image_size >= 50, "simplenet needs pictures of at least 50x50, got ", image_size, "; use a larger --image-size");
  for (int stage = 0; stage < 3; ++stage) image_size = (image_size - 6) / 2;
  return image_size;
}

nn::Linear::Options fc1_options(std::int64_t image_size) {
  const std::int64_t side = side_before_fc1(image_size);
  return {.in_features = 24 * side * side, .out_features = 1024, .flattened = std::array<std::int64_t, 3>{24, side, side}};
}

}  // namespace

SimpleNet::SimpleNet(std::int64_t image_size, std::int64_t classes)
    : image_size_(image_size),
      conv1_(add<nn::Conv2d>("conv1", nn::Conv2d::Options{.in_channels = 3, .out_channels = 6, .kernel = 7, .pooled = true})),
      conv2_(add<nn::Conv2d>("conv2", nn::Conv2d::Options{.in_channels = 6, .out_channels = 16, .kernel = 7, .pooled = true})),
      conv3_(add<nn::Conv2d>("conv3", nn::Conv2d::Options{.in_channels = 16, .out_channels = 24, .kernel = 7, .pooled = true})),
      fc1_(add<nn::Linear>("fc1", fc1_options(image_size))),
      fc2_(add<nn::Linear>("fc2", nn::Linear::Options{.in_features = 1024, .out_features = 256})),
      fc3_(add<nn::Linear>("fc3", nn::Linear::Options{.in_features = 256, .out_features = classes})),
      relu1_(add<nn::ReLU>("relu1")),
      relu2_(add<nn::ReLU>("relu2")),
      relu3_(add<nn::ReLU>("relu3")),
      relu4_(add<nn::ReLU>("relu4")),
      relu5_(add<nn::ReLU>("relu5")),
      pool1_(add<nn::MaxPool2d>("pool1", ops::MaxPoolParams{})),
      pool2_(add<nn::MaxPool2d>("pool2", ops::MaxPoolParams{})),
      pool3_(add<nn::MaxPool2d>("pool3", ops::MaxPoolParams{})),
      flatten_(add<nn::Flatten>("flatten")) {}

Variable SimpleNet::forward(const Variable& x) {
  SEPIA_CHECK(x.shape().ndim() == 4 && x.shape()[1] == image_size_ && x.shape()[2] == image_size_, "simplenet was made for pictures of ", image_size_, "x",
              image_size_, ", got input ", x.shape());
  Variable y = pool1_(relu1_(conv1_(x)));
  y = pool2_(relu2_(conv2_(y)));
  y = pool3_(relu3_(conv3_(y)));
  y = relu4_(fc1_(flatten_(y)));
  y = relu5_(fc2_(y));
  return fc3_(y);
}

}  // namespace sepia::models
