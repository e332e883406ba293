// Memory of the processor, as tensors, packed weights and kernel scratch are made of.
#pragma once

#include <cstddef>
#include <memory>

namespace sepia::kernels {

/// At least `bytes` bytes (never none) aligned to 64, or null when there is no memory left. Blocks of 2 MiB and more ask for huge pages:
/// a step reads hundreds of MiB, and with pages of 4 KiB each new one costs a fault and, wherever it is read again, an address to look up.
/// To be released by host_release().
void* host_allocate(std::size_t bytes);
void host_release(void* pointer);

/// A block of host_allocate() that is released with its owner.
struct HostRelease {
  void operator()(void* pointer) const { host_release(pointer); }
};
using HostBlock = std::unique_ptr<void, HostRelease>;

}  // namespace sepia::kernels
