// cuDNN as far as convolutions need it, below the choice in library_convolution.cu. Without cuDNN's headers at build time (SEPIA_CUDNN)
// it is never found.
#pragma once

#include <cuda_runtime.h>

#include <string>

#include "kernels/cuda/library.h"
#include "kernels/cuda/library_choice.h"

namespace sepia::kernels::cuda {

/// A Convolution without its types: what cuDNN is told.
struct CudnnTask {
  ConvolutionPart part;
  Conv2dShape shape;
  DType operand_type, result_type;
  Accumulate accumulate;
  const void* x;
  const void* weight;
  const void* grad_y;
  const void* result;  ///< where it lies when it is not on trial
};

/// Whether there is a cuDNN for this host thread. Opens it at the first call.
bool cudnn_found();
/// "cuDNN 9.19.0", or why there is none.
std::string describe_cudnn();

/// Computes the task into `result`, by a plan that is made when the key is new: the first that cuDNN proposes which is deterministic,
/// computes in float as it is, and fits kLibraryWorkspace. False when there is none, or cuDNN reports an error.
bool cudnn_convolution(const LaunchContext& context, const WorkKey& key, const CudnnTask& task, void* result);

/// What cudnn_convolution would do on a device that is only described, in the JSON in which cuDNN writes down a device's properties:
/// "engine 62, tensor cores, 131 bytes", "no engine", or "no cuDNN" when it is not there or does not take the description.
std::string describe_cudnn_plan(const CudnnTask& task, const std::string& device);

}  // namespace sepia::kernels::cuda
