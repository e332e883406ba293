// Devices and the backend that serves each.
#pragma once

#include <cstdint>
#include <iosfwd>
#include <memory>
#include <string>

#include "engine/base/arena.h"
#include "kernels/backend.h"

namespace sepia {

/// kReference and kCpu share host memory and differ in kernels; a tensor's device says which run on it.
enum class DeviceKind : std::uint8_t { kReference, kCpu, kCuda };

struct Device {
  DeviceKind kind = DeviceKind::kCpu;
  int index = 0;

  bool operator==(const Device&) const = default;
  bool on_host() const { return kind != DeviceKind::kCuda; }
};

inline constexpr Device kReferenceDevice{DeviceKind::kReference, 0};
inline constexpr Device kCpuDevice{DeviceKind::kCpu, 0};

/// "reference", "cpu", "cuda:0": what --device takes and a run's settings keep.
std::string device_name(Device device);
std::ostream& operator<<(std::ostream& out, Device device);

/// The backend of a device. Throws kUsage when this build or machine has none.
const kernels::Backend& backend_of(Device device);
/// The arena that this device's tensors live in.
const std::shared_ptr<StepArena>& arena_of(Device device);

/// A step of the arena of `device` for as long as it lives: see StepArena.
class StepScope {
 public:
  StepScope(Device device, const std::string& kind) : arena_(*arena_of(device)) { arena_.begin_step(kind); }
  ~StepScope() { arena_.end_step(); }
  StepScope(const StepScope&) = delete;
  StepScope& operator=(const StepScope&) = delete;

 private:
  StepArena& arena_;
};

}  // namespace sepia
