// Copies and memsets, carried out and checked like kernels.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt::core {

/// Copies between any two memories. What the device side reads must have been written, must lie in one allocation and must not
/// be in use by an operation that is not ordered before this one; faults are reported.
void copy_bytes(void* destination, const void* source, std::size_t bytes, std::uint32_t ordered);
void set_bytes(void* destination, int value, std::size_t bytes, std::uint32_t ordered);

}  // namespace simt::core
