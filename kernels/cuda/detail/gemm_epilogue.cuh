// What happens to the sums of a matrix product before they reach memory: bias, ReLU mask, addition to what is there, rounding, once and in
// this order. Also the second stage of products whose depth was split over blocks.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/gemm_load.cuh"
#include "kernels/cuda/detail/gemm_warp.cuh"

namespace sepia::kernels::cuda::detail {

/// Where the rows of a result lie. Dense unless stride > 1: then row (n, i, j) of (batch, count_h, count_w) is the pixel
/// (n, first_h + stride i, first_w + stride j) of pictures of height x width.
struct OutputRows {
  int stride = 1;
  int first_h = 0, first_w = 0, count_h = 1, count_w = 1, height = 1, width = 1;

  /// The row of memory where row m lies.
  __device__ __forceinline__ int place(int m) const {
    if (stride == 1) return m;
    const int line = m / count_w, j = m - line * count_w;
    const int n = line / count_h, i = line - n * count_h;
    return (n * height + first_h + stride * i) * width + first_w + stride * j;
  }
};

/// y (rows, columns) = mask * (sums + bias), or that added to y.
template <class T, class Out>
struct GemmOutput {
  Out* y;
  int rows, columns;
  OutputRows place;
  const float* bias;   ///< (columns) or null
  const T* masked_by;  ///< x, laid out like y, when prologue.relu: sums count where its ReLU was open
  Prologue<T> prologue;
  Accumulate accumulate;
  bool by_vectors;  ///< columns and pointers allow 16-byte accesses
};

/// The final form of N sums at row m, columns n .. n + N - 1, stored. N > 1 needs alignment to N elements.
template <int N, class T, class Out>
__device__ __forceinline__ void finish(const GemmOutput<T, Out>& out, int m, int n, Floats<N> sums) {
  const int at = out.place.place(m) * out.columns + n;
  if (out.bias) {
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] += out.bias[n + i];
  }
  if (out.prologue.relu) {
    const Floats<N> x = load_vector<N>(out.masked_by + at);
    const ChannelPrologues<N> part = channel_prologues<N>(out.prologue, n);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] = part.of(i).passes(x[i]) ? sums[i] : 0.0f;
  }
  put_vector<N>(out.y + at, sums, out.accumulate);
}

/// Carries a warp's slab (kSlabRows x kColumns floats, slab_index) to rows m0.., columns n0.. of the result, or to `partial` (rows x
/// columns floats) when that is set.
template <int kColumns, class T, class Out>
__device__ __forceinline__ void write_out(const GemmOutput<T, Out>& out, float* partial, const float* slab, int m0, int n0) {
  constexpr int kPer = kPerLoad<Out>;
  constexpr int kUnits = kColumns / kPer;
  const int lane = static_cast<int>(threadIdx.x) % 32;
  if (!partial && out.by_vectors) {
#pragma unroll 1
    for (int unit = lane; unit < kSlabRows * kUnits; unit += 32) {
      const int row = unit / kUnits, column = unit % kUnits * kPer;
      if (m0 + row >= out.rows || n0 + column >= out.columns) continue;
      Floats<kPer> sums;
#pragma unroll
      for (int i = 0; i < kPer; i += 4) {
        const Floats<4> four = load_vector<4>(slab + slab_index<kColumns>(row, column + i));
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[i + e] = four[e];
      }
      finish(out, m0 + row, n0 + column, sums);
    }
    return;
  }
#pragma unroll 1
  for (int unit = lane; unit < kSlabRows * kColumns; unit += 32) {
    const int row = unit / kColumns, column = unit % kColumns;
    const int m = m0 + row, n = n0 + column;
    if (m >= out.rows || n >= out.columns) continue;
    const Floats<1> sum{slab[slab_index<kColumns>(row, column)]};
    if (partial) {
      partial[m * out.columns + n] = sum[0];
    } else {
      finish(out, m, n, sum);
    }
  }
}

inline constexpr int kFinishThreads = 256;

/// Second stage: the partial sums of all parts, added in the order of the parts. One thread per element; grid (columns / threads, rows).
template <class T, class Out>
__global__ void __launch_bounds__(kFinishThreads)
    add_parts_kernel(const float* __restrict__ partials, int parts, std::int64_t part_size, GemmOutput<T, Out> out) {
  const int m = static_cast<int>(blockIdx.y), n = static_cast<int>(blockIdx.x) * kFinishThreads + static_cast<int>(threadIdx.x);
  if (n >= out.columns) return;
  const float* partial = partials + static_cast<std::int64_t>(m) * out.columns + n;
  float sum = 0.0f;
#pragma unroll 4
  for (int part = 0; part < parts; ++part) sum += partial[part * part_size];
  finish(out, m, n, Floats<1>{sum});
}

}  // namespace sepia::kernels::cuda::detail
