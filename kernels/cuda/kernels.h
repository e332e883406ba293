// Declarations of the CUDA kernels' launchers, made from op_list.h. Each is instantiated for float and bf16 in <op>.cu.
#pragma once

#include "kernels/op_list.h"

namespace sepia::kernels::cuda {

#define SEPIA_DECLARE(name, Args) \
  template <class T>              \
  void name(const LaunchContext&, const Args<T>&);
SEPIA_KERNELS(SEPIA_DECLARE)
#undef SEPIA_DECLARE

/// At the end of <op>.cu: the launcher `name` for both element types.
#define SEPIA_INSTANTIATE(name, Args)                                \
  template void name<float>(const LaunchContext&, const Args<float>&); \
  template void name<bf16>(const LaunchContext&, const Args<bf16>&);

}  // namespace sepia::kernels::cuda
