#include "engine/tensor/device.h"

#include <ostream>

#include "engine/base/error.h"

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
    case DeviceKind::kCuda: break;
  }
  fail(ErrorKind::kUsage, "device ", device_name(device), " is not available in this build; use --device cpu");
}

const std::shared_ptr<StepArena>& arena_of(Device device) {
  // One thread runs a model's steps; a thread of its own (a test, a second model) gets arenas of its own.
  thread_local std::shared_ptr<StepArena> reference, cpu;
  const kernels::MemoryCalls& memory = backend_of(device).memory;  // first of all: throws when there is no such device
  std::shared_ptr<StepArena>& arena = device.kind == DeviceKind::kReference ? reference : cpu;
  if (!arena) {
    arena = std::make_shared<StepArena>(MemorySource{.allocate = memory.allocate, .release = memory.release});
  }
  return arena;
}

}  // namespace sepia
