// Special ways of the dense convolution. Each launcher takes any arguments and says whether it took them; conv2d.cu has the general way.
#pragma once

#include "kernels/conv2d.h"

namespace sepia::kernels::cuda {

/// Few input channels, bf16 (conv2d_narrow.cu).
bool conv2d_narrow_forward(const LaunchContext& context, const Conv2dForward<bf16>& a);
bool conv2d_narrow_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<bf16>& a);

inline bool conv2d_narrow_forward(const LaunchContext&, const Conv2dForward<float>&) {
  return false;
}
inline bool conv2d_narrow_backward_weight(const LaunchContext&, const Conv2dBackwardWeight<float>&) {
  return false;
}

}  // namespace sepia::kernels::cuda
