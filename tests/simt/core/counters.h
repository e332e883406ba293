// Counters: what a GPU's profiler would report of a kernel's memory traffic. Each thread logs its accesses; at every barrier
// the logs of a warp's lanes are laid side by side, the k-th execution of an instruction by one lane beside the k-th by the
// others, and each such row is one request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "tests/simt/control.h"

namespace simt::core {

/// A launch of `kernel` begins; what follows counts for it.
void count_launch(const std::string& kernel, std::uint64_t blocks, std::uint64_t block_threads, std::uint64_t dynamic_shared_bytes);
/// Everything up to here has been done by all threads of the block: turns the logs into requests.
void count_interval();
void count_barrier();
void count_warp_barrier();
void count_flops(std::uint64_t flops);

std::size_t read_counters(SimtKernelCounters* out, std::size_t capacity);
void clear_counters();

}  // namespace simt::core
