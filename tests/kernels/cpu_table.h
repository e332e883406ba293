// The kernel table of the CPU backend, as tests name it.
#pragma once

#include "kernels/backend.h"

namespace sepia::test {

inline const kernels::KernelTable<float>& cpu_table() { return *kernels::cpu_backend().float32; }

}  // namespace sepia::test
