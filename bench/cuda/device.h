// The device that cuda_bench works on: a GPU through libsepia_cuda.so, or without one the emulator in libsepia_simt.so.
#pragma once

#include <filesystem>
#include <functional>
#include <string>

#include "kernels/cuda_library.h"
#include "tests/simt/control.h"

namespace sepia::bench {

struct CudaDevice {
  const kernels::Backend* backend = nullptr;
  kernels::cuda::Time time = nullptr;   ///< on a GPU
  const SimtControl* simt = nullptr;    ///< on the emulator
  std::string why_emulated;             ///< what was said when a GPU was looked for
};

/// The library named by SEPIA_CUDA_BACKEND; without it libsepia_cuda.so, and where that finds no GPU libsepia_simt.so, both beside this
/// program. Raises Error(kUsage) when there is neither.
CudaDevice open_cuda_device(const std::filesystem::path& beside);

/// Times work on a GPU: the second-level cache is overwritten before each run, and the median of `runs` counts.
class Stopwatch {
 public:
  Stopwatch(const CudaDevice& device, int runs);
  ~Stopwatch();
  Stopwatch(const Stopwatch&) = delete;
  Stopwatch& operator=(const Stopwatch&) = delete;

  double seconds(const std::function<void()>& work) const;
  /// Bytes read and written per second by the driver's own copy of 512 MiB: what rates are shares of.
  double copy_rate() const { return copy_rate_; }

 private:
  double once(const std::function<void()>& work) const;

  const CudaDevice& device_;
  int runs_;
  void *flush_ = nullptr, *other_ = nullptr;
  double copy_rate_ = 0;
};

}  // namespace sepia::bench
