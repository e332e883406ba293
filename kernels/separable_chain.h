// Depthwise-separable convolutions one behind the other, and the addition that ends a residual block, for inference in one pass. NHWC.
//
//   y[i] = separable_conv_forward(stages[i])                         (kernels/separable_conv.h) for i = 0, 1, ..., count - 1 in this order
//   y    = act(y[count - 1]) + act_r(residual), in its place         (kernels/elementwise.h, AddForward) where there is a residual
//
// stages[i].x is stages[i - 1].y, and its prologue what batch norm and ReLU make of it. The same bits as kernel after kernel; but a thread
// that is done with its rows of one convolution goes on with the next one's as soon as the rows that these read are there, and waits for no other.
#pragma once

#include "kernels/separable_conv.h"

namespace sepia::kernels {

/// The most convolutions that a chain may have.
inline constexpr std::int64_t kMostSeparableStages = 8;

template <class T>
struct SeparableChainForward {
  const SeparableConvForward<T>* stages;  ///< in the host's memory
  std::int64_t count;                     ///< 1 to kMostSeparableStages
  Prologue<T> prologue;                   ///< of the last y; read only with a residual
  const T* residual;                      ///< of the last y's shape; may be null
  Prologue<T> residual_prologue;
};

}  // namespace sepia::kernels
