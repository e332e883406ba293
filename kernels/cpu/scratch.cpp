#include "kernels/cpu/scratch.h"

#include <array>

#include "engine/base/error.h"
#include "kernels/host_memory.h"

namespace sepia::kernels::cpu {
namespace {

struct Buffer {
  HostBlock memory;
  std::int64_t count = 0;
};
thread_local std::array<Buffer, static_cast<std::size_t>(Scratch::kCount)> t_buffers;

}  // namespace

float* scratch(Scratch slot, std::int64_t count) {
  constexpr std::int64_t kGrain = 4096;  // grow by pages: nearby shapes share a buffer
  Buffer& buffer = t_buffers[static_cast<std::size_t>(slot)];
  if (buffer.count < count || !buffer.memory) {
    const std::int64_t rounded = (count / kGrain + 1) * kGrain;
    const auto bytes = static_cast<std::size_t>(rounded) * sizeof(float);
    buffer.memory.reset();  // the old contents are not wanted: free before asking for more
    buffer.count = 0;
    buffer.memory.reset(host_allocate(bytes));
    SEPIA_CHECK_KIND(buffer.memory, ErrorKind::kMemory, "no memory for ", bytes, " bytes of kernel scratch; use a smaller batch");
    buffer.count = rounded;
  }
  return static_cast<float*>(buffer.memory.get());
}

}  // namespace sepia::kernels::cpu
