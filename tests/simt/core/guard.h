// Memory that the host must keep its hands off, made so by page protection:
//   - device memory (a GPU's memory is out of the host's reach), as long as closing it does not cost too much;
//   - page-locked host memory that an asynchronous copy uses, until the host has waited for the copy.
// A touch is noted as a fault, then let through, so that the program goes on and the fault is told at the next runtime call.
#pragma once

#include <cstddef>
#include <cstdint>

namespace simt::core {

/// While one of these lives, the emulator itself may touch device memory. They nest.
class DeviceMemoryOpen {
 public:
  DeviceMemoryOpen();
  ~DeviceMemoryOpen();
  DeviceMemoryOpen(const DeviceMemoryOpen&) = delete;
  DeviceMemoryOpen& operator=(const DeviceMemoryOpen&) = delete;
};

/// The page-locked memory that one copy uses.
struct HostRange {
  std::uintptr_t begin = 0;
  std::size_t bytes = 0;
  bool written = false;  ///< by the copy: then the host must not even read it
};

/// Guards the range until release_host_range is called with the same number.
void guard_host_range(std::uint64_t number, const HostRange& range);
void release_host_range(std::uint64_t number);
/// Guarded pages are open to the emulator while it works, and closed again afterwards.
void close_host_pages();

/// Puts the touches of the host into words. Called wherever faults are asked for.
void collect_host_touches();

/// Gives signal handlers a stack of their own on this thread: a kernel's stack may be full.
class SignalStack {
 public:
  SignalStack();
  ~SignalStack();
  SignalStack(const SignalStack&) = delete;
  SignalStack& operator=(const SignalStack&) = delete;

 private:
  bool mine_ = false;
};

}  // namespace simt::core
