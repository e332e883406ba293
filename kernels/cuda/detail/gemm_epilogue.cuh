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

/// What columns n .. n + N - 1 add to the final form of their sums: in registers, loaded once for many rows.
template <int N>
struct OutputColumns {
  Floats<N> bias;
  ChannelPrologues<N> prologue;
};

/// N > 1 needs columns and pointers aligned to 16 bytes.
template <int N, class T, class Out>
__device__ __forceinline__ OutputColumns<N> output_columns(const GemmOutput<T, Out>& out, int n) {
  constexpr int kWidth = N % 4 == 0 ? 4 : 1;
  OutputColumns<N> columns;
#pragma unroll
  for (int i = 0; i < N; i += kWidth) {
    Floats<kWidth> bias{};
    if (out.bias) bias = load_vector<kWidth>(out.bias + n + i);
#pragma unroll
    for (int k = 0; k < kWidth; ++k) columns.bias[i + k] = bias[k];
  }
  columns.prologue = channel_prologues<N>(out.prologue, n);
  return columns;
}

/// The final form of N sums at row m, columns n .. n + N - 1, stored. N > 1 needs alignment to N elements.
template <int N, class T, class Out>
__device__ __forceinline__ void finish(const GemmOutput<T, Out>& out, const OutputColumns<N>& columns, int m, int n, Floats<N> sums) {
  const int at = out.place.place(m) * out.columns + n;
#pragma unroll
  for (int i = 0; i < N; ++i) sums[i] += columns.bias[i];
  if (out.prologue.relu) {
    const Floats<N> x = load_vector<N>(out.masked_by + at);
#pragma unroll
    for (int i = 0; i < N; ++i) sums[i] = columns.prologue.of(i).passes(x[i]) ? sums[i] : 0.0f;
  }
  put_vector<N>(out.y + at, sums, out.accumulate);
}

/// Carries a warp's slabs (kSlabRows x kColumns floats, slab_index) to rows m0.., columns n0.. of the result, or to `partial` (rows x
/// columns floats) when that is set. Lanes side by side write side by side; a lane keeps its columns.
template <int kColumns, class T, class Out>
class SlabWriter {
  static constexpr int kPer = kPerLoad<Out>;
  static constexpr int kUnits = kColumns / kPer;
  static_assert(32 % kUnits == 0);

 public:
  __device__ __forceinline__ SlabWriter(const GemmOutput<T, Out>& out, float* partial, int m0, int n0)
      : out_(out), partial_(partial), lane_(static_cast<int>(threadIdx.x) % 32), m0_(m0), n0_(n0) {
    const int n = n0 + lane_ % kUnits * kPer;
    if (by_vectors() && n < out.columns) columns_ = output_columns<kPer>(out, n);
  }

  /// Rows first_row .. first_row + 15 of the warp's.
  __device__ __forceinline__ void write(const float* slab, int first_row) const {
    if (by_vectors()) {
      write_vectors(slab, m0_ + first_row);
    } else {
      write_elements(slab, m0_ + first_row);
    }
  }

 private:
  __device__ __forceinline__ bool by_vectors() const { return !partial_ && out_.by_vectors; }

  __device__ __forceinline__ void write_vectors(const float* slab, int m0) const {
    const int column = lane_ % kUnits * kPer;
    if (n0_ + column >= out_.columns) return;
#pragma unroll
    for (int row = lane_ / kUnits; row < kSlabRows; row += 32 / kUnits) {
      if (m0 + row >= out_.rows) return;
      Floats<kPer> sums;
#pragma unroll
      for (int i = 0; i < kPer; i += 4) {
        const Floats<4> four = load_vector<4>(slab + slab_index<kColumns>(row, column + i));
#pragma unroll
        for (int e = 0; e < 4; ++e) sums[i + e] = four[e];
      }
      finish(out_, columns_, m0 + row, n0_ + column, sums);
    }
  }

  __device__ __forceinline__ void write_elements(const float* slab, int m0) const {
#pragma unroll 1
    for (int unit = lane_; unit < kSlabRows * kColumns; unit += 32) {
      const int row = unit / kColumns, column = unit % kColumns;
      const int m = m0 + row, n = n0_ + column;
      if (m >= out_.rows || n >= out_.columns) continue;
      const Floats<1> sum{slab[slab_index<kColumns>(row, column)]};
      if (partial_) {
        partial_[m * out_.columns + n] = sum[0];
      } else {
        finish(out_, output_columns<1>(out_, n), m, n, sum);
      }
    }
  }

  const GemmOutput<T, Out>& out_;
  float* partial_;
  int lane_, m0_, n0_;
  OutputColumns<kPer> columns_{};
};

inline constexpr int kFinishColumns = 32, kFinishSlices = 8;

/// Second stage: the partial sums of all parts, added in a fixed order: each of kFinishSlices rows of threads adds its share of the parts,
/// then the first row adds the slices. Grid (columns / kFinishColumns, rows).
template <class T, class Out>
__global__ void __launch_bounds__(kFinishColumns* kFinishSlices)
    add_parts_kernel(const float* __restrict__ partials, int parts, std::int64_t part_size, GemmOutput<T, Out> out) {
  __shared__ float of_slice[kFinishSlices][kFinishColumns];
  const int column = static_cast<int>(threadIdx.x), slice = static_cast<int>(threadIdx.y);
  const int m = static_cast<int>(blockIdx.y), n = static_cast<int>(blockIdx.x) * kFinishColumns + column;
  const int share = (parts + kFinishSlices - 1) / kFinishSlices, end = min(parts, (slice + 1) * share);
  float sum = 0.0f;
  if (n < out.columns) {
    const float* const partial = partials + static_cast<std::int64_t>(m) * out.columns + n;
#pragma unroll 4
    for (int part = slice * share; part < end; ++part) sum += partial[part * part_size];
  }
  of_slice[slice][column] = sum;
  __syncthreads();
  if (slice != 0 || n >= out.columns) return;
#pragma unroll
  for (int i = 1; i < kFinishSlices; ++i) sum += of_slice[i][column];
  finish(out, output_columns<1>(out, n), m, n, Floats<1>{sum});
}

}  // namespace sepia::kernels::cuda::detail
