// Dense 2-D convolution (cross-correlation, as in every deep-learning framework), NHWC, any kernel size, stride and padding.
//
//   y[n, p, q, k] = bias[k] + sum_{r, s, c} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * weight[k, r, s, c]
//
//   x (N, H, W, C)   weight (K, R, S, C)   bias (K) or null   y (N, P, Q, K)   P = (H + 2 padding - R) / stride + 1
// Backward (Dumoulin and Visin 2016, "A guide to convolution arithmetic", relation 14):
//   grad_x[n, h, w, c]      = mask * sum over (p, r), (q, s), k with p*stride + r - padding = h, ... of grad_y[n,p,q,k] * weight[k,r,s,c]
//   grad_weight[k, r, s, c] = sum_{n, p, q} grad_y[n, p, q, k] * act(x)[n, p*stride + r - padding, ...]
//   grad_bias[k]            = sum_{n, p, q} grad_y[n, p, q, k]
// grad_x is the gradient at the prologue's affine output, that is, already masked where its ReLU was closed.
//
// A backend that says so (Backend::conv2d_reads_pixels) takes pictures in bytes in the place of x and normalises them as it loads them:
// act(x)[n, h, w, c] = (pixels[n, h, w, c] / 255 - mean[c]) / std[c], rounded to T, as images_to_input writes it (kernels/elementwise.h),
// to the bit. The first layer's input is then never in memory as numbers. Not for 1x1 filters (conv2d_takes_pixels).
#pragma once

#include <array>
#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/launch.h"

namespace sepia::kernels {

struct Conv2dShape {
  std::int64_t batch = 0, height = 0, width = 0, in_channels = 0, out_channels = 0;
  std::int64_t kernel_h = 0, kernel_w = 0, stride = 1, padding = 0;

  constexpr std::int64_t out_height() const { return (height + 2 * padding - kernel_h) / stride + 1; }
  constexpr std::int64_t out_width() const { return (width + 2 * padding - kernel_w) / stride + 1; }
};

/// Pictures in bytes, to be normalised on load.
struct Pixels {
  const std::uint8_t* data = nullptr;  ///< (N, H, W, 3); null: there are none
  std::array<double, 3> mean{}, std{};
};

/// Whether a convolution of this shape may be given pixels: in_channels is 3, and the filter more than one tap (1x1 is a linear map of rows).
constexpr bool conv2d_takes_pixels(const Conv2dShape& s) { return s.in_channels == 3 && s.kernel_h * s.kernel_w > 1; }

template <class T>
struct Conv2dForward {
  Conv2dShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* weight;
  const Accumulator<T>* bias;  ///< may be null
  T* y;
  Pixels pixels{};  ///< if any, in place of x, and there is no prologue
};

/// Conv2dForward, and of y what the batch norm behind it wants (kernels/batch_norm.h).
template <class T>
struct Conv2dForwardStatistics {
  Conv2dForward<T> forward;
  BatchStatistics<T> statistics;  ///< of the channels of y
};

template <class T>
struct Conv2dBackwardInput {
  Conv2dShape shape;
  const T* grad_y;
  const T* weight;
  const T* x;            ///< for the mask; read only when prologue.relu
  Prologue<T> prologue;  ///< the one the forward pass applied
  T* grad_x;
  Accumulate accumulate;
};

template <class T>
struct Conv2dBackwardWeight {
  Conv2dShape shape;
  const T* x;
  Prologue<T> prologue;
  const T* grad_y;
  Accumulator<T>* grad_weight;
  Accumulator<T>* grad_bias;  ///< may be null
  Accumulate accumulate;      ///< for both
  Pixels pixels{};            ///< as Conv2dForward's
};

}  // namespace sepia::kernels
