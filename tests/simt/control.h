// How a test talks to the emulator inside libsepia_simt.so: plain C structs, so that no C++ type crosses the border.
//     auto* control = reinterpret_cast<const SimtControl* (*)()>(dlsym(library, "simt_control"))();
// The environment variable SEPIA_SIMT_SEED sets the first seed, SEPIA_SIMT_MEMORY the device's memory in bytes.
#pragma once

#include <stddef.h>
#include <stdint.h>

extern "C" {

/// What one kernel did since the last reset, summed over its launches. Counted only while counting is on.
struct SimtKernelCounters {
  char kernel[512];          ///< "sum_rows<256>": the function without namespaces and arguments
  uint64_t launches;
  uint64_t threads;
  uint64_t load_bytes;       ///< asked for from global memory; bytes that several lanes ask for in one instruction count once
  uint64_t load_sectors;     ///< distinct 32-byte sectors per warp instruction, as a GPU's L1 requests them
  uint64_t store_bytes;      ///< likewise written
  uint64_t store_sectors;
  uint64_t atomic_bytes;     ///< atomics on global memory, every lane counted
  uint64_t shared_requests;  ///< warp instructions that touch shared memory
  uint64_t shared_wavefronts;
  uint64_t bank_conflicts;   ///< wavefronts beyond the least that the instruction's width needs
  uint64_t barriers;         ///< __syncthreads passed, once per block
  uint64_t warp_barriers;    ///< __syncwarp passed, once per warp
  uint64_t mma;              ///< floating-point operations of tensor-core instructions
  uint64_t blocks;
  uint64_t dynamic_shared_bytes;  ///< the most that a launch asked for, per block
};

struct SimtControl {
  /// Chooses the order of blocks, of threads between barriers and of streams, from the next launch on.
  void (*set_seed)(uint64_t seed);
  /// Counters cost time: off at first.
  void (*set_counting)(int on);
  /// Drops counters and recorded faults. Memory and streams stay.
  void (*reset)(void);
  /// Fills up to `capacity` entries, one per kernel in the order of first launch; returns how many kernels there are.
  size_t (*counters)(SimtKernelCounters* out, size_t capacity);
  /// Writes the faults as text, one per line, cut at `capacity` bytes (always terminated); returns how many there are.
  size_t (*faults)(char* out, size_t capacity);
  /// Device allocations not yet freed.
  size_t (*live_allocations)(void);
  /// Memory that cudaMalloc may hand out in all; 0 restores the default.
  void (*set_memory_limit)(size_t bytes);
};

/// The one control struct of the library; never null.
const SimtControl* simt_control(void);

}  // extern "C"
