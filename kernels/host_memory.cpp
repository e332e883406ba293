#include "kernels/host_memory.h"

#include <malloc.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "kernels/backend.h"

namespace sepia::kernels {
namespace {

constexpr std::size_t kAlignment = 64, kHugePage = std::size_t{2} << 20;

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

void* host_allocate(std::size_t bytes) {
  const std::size_t size = std::max<std::size_t>(bytes, 1);
  const bool huge = size >= kHugePage;
  void* block = nullptr;
  if (posix_memalign(&block, huge ? kHugePage : kAlignment, size) != 0) return nullptr;
  // Whole huge pages only: a block is not to take more memory than it was asked for. A system that refuses gives small pages.
  if (huge) static_cast<void>(madvise(block, size / kHugePage * kHugePage, MADV_HUGEPAGE));
  return block;
}

void host_release(void* pointer) { std::free(pointer); }

const MemoryCalls& host_memory() {
  static const MemoryCalls calls{.allocate = host_allocate, .release = host_release, .copy_from_host = copy, .copy_to_host = copy, .copy = copy,
                                 .zero = zero, .synchronize = [](const LaunchContext&) {}, .trim = trim};
  return calls;
}

}  // namespace sepia::kernels
