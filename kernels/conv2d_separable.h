// The beginning of a network for inference in one pass: a dense convolution of few inputs (the stem), a ReLU, and the depthwise and pointwise
// convolutions behind it. Neither the stem's output, written as v below, nor the depthwise one is in memory as a whole. NHWC.
//
//   v = conv2d_forward(stem)                          (kernels/conv2d.h), rounded to T
//   y = separable_conv_forward(separable), its x = v  (kernels/separable_conv.h); its prologue is the ReLU, or nothing
//
// The stem's output is the largest array of such a network, and what follows it in edgenet reads it once, with stride 2.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/separable_conv.h"

namespace sepia::kernels {

/// Few inputs and whole vectors of outputs, as first layers have them: whether a convolution can be such a stem. Filter rows have two numbers
/// at least, since bf16 kernels take them in pairs.
constexpr bool conv2d_has_few_inputs(const Conv2dShape& s) {
  return s.out_channels % 32 == 0 && s.kernel_w * s.in_channels > 1 && s.kernel_h * s.kernel_w * s.in_channels <= 288;
}

template <class T>
struct Conv2dSeparableForward {
  Conv2dForward<T> stem;              ///< conv2d_has_few_inputs(stem.shape); its y is not written
  SeparableConvForward<T> separable;  ///< of the stem's output shape; its x is not read, its prologue has no affine
};

}  // namespace sepia::kernels
