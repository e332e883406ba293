#include <malloc.h>

#include <cstdlib>
#include <cstring>

#include "kernels/backend.h"

namespace sepia::kernels {
namespace {

constexpr std::size_t kAlignment = 64;

void* allocate(std::size_t bytes) {
  const std::size_t rounded = (bytes + kAlignment - 1) / kAlignment * kAlignment;
  return std::aligned_alloc(kAlignment, rounded ? rounded : kAlignment);
}

void copy(const LaunchContext&, void* destination, const void* source, std::size_t bytes) {
  if (bytes) std::memcpy(destination, source, bytes);
}

void zero(const LaunchContext&, void* destination, std::size_t bytes) {
  if (bytes) std::memset(destination, 0, bytes);
}

// glibc takes blocks below 32 MiB from its heap once one such block has been released, and keeps what is released there.
void trim() {
#if defined(__GLIBC__)
  malloc_trim(0);
#endif
}

}  // namespace

const MemoryCalls& host_memory() {
  static const MemoryCalls calls{.allocate = allocate, .release = std::free, .copy_from_host = copy, .copy_to_host = copy, .copy = copy,
                                 .zero = zero, .synchronize = [](const LaunchContext&) {}, .trim = trim};
  return calls;
}

}  // namespace sepia::kernels
