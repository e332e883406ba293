// The second stage of a sum over many blocks: each block has left its partial sums in scratch memory, and a small kernel adds them
// in a fixed order. No atomics, so the same bits every time.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/convert.cuh"
#include "kernels/cuda/detail/launch.cuh"

namespace sepia::kernels::cuda::detail {

/// Sums of `count` quantities in `pieces` rows: partial (pieces, count). The first `first_count` go to `first`, the others to
/// `second`; a null destination leaves its part out.
struct PartialSums {
  const float* partial;
  std::int64_t pieces;
  int count, first_count;
  float *first, *second;
  Accumulate accumulate;
};

/// A warp's width of quantities, kRows pieces at a time: row y adds the pieces y, y + kRows, ...; then the rows are added in order.
template <int kRows>
__global__ void __launch_bounds__(32 * kRows) sum_partials_kernel(PartialSums a) {
  __shared__ float of_row[kRows][32];
  const int lane = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y), i = static_cast<int>(blockIdx.x) * 32 + lane;
  float sum = 0.0f;
  if (i < a.count) {
#pragma unroll 4
    for (std::int64_t piece = row; piece < a.pieces; piece += kRows) sum += a.partial[piece * a.count + i];
  }
  of_row[row][lane] = sum;
  __syncthreads();
  if (row > 0 || i >= a.count) return;
#pragma unroll
  for (int k = 1; k < kRows; ++k) sum += of_row[k][lane];
  float* const destination = i < a.first_count ? a.first + i : a.second + (i - a.first_count);
  if (i < a.first_count ? a.first != nullptr : a.second != nullptr) put(*destination, sum, a.accumulate);
}

inline void sum_partials(const LaunchContext& context, const PartialSums& sums) {
  constexpr int kRows = 16;
  launch(sum_partials_kernel<kRows>, dim3(grid_extent(ceil_div(sums.count, 32))), dim3(32, kRows), 0, stream_of(context), sums);
}

}  // namespace sepia::kernels::cuda::detail
