// Linear map of rows = pointwise convolution (formulas: kernels/linear.h). Every direction is one product of the shared kernel in
// detail/gemm.cuh, which has the mapping, the tiles and why it is deterministic:
//
//                          result (M, N)               A (M, k)                       B (N, k)
//   linear_forward         y (rows, out)               act(x), k along memory         weight, k along memory
//   linear_backward_input  grad_x (rows, in)           grad_y, k along memory         weight, n along memory
//   linear_backward_weight grad_weight (out, in)       grad_y, m along memory         act(x), n along memory
// (grad_bias: the sums of grad_y over its rows.)
//
// Cost: 2 rows in out FLOP each; x, y and weight once from memory (backward input with a ReLU reads x as well). The pointwise layers of the
// networks have 32 to 728 channels: 20 to 360 FLOP per byte in bf16, so bandwidth bounds edgenet's, tensor cores xception's.
// act(x) is computed on the way from global to shared memory; what needs no arithmetic is copied asynchronously.
// Products without bias, prologue and mask (xception's pointwise layers) go to cuBLASLt where it agrees with ours: library.h.
#include "kernels/cuda/detail/gemm_launch.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/library.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

void check_shape(const LinearShape& s) {
  check_size(s.rows * s.in_features);
  check_size(s.rows * s.out_features);
  check_size(s.in_features * s.out_features);
}

template <class T>
MatrixSource<T> matrix(const T* base, std::int64_t rows, std::int64_t columns) {
  return {base, static_cast<int>(rows), static_cast<int>(columns), static_cast<int>(columns)};
}

}  // namespace

template <class T>
void linear_forward(const LaunchContext& context, const LinearForward<T>& a) {
  const auto& s = a.shape;
  check_shape(s);
  auto problem = gemm_problem<T>(matrix(a.x, s.rows, s.in_features), matrix(a.weight, s.out_features, s.in_features), s.in_features,
                                 gemm_output<T>(a.y, s.rows, s.out_features, a.bias, Accumulate::kWrite));
  problem.prologue_a = a.prologue;
  const auto ours = [&] {
    gemm_forward(context, problem, fits_vectors<T>(s.in_features, a.x, a.weight, a.prologue.scale, a.prologue.shift));
  };
  if (a.bias || !a.prologue.identity()) return ours();
  compute_product(context, Product<T, T>{s.rows, s.out_features, s.in_features, a.x, false, a.weight, false, a.y, Accumulate::kWrite},
                  ours);
}

template <class T>
void linear_backward_input(const LaunchContext& context, const LinearBackwardInput<T>& a) {
  const auto& s = a.shape;
  check_shape(s);
  const auto problem =
      gemm_problem<T>(matrix(a.grad_y, s.rows, s.out_features), matrix(a.weight, s.out_features, s.in_features), s.out_features,
                      gemm_output<T>(a.grad_x, s.rows, s.in_features, nullptr, a.accumulate, a.prologue.relu ? a.x : nullptr, a.prologue));
  const auto ours = [&] {
    gemm_backward_input(context, problem, fits_vectors<T>(s.out_features, a.grad_y), fits_vectors<T>(s.in_features, a.weight));
  };
  if (a.prologue.relu) return ours();
  compute_product(context, Product<T, T>{s.rows, s.in_features, s.out_features, a.grad_y, false, a.weight, true, a.grad_x, a.accumulate},
                  ours);
}

template <class T>
void linear_backward_weight(const LaunchContext& context, const LinearBackwardWeight<T>& a) {
  const auto& s = a.shape;
  check_shape(s);
  auto problem = gemm_problem<T>(matrix(a.grad_y, s.rows, s.out_features), matrix(a.x, s.rows, s.in_features), s.rows,
                                 gemm_output<T>(a.grad_weight, s.out_features, s.in_features, nullptr, a.accumulate));
  problem.prologue_b = a.prologue;
  const auto ours = [&] {
    gemm_backward_weight(context, problem, a.grad_bias, fits_vectors<T>(s.out_features, a.grad_y),
                         fits_vectors<T>(s.in_features, a.x, a.prologue.scale, a.prologue.shift));
  };
  if (a.grad_bias || !a.prologue.identity()) return ours();
  compute_product(context, Product<T, float>{s.out_features, s.in_features, s.rows, a.grad_y, true, a.x, true, a.grad_weight, a.accumulate},
                  ours);
}

SEPIA_INSTANTIATE(linear_forward, LinearForward)
SEPIA_INSTANTIATE(linear_backward_input, LinearBackwardInput)
SEPIA_INSTANTIATE(linear_backward_weight, LinearBackwardWeight)

}  // namespace sepia::kernels::cuda
