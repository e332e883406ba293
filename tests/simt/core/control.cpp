#include "tests/simt/control.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>
#include <string>

#include "tests/simt/core/block.h"
#include "tests/simt/core/counters.h"
#include "tests/simt/core/fault.h"
#include "tests/simt/core/memory.h"
#include "tests/simt/core/runtime.h"

namespace simt::core {
namespace {

struct BeginAndEnd {
  BeginAndEnd() {
    const char* text = std::getenv("SEPIA_SIMT_SEED");
    seed_order(text ? std::strtoull(text, nullptr, 10) : 0);
  }
  ~BeginAndEnd() { print_untold_faults(); }
} begin_and_end;

std::size_t copy_faults(char* out, std::size_t capacity) {
  const DeviceLock lock(device_lock());
  std::string text;
  faults_are_told();
  for (const std::string& line : faults()) text += line + "\n";
  if (capacity > 0) {
    const std::size_t length = std::min(text.size(), capacity - 1);
    std::memcpy(out, text.data(), length);
    out[length] = '\0';
  }
  return faults().size();
}

const SimtControl control = {
    .set_seed =
        [](std::uint64_t seed) {
          const DeviceLock lock(device_lock());
          seed_order(seed);
        },
    .set_counting =
        [](int on) {
          const DeviceLock lock(device_lock());
          running.counting = on != 0;
        },
    .reset =
        [] {
          const DeviceLock lock(device_lock());
          clear_counters();
          clear_faults();
          forget_errors();
        },
    .counters =
        [](SimtKernelCounters* out, std::size_t capacity) {
          const DeviceLock lock(device_lock());
          return read_counters(out, capacity);
        },
    .faults = copy_faults,
    .live_allocations =
        [] {
          const DeviceLock lock(device_lock());
          return live_allocations().size();
        },
    .set_memory_limit =
        [](std::size_t bytes) {
          const DeviceLock lock(device_lock());
          set_device_bytes_total(bytes);
        },
};

}  // namespace
}  // namespace simt::core

extern "C" __attribute__((visibility("default"))) const SimtControl* simt_control(void) { return &simt::core::control; }
