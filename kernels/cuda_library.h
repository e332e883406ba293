// What libsepia_cuda.so (and its emulated twin libsepia_simt.so) export: one function. The engine opens the library when a CUDA
// device is first asked for, so that a CPU command starts without it and runs on machines that have no CUDA.
#pragma once

#include <cstddef>

#include "kernels/backend.h"

namespace sepia::kernels::cuda {

struct OpenRequest {
  int device;                  ///< index among the machine's CUDA devices
  std::size_t interface_size;  ///< sizeof(Backend) + sizeof(KernelTable<float>): a library of other sources is refused
  char* message;               ///< receives the reason of a failure; zeroed by the caller
  std::size_t message_capacity;
};

/// The type of `sepia_cuda_open`: the backend of a device, or null and a message of one line.
using Open = const Backend* (*)(const OpenRequest*);
inline constexpr const char* kOpenSymbol = "sepia_cuda_open";

/// The type of `sepia_cuda_time`, for benchmarks: milliseconds of the device between two events, one before and one behind what `work`
/// puts on the context's stream. Waits for it. Raises Error(kInternal) when the device refuses.
using Time = double (*)(const LaunchContext&, void (*work)(void* data), void* data);
inline constexpr const char* kTimeSymbol = "sepia_cuda_time";

/// The type of `sepia_cuda_libraries`: which of cuBLASLt and cuDNN this process finds, in words ("cuBLASLt 13.1.0, cuDNN 9.19.0").
/// Opens them.
using Libraries = const char* (*)();
inline constexpr const char* kLibrariesSymbol = "sepia_cuda_libraries";

/// The type of `sepia_cuda_plan`, for tests without a GPU: what cuDNN would do with a part of a convolution (0 forward, 1 backward input,
/// 2 backward weight) on a device that is only described (kernels/cuda/cudnn_convolution.h). Valid until the next call.
struct PlanRequest {
  int part;
  Conv2dShape shape;
  DType operand_type, result_type;
  Accumulate accumulate;
  const char* device;
};
using DescribePlan = const char* (*)(const PlanRequest*);
inline constexpr const char* kPlanSymbol = "sepia_cuda_plan";

}  // namespace sepia::kernels::cuda
