#include "kernels/backend.h"

namespace sepia::kernels {

// The vectorised kernels arrive op by op; until the table is complete the CPU device computes with the textbook loops.
const Backend& cpu_backend() {
  static const Backend backend{.name = "cpu", .float32 = reference_backend().float32, .float64 = nullptr, .bfloat16 = nullptr, .memory = host_memory()};
  return backend;
}

}  // namespace sepia::kernels
