// A dense convolution with few channels, a ReLU and 2x2 max pooling of stride 2 in one pass: the convolution's output, written as v below,
// is never in memory as a whole, nor is its gradient. NHWC.
//
//   v[n, h, w, k] = bias[k] + sum_{r, s, c} act(x)[n, h + r - padding, w + s - padding, c] * weight[k, r, s, c]
//   y[n, p, q, k] = max over h in {2p, 2p + 1}, w in {2q, 2q + 1} of relu(v)[n, h, w, k]      (relu only where asked for)
//
//   x (N, H, W, C)   weight (K, R, S, C)   bias (K) or null   v (N, P', Q', K)   y (N, P, Q, K)   P = P' / 2, Q = Q' / 2, rounded down
// act, P' and Q' are those of kernels/conv2d.h; v is rounded to T, and who wins a window is what kernels/pooling.h says: the bits of
// conv2d_forward and max_pool_forward one after the other. Backward gives those of max_pool_backward and then conv2d_backward_weight
// and conv2d_backward_input.
#pragma once

#include <algorithm>

#include "kernels/conv2d.h"

namespace sepia::kernels {

/// Whether the fused kernels are for this convolution. With more channels its products outweigh what pooling at once saves; outputs are even
/// in number because bf16 kernels take them in pairs.
constexpr bool conv2d_pool_takes(const Conv2dShape& s) {
  return s.in_channels <= 24 && s.out_channels <= 24 && s.out_channels % 2 == 0 && s.stride == 1 && s.padding < std::min(s.kernel_h, s.kernel_w) &&
         s.kernel_h * s.kernel_w > 1 && s.out_height() >= 2 && s.out_width() >= 2;
}

template <class T>
struct Conv2dPoolForward {
  Conv2dShape shape;  ///< of the convolution; conv2d_pool_takes(shape)
  const T* x;
  Prologue<T> prologue;
  const T* weight;
  const Accumulator<T>* bias;  ///< may be null
  bool relu;
  T* y;
  std::uint8_t* index;  ///< (N, P, Q, K), the winners as in MaxPoolForward; may be null when no backward will follow
  Pixels pixels{};      ///< as Conv2dForward's
};

template <class T>
struct Conv2dPoolBackward {
  Conv2dShape shape;
  const T* grad_y;
  const std::uint8_t* index;
  const T* y;  ///< the forward result; read only when relu
  bool relu;
  const T* x;
  Prologue<T> prologue;  ///< of x
  const T* weight;
  T* grad_x;  ///< at the prologue's affine output, as Conv2dBackwardInput's; null when not wanted
  Accumulate accumulate_x;
  Accumulator<T>* grad_weight;  ///< null when not wanted, and then grad_bias too
  Accumulator<T>* grad_bias;    ///< may be null
  Accumulate accumulate_weight;
  Pixels pixels{};  ///< as Conv2dForward's; grad_x is not wanted then
};

}  // namespace sepia::kernels
