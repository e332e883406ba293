#include "engine/tensor/device.h"

#include <ostream>

#include <array>

#include "engine/base/error.h"
#include "engine/tensor/cuda_library.h"

namespace sepia {

std::string device_name(Device device) {
  switch (device.kind) {
    case DeviceKind::kReference: return "reference";
    case DeviceKind::kCpu: return "cpu";
    case DeviceKind::kCuda: return "cuda:" + std::to_string(device.index);
  }
  return "?";
}

std::ostream& operator<<(std::ostream& out, Device device) { return out << device_name(device); }

const kernels::Backend& backend_of(Device device) {
  switch (device.kind) {
    case DeviceKind::kReference: return kernels::reference_backend();
    case DeviceKind::kCpu: return kernels::cpu_backend();
    case DeviceKind::kCuda: {
      struct Opened {
        int index;
        const kernels::Backend* backend;
      };
      thread_local Opened opened{-1, nullptr};  // asked for by every op: no lock and no look-up after the first time
      if (opened.index == device.index) return *opened.backend;
      std::string reason;
      const kernels::Backend* backend = find_cuda_backend(device.index, reason);
      SEPIA_CHECK(backend, "--device ", device_name(device), ": ", reason, "; use --device cpu");
      opened = {device.index, backend};
      return *backend;
    }
  }
  fail(ErrorKind::kInternal, "[device] unknown kind");
}

const std::shared_ptr<StepArena>& arena_of(Device device) {
  // A step is one thread's: threads that run steps at the same time (pictures of one batch, a second model) have arenas of their own.
  thread_local std::array<std::shared_ptr<StepArena>, 3> arenas;
  const kernels::MemoryCalls& memory = backend_of(device).memory;  // first of all: throws when there is no such device
  std::shared_ptr<StepArena>& arena = arenas[static_cast<std::size_t>(device.kind)];
  if (!arena) {
    arena = std::make_shared<StepArena>(MemorySource{.allocate = memory.allocate, .release = memory.release, .trim = memory.trim});
  }
  return arena;
}

}  // namespace sepia
