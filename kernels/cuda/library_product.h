// Matrix products by cuBLASLt where it is there, right and faster: the one place that calls a library for what kernels do.
//
// A library's product is never trusted unseen. The first time a shape is asked for, both ours (detail/gemm.cuh) and the library's are
// computed and compared; the library serves that shape from then on only when it agreed and took less time. It is not linked:
// libcublasLt is opened when the first product of some size is asked for, and without it ours does everything.
// SEPIA_CUDA_LIBRARIES=off keeps it out.
#pragma once

#include <cstdint>
#include <functional>

#include "kernels/launch.h"

namespace sepia::kernels::cuda {

/// c (m, n) = a (m, k) b (n, k)^T, or c += that. Row-major; a may lie transposed as (k, m), b as (k, n).
template <class T, class Result>
struct Product {
  std::int64_t m, n, k;
  const T* a;
  bool a_transposed;
  const T* b;
  bool b_transposed;
  Result* c;
  Accumulate accumulate;
};

/// Computes `product`, by `ours` (which must do just that) or by the library. Raises Error(kInternal) when a CUDA call fails.
template <class T, class Result>
void compute_product(const LaunchContext& context, const Product<T, Result>& product, const std::function<void()>& ours);

}  // namespace sepia::kernels::cuda
