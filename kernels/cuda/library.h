// Where a library may compute what a kernel of ours computes: matrix products by cuBLASLt, dense convolutions by cuDNN. The one place
// through which kernels reach either.
//
// A library is never trusted unseen. The first time a shape is asked for, both compute it and the results are compared; the library
// serves that shape from then on when it agreed, and ours does when it did not (library_choice.h has the rule). Neither is linked: they
// are opened when the first work of some size is asked for, and without them ours does everything.
// SEPIA_CUDA_LIBRARIES=off keeps both out; =fastest takes a library only where it was faster on the spot as well, so that the choice, and
// with it the last bits, may change from run to run.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "kernels/conv2d.h"

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

/// Computes `product`, by `ours` (which must do just that) or by cuBLASLt. Raises Error(kInternal) when a CUDA call fails.
template <class T, class Result>
void compute_product(const LaunchContext& context, const Product<T, Result>& product, const std::function<void()>& ours);

enum class ConvolutionPart : std::uint8_t { kForward, kBackwardInput, kBackwardWeight };

/// One part of a dense convolution (formulas: kernels/conv2d.h) without prologue, mask and bias: the result is y, grad_x or grad_weight,
/// of two operands. The third pointer is null.
template <class T, class Result>
struct Convolution {
  ConvolutionPart part;
  Conv2dShape shape;
  const T* x;       ///< (N, H, W, C)
  const T* weight;  ///< (K, R, S, C)
  const T* grad_y;  ///< (N, P, Q, K)
  Result* result;
  Accumulate accumulate;
};

/// Computes `convolution`, by `ours` (which must do just that) or by cuDNN. Raises Error(kInternal) when a CUDA call fails.
template <class T, class Result>
void compute_convolution(const LaunchContext& context, const Convolution<T, Result>& convolution, const std::function<void()>& ours);

/// The libraries that this process finds, with their versions, or why there is none: "cuBLASLt 13.1.0, cuDNN 9.19.0". Opens them.
std::string describe_libraries();

}  // namespace sepia::kernels::cuda
