// Declarations of the fast CPU kernels, made from op_list.h.
#pragma once

#include "kernels/op_list.h"

namespace sepia::kernels::cpu {

#define SEPIA_DECLARE(name, Args) void name(const LaunchContext&, const Args<float>&);
SEPIA_KERNELS(SEPIA_DECLARE)
#undef SEPIA_DECLARE

}  // namespace sepia::kernels::cpu
