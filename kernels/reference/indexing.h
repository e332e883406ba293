// Where the elements of NHWC arrays lie, and which output a tap of a window belongs to. Shared by the window kernels.
#pragma once

#include "kernels/launch.h"

namespace sepia::kernels::reference {

/// Index of element (n, h, w, c) in a row-major array (N, height, width, channels). Filters (K, R, S, C) are stored the same way.
struct Nhwc {
  std::int64_t height, width, channels;
  std::int64_t operator()(std::int64_t n, std::int64_t h, std::int64_t w, std::int64_t c) const {
    return ((n * height + h) * width + w) * channels + c;
  }
};

/// Whether position i lies in the array and not in its padding.
inline bool inside(std::int64_t i, std::int64_t size) {
  return 0 <= i && i < size;
}

/// The output p whose window has its tap r at input h, that is p * stride + r - padding = h; -1 when there is none.
inline std::int64_t output_with_tap_at(std::int64_t h, std::int64_t r, std::int64_t stride, std::int64_t padding, std::int64_t outputs) {
  const std::int64_t distance = h + padding - r;
  if (distance < 0 || distance % stride != 0 || distance / stride >= outputs) return -1;
  return distance / stride;
}

/// Whether a gradient passes the prologue's ReLU at x[i], channel c. x is not read without a ReLU, so it may be null then.
template <class T>
bool mask_open(const Prologue<T>& prologue, const T* x, std::int64_t i, std::int64_t c) {
  return !prologue.relu || prologue_passes(prologue, x[i], c);
}

}  // namespace sepia::kernels::reference
