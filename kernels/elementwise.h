// Element-wise kernels: carrying out a pending affine and ReLU, sums of branches, pictures to network input.
#pragma once

#include <array>

#include "kernels/launch.h"

namespace sepia::kernels {

/// y[m, c] = act(x)[m, c]: the pending affine and ReLU carried out. x, y (M, C).
template <class T>
struct AffineReluForward {
  std::int64_t rows, channels;
  const T* x;
  Prologue<T> prologue;
  T* y;
};

/// grad_x[m, c] = grad_y[m, c] where the ReLU was open, else 0: the gradient at the prologue's *affine output*, not at x.
template <class T>
struct AffineReluBackward {
  std::int64_t rows, channels;
  const T* x;
  Prologue<T> prologue;
  const T* grad_y;
  T* grad_x;
  Accumulate accumulate;
};

/// y = act_a(a) + act_b(b), all (M, C).
template <class T>
struct AddForward {
  std::int64_t rows, channels;
  const T* a;
  Prologue<T> prologue_a;
  const T* b;
  Prologue<T> prologue_b;
  T* y;
};

/// destination = source, or destination += source.
template <class T>
struct AccumulateInto {
  std::int64_t count;
  const T* source;
  T* destination;
  Accumulate accumulate;
};

/// y[n, h, w, c] = (pixel[n, h, w, c] / 255 - mean[c]) / std[c], pixels (N, H, W, 3) in bytes.
template <class T>
struct ImagesToInput {
  std::int64_t batch, height, width;
  const std::uint8_t* pixels;
  std::array<double, 3> mean, std;
  T* y;
};

}  // namespace sepia::kernels
