// Max pooling and global average pooling, NHWC.
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels {

/// Windows of kernel x kernel; padding counts as minus infinity. P = (H + 2 padding + extra_end - kernel) / stride + 1: extra_end
/// more rows and columns of padding at the bottom and to the right (Keras pads so), which only windows that overlap may have.
struct MaxPoolShape {
  std::int64_t batch = 0, height = 0, width = 0, channels = 0, kernel = 2, stride = 2, padding = 0, extra_end = 0;

  constexpr std::int64_t out_height() const { return (height + 2 * padding + extra_end - kernel) / stride + 1; }
  constexpr std::int64_t out_width() const { return (width + 2 * padding + extra_end - kernel) / stride + 1; }
};

/// y[n, p, q, c] = max over the window of act(x). The first maximum in scan order (rows, then columns) wins and NaN wins over all,
/// as in PyTorch. index holds the winner as r * kernel + s, so that backward needs neither x nor y: kernel <= 16.
template <class T>
struct MaxPoolForward {
  MaxPoolShape shape;
  const T* x;
  Prologue<T> prologue;
  T* y;
  std::uint8_t* index;  ///< (N, P, Q, C); may be null when no backward will follow
};

/// grad_x[n, h, w, c] = sum of grad_y over the windows whose winner is (h, w): a gather, no atomics. Where y <= 0 and the prologue
/// has a ReLU nothing passes (the ReLU of the winner was closed): grad_x is the gradient at the prologue's affine output.
template <class T>
struct MaxPoolBackward {
  MaxPoolShape shape;
  const T* grad_y;
  const std::uint8_t* index;
  const T* y;  ///< the forward result; read only when relu
  bool relu;   ///< prologue.relu of the forward pass
  T* grad_x;
  Accumulate accumulate;
};

/// y[n, c] = 1/(positions) sum_i act(x)[n, i, c]; x (N, positions, C), y (N, C).
template <class T>
struct GlobalAvgPoolForward {
  std::int64_t batch, positions, channels;
  const T* x;
  Prologue<T> prologue;
  T* y;
};

/// grad_x[n, i, c] = mask * grad_y[n, c] / positions.
template <class T>
struct GlobalAvgPoolBackward {
  std::int64_t batch, positions, channels;
  const T* grad_y;
  const T* x;  ///< read only when prologue.relu
  Prologue<T> prologue;
  T* grad_x;
  Accumulate accumulate;
};

}  // namespace sepia::kernels
