// What this machine can do at most, measured: how fast bytes move and how fast numbers multiply.
#pragma once

#include <cstdint>
#include <functional>

#include "engine/tensor/tensor.h"

namespace sepia::tools {

struct Ceilings {
  double copy_bytes_per_s = 0;  ///< of one large copy, bytes read and bytes written both counted
  double gemm_flops_per_s = 0;  ///< of one large matrix product in the chosen precision, 2 per multiply-add
};

/// Measures both with the number of threads that is set, through the backend that the network runs on: the copy by its memory calls (on
/// a host backend one stretch per thread), the product by its kernel `linear_forward`.
class CeilingBench {
 public:
  /// Takes memory (128 MiB per thread on the CPU) and runs both once, untimed.
  CeilingBench(Device device, DType dtype);
  /// The best of a few tries of each: a ceiling is what the machine reaches when nothing else takes it.
  Ceilings measure() const;

 private:
  void copy() const;
  void product() const;

  Device device_;
  DType dtype_;
  std::int64_t products_ = 1;  // in one measurement, so that it lasts long enough for a clock
  Tensor from_, to_, x_, weight_, y_;
};

}  // namespace sepia::tools
