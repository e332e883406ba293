// SimpleNet: three large convolutions and three fully connected layers, 16,901,762 parameters at 256x256.
//
//   stage   layer                       output (H, W, C)
//   conv1   conv 7x7, 3 -> 6            250 250   6     ReLU, max-pool 2x2 -> 125 125  6
//   conv2   conv 7x7, 6 -> 16           119 119  16     ReLU, max-pool 2x2 ->  59  59 16
//   conv3   conv 7x7, 16 -> 24           53  53  24     ReLU, max-pool 2x2 ->  26  26 24
//   fc1     flatten, linear -> 1024                     ReLU
//   fc2     linear 1024 -> 256                          ReLU
//   fc3     linear 256 -> 2             logits (real, fake)
#pragma once

#include "engine/nn/layers.h"

namespace sepia::models {

class SimpleNet : public nn::Module {
 public:
  /// image_size: side of the square pictures, at least 50; fc1 follows it. Throws kUsage below.
  explicit SimpleNet(std::int64_t image_size = 256, std::int64_t classes = 2);
  std::string type() const override { return "SimpleNet"; }

 protected:
  Variable forward(const Variable& x) override;

 private:
  std::int64_t image_size_;
  nn::Conv2d& conv1_;
  nn::Conv2d& conv2_;
  nn::Conv2d& conv3_;
  nn::Linear& fc1_;
  nn::Linear& fc2_;
  nn::Linear& fc3_;
  nn::ReLU& relu1_;
  nn::ReLU& relu2_;
  nn::ReLU& relu3_;
  nn::ReLU& relu4_;
  nn::ReLU& relu5_;
  nn::MaxPool2d& pool1_;
  nn::MaxPool2d& pool2_;
  nn::MaxPool2d& pool3_;
  nn::Flatten& flatten_;
};

}  // namespace sepia::models
