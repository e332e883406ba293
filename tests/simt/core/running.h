// What the emulator knows while a kernel runs: one struct that the hooks read on every access.
#pragma once

#include <cstddef>
#include <cstdint>

#include "tests/simt/core/shadow.h"

namespace simt::core {

struct Running {
  const void* owner = nullptr;  ///< thread pointer of the host thread that runs device code; null while none does
  std::uint64_t me = 0;         ///< identity(segment, thread, stamp) of the CUDA thread that runs
  std::uint32_t segment = 0;    ///< the current one
  unsigned full_stamp = 0;      ///< of that thread's warp: accesses with a lower stamp are ordered before it by __syncwarp
  std::uint32_t block_first = 0;  ///< first segment of the current block
  std::uint32_t operation_first = 0;  ///< first segment of the current launch
  std::uint32_t ordered = 0;    ///< every operation with segments up to this one is known to be done before the current one
  Window global;                ///< the device's memory
  std::uintptr_t stacks_begin = 0;
  std::size_t stacks_bytes = 0;
  Window dynamic_shared;        ///< exactly as large as the launch asked for
  std::uintptr_t around_begin = 0;  ///< the addresses around it that belong to nothing else
  std::size_t around_bytes = 0;
  Window static_shared;         ///< the library's thread-local memory of the thread that runs
  const std::uint8_t* static_map = nullptr;  ///< per word of static_shared: does it hold a __shared__ variable?
  bool counting = false;
};

extern Running running;

/// Whether the calling host thread is inside a kernel.
inline bool in_kernel() { return __builtin_thread_pointer() == running.owner; }

}  // namespace simt::core
