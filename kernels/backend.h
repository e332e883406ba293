// A backend: one table of kernels per element type, and the memory calls of its device.
//
//   reference  textbook loops in float and double: what every op means; whole networks run on it in double
//   cpu        vectorised, threaded
// A CUDA backend is a shared library that exports such a struct; the rest of the code does not know the difference.
#pragma once

#include <cstddef>
#include <type_traits>

#include "kernels/op_list.h"

namespace sepia::kernels {

/// One function pointer per kernel of op_list.h, for element type T; those of fused kernels may be null.
template <class T>
struct KernelTable {
#define SEPIA_DECLARE(name, Args) void (*name)(const LaunchContext&, const Args<T>&);
  SEPIA_KERNELS(SEPIA_DECLARE)
#undef SEPIA_DECLARE
#define SEPIA_DECLARE(name, Args) void (*name)(const LaunchContext&, const Args<T>&) = nullptr;
  SEPIA_FUSED_KERNELS(SEPIA_DECLARE)
#undef SEPIA_DECLARE
};

/// Memory of the backend's device. allocate returns null when there is none left (the caller raises kMemory); pointers are aligned
/// to 64 bytes. Everything is in the order of the stream. copy_from_host may return before the device has the bytes, but the host's
/// may be overwritten then; copy_to_host returns when they have arrived.
struct MemoryCalls {
  void* (*allocate)(std::size_t bytes);
  void (*release)(void* pointer);
  void (*copy_from_host)(const LaunchContext&, void* destination, const void* source, std::size_t bytes);
  void (*copy_to_host)(const LaunchContext&, void* destination, const void* source, std::size_t bytes);
  void (*copy)(const LaunchContext&, void* destination, const void* source, std::size_t bytes);
  void (*zero)(const LaunchContext&, void* destination, std::size_t bytes);
  void (*synchronize)(const LaunchContext&);
  void (*trim)() = nullptr;  ///< gives released memory that the allocator still keeps back to the system; null: it keeps none
};

/// A stretch of work on a context's stream, recorded once and started again by one call (a CUDA graph): the same kernels with the
/// same arguments on the same memory. Between begin_capture and end_capture nothing runs, and nothing may allocate, release or wait.
/// All raise Error(kInternal) when the device refuses.
struct GraphCalls {
  void (*begin_capture)(const LaunchContext&);
  void* (*end_capture)(const LaunchContext&);  ///< the graph, ready to launch; release() it
  void (*abandon_capture)(const LaunchContext&);  ///< instead of end_capture when recording failed; does not throw
  void (*launch)(const LaunchContext&, void* graph);
  void (*release)(void* graph);
};

/// Tables that a backend does not have are null, and so is `graph` on host backends.
struct Backend {
  const char* name;
  const KernelTable<float>* float32;
  const KernelTable<double>* float64;
  const KernelTable<bf16>* bfloat16;
  MemoryCalls memory;
  const GraphCalls* graph = nullptr;
  const char* device = "";  ///< what runs it: "NVIDIA H100 80GB HBM3 (sm_90)"; empty on host backends
  /// May be null. From a call of hold_weights to the matching release_weights (they nest) nobody writes to weights on this device, so
  /// that kernels may keep them as they multiply them best; from any thread, but not while kernels run.
  void (*hold_weights)() = nullptr;
  void (*release_weights)() = nullptr;
  bool conv2d_reads_pixels = false;  ///< conv2d's and conv2d_pool's kernels take Pixels in place of x (kernels/conv2d.h)
  bool emulated = false;    ///< a CUDA device that is only imitated, for tests

  template <class T>
  const KernelTable<T>* table() const {
    if constexpr (std::is_same_v<T, float>) return float32;
    if constexpr (std::is_same_v<T, double>) return float64;
    if constexpr (std::is_same_v<T, bf16>) return bfloat16;
  }
};

const Backend& reference_backend();
const Backend& cpu_backend();

/// Plain host memory, shared by the two host backends.
const MemoryCalls& host_memory();

}  // namespace sepia::kernels
