// Declarations of the fast CPU kernels, made from op_list.h: each for float and for bf16 activations.
#pragma once

#include "kernels/op_list.h"

namespace sepia::kernels::cpu {

#define SEPIA_DECLARE(name, Args)                      \
  void name(const LaunchContext&, const Args<float>&); \
  void name(const LaunchContext&, const Args<bf16>&);
SEPIA_KERNELS(SEPIA_DECLARE)
SEPIA_FUSED_KERNELS(SEPIA_DECLARE)
#undef SEPIA_DECLARE

}  // namespace sepia::kernels::cpu
