// The library of CUDA kernels, found and opened when a CUDA device is first asked for.
#pragma once

#include <string>

#include "kernels/backend.h"

namespace sepia {

/// The CUDA backend of device `index`, from the library that SEPIA_CUDA_BACKEND names, else from libsepia_cuda.so beside this
/// library or where the system looks for libraries. Null when there is none; `reason` then says why in a few words
/// ("this sepia was built without CUDA"). Opened once; one device per process.
const kernels::Backend* find_cuda_backend(int index, std::string& reason);

/// Which of cuBLASLt and cuDNN the opened library of CUDA kernels finds, in words; empty before find_cuda_backend opened one.
std::string cuda_libraries();

}  // namespace sepia
