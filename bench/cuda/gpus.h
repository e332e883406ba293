// GPUs that times are predicted for, and the prediction: a kernel takes as long as its bytes need at the memory's rate, or its
// arithmetic at the arithmetic's, whichever is longer (the roofline model; Williams, Waterman and Patterson 2009).
#pragma once

#include <algorithm>

#include "bench/cuda/cost.h"

namespace sepia::bench {

/// Peak rates of NVIDIA's data sheets, without sparsity: memory bandwidth in bytes/s, bf16 on tensor cores and fp32 on ordinary ones in
/// FLOP/s. What is reached is less: about 90% of the bandwidth, 70 to 80% of the products.
struct Gpu {
  const char* name;
  int architecture;
  double bandwidth, tensor, fp32;
  const char* source;
};

inline constexpr Gpu kGpus[] = {
    {"A100 SXM 80GB", 80, 2.039e12, 312e12, 19.5e12, "NVIDIA A100 data sheet (2021)"},
    {"H100 SXM", 90, 3.35e12, 989e12, 67e12, "NVIDIA H100 data sheet (2023)"},
    {"H200 SXM", 90, 4.8e12, 989e12, 67e12, "NVIDIA H200 data sheet (2024)"},
    {"L4", 89, 0.3e12, 121e12, 30.3e12, "NVIDIA L4 data sheet (2023)"},
};

/// Seconds at the peak rates. Launching a kernel (3 to 5 microseconds where no graph hides it) is not in it.
inline double predicted_seconds(const Gpu& gpu, const Cost& cost, bool bf16) {
  const double rate = cost.matrix && bf16 ? gpu.tensor : gpu.fp32;
  return std::max(cost.bytes() / gpu.bandwidth, cost.flops / rate);
}

}  // namespace sepia::bench
