// Scratch memory for partial results between the kernels of one op.
#pragma once

#include <cstddef>

#include "kernels/launch.h"

namespace sepia::kernels::cuda::detail {

/// At least `bytes` bytes of device memory, aligned to 256, for the kernels that this launcher starts on the context's stream. The
/// next call on the same stream may hand out the same bytes: what lies there must have been used up by kernels started before it.
/// Grows outside graph capture only (the step that warms up before a capture has asked for as much). Throws kMemory.
void* scratch_bytes(const LaunchContext& context, std::size_t bytes);

template <class A>
A* scratch(const LaunchContext& context, std::int64_t count) {
  return static_cast<A*>(scratch_bytes(context, static_cast<std::size_t>(count) * sizeof(A)));
}

}  // namespace sepia::kernels::cuda::detail
