// What one warp computes of a tile: its kWarpM x kWarpN sums, in registers, by tensor cores (bf16) or by fused multiply-adds (float).
// Both read operand tiles of either arrangement and hand their sums over in slabs of 16 rows (gemm_epilogue.cuh).
//
// float stays float: tensor cores would round the factors to tf32's 10 bits.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/mma.cuh"
#include "kernels/cuda/detail/tile.cuh"

namespace sepia::kernels::cuda::detail {

inline constexpr int kSlabRows = 16;

/// Where column `column` of row `row` stands in a slab of kColumns floats per row. Units of 4 floats are permuted by row, so that
/// neither the fragments' writes nor 16-byte reads along rows meet a bank twice.
template <int kColumns>
__device__ __forceinline__ int slab_index(int row, int column) {
  static_assert(kColumns % 32 == 0);
  return row * kColumns + (column ^ ((((row & 3) * 2) ^ (row & 1)) * 4));
}

/// Tensor cores: fragments of 16 x 8 sums (mma.cuh).
template <class Tile, Along kAlongA, Along kAlongB>
class TensorCoreProduct {
  static constexpr int kFragmentsM = Tile::kWarpM / 16, kFragmentsN = Tile::kWarpN / 8;

 public:
  static constexpr int kSlabs = kFragmentsM;

  __device__ __forceinline__ TensorCoreProduct(int warp_m, int warp_n)
      : lane_(static_cast<int>(threadIdx.x) % 32), first_m_(warp_m * Tile::kWarpM), first_n_(warp_n * Tile::kWarpN) {
#pragma unroll
    for (int i = 0; i < kFragmentsM; ++i)
#pragma unroll
      for (int j = 0; j < kFragmentsN; ++j)
#pragma unroll
        for (int e = 0; e < 4; ++e) sum_[i][j][e] = 0.0f;
  }

  /// sums += A B^T over one step's tiles.
  __device__ __forceinline__ void multiply(const uint4* a, const uint4* b) {
    const int low = lane_ & 7, middle = lane_ >> 3 & 1, high = lane_ >> 4;
#pragma unroll
    for (int k = 0; k < Tile::kDepth; k += 16) {
      std::uint32_t fragment_a[kFragmentsM][4];
#pragma unroll
      for (int i = 0; i < kFragmentsM; ++i) {
        if constexpr (kAlongA == Along::kDepth) {
          load_matrices(fragment_a[i], a + lane_chunk<4>(first_m_ + 16 * i, low + 8 * middle, k / 8 + high));
        } else {
          load_matrices_transposed(fragment_a[i], a + lane_chunk<Tile::kM / 8>(k, low + 8 * high, first_m_ / 8 + 2 * i + middle));
        }
      }
#pragma unroll
      for (int j = 0; j < kFragmentsN; j += 2) {
        std::uint32_t fragment_b[4];  // columns 8 j .. 8 j + 7 in registers 0 and 1, the 8 behind them in 2 and 3
        if constexpr (kAlongB == Along::kDepth) {
          load_matrices(fragment_b, b + lane_chunk<4>(first_n_ + 8 * j, low + 8 * high, k / 8 + middle));
        } else {
          load_matrices_transposed(fragment_b, b + lane_chunk<Tile::kN / 8>(k, low + 8 * middle, first_n_ / 8 + j + high));
        }
#pragma unroll
        for (int i = 0; i < kFragmentsM; ++i) {
          multiply_add(sum_[i][j], fragment_a[i], fragment_b[0], fragment_b[1]);
          multiply_add(sum_[i][j + 1], fragment_a[i], fragment_b[2], fragment_b[3]);
        }
      }
    }
  }

  /// Writes rows 16 i .. 16 i + 15 of the warp's sums to `slab` (kSlabRows x kWarpN).
  __device__ __forceinline__ void write_slab(int i, float* slab) const {
#pragma unroll
    for (int j = 0; j < kFragmentsN; ++j) {
#pragma unroll
      for (int half = 0; half < 2; ++half) {
        const int at = slab_index<Tile::kWarpN>(lane_ / 4 + 8 * half, 8 * j + lane_ % 4 * 2);
        store_vector<2>(slab + at, Floats<2>{sum_[i][j][2 * half], sum_[i][j][2 * half + 1]});
      }
    }
  }

 private:
  /// swizzled(first + of_lane, chunk) for a `first` that is a multiple of 16: the permutation depends on the lane alone, so that the
  /// addresses of a step differ by constants.
  template <int kChunks>
  static __device__ __forceinline__ int lane_chunk(int first, int of_lane, int chunk) {
    return swizzled<kChunks>(of_lane, chunk) + first * kChunks;
  }

  int lane_, first_m_, first_n_;
  float sum_[kFragmentsM][kFragmentsN][4];
};

/// rows x columns += a b^T over four values of k.
template <int kRows, int kColumns>
__device__ SEPIA_REGISTERS_ONLY void outer_products(float (&sum)[kRows][kColumns], const float (&a)[kRows][4],
                                                    const float (&b)[kColumns][4]) {
#pragma unroll
  for (int k = 0; k < 4; ++k)
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j) sum[i][j] = fmaf(a[i][k], b[j][k], sum[i][j]);
}

/// Fused multiply-adds: a warp is 4 x 8 lanes, each with 8 rows and 4 or 8 columns. Where k runs along the tile's rows, a lane's rows
/// (columns) are 4 (8) apart, so that neighbouring lanes read neighbouring tile rows; where the matrix's rows do, they come in runs of 4,
/// which are a chunk.
template <class Tile, Along kAlongA, Along kAlongB>
class MultiplyAddProduct {
  static constexpr int kRows = Tile::kWarpM / 4, kColumns = Tile::kWarpN / 8;

 public:
  static constexpr int kSlabs = Tile::kWarpM / kSlabRows;

  __device__ __forceinline__ MultiplyAddProduct(int warp_m, int warp_n)
      : lane_m_(static_cast<int>(threadIdx.x) % 32 / 8),
        lane_n_(static_cast<int>(threadIdx.x) % 8),
        first_m_(warp_m * Tile::kWarpM),
        first_n_(warp_n * Tile::kWarpN) {
#pragma unroll
    for (int i = 0; i < kRows; ++i)
#pragma unroll
      for (int j = 0; j < kColumns; ++j) sum_[i][j] = 0.0f;
  }

  __device__ __forceinline__ void multiply(const uint4* a, const uint4* b) {
#pragma unroll
    for (int k = 0; k < Tile::kDepth; k += 4) {
      float of_a[kRows][4], of_b[kColumns][4];
      read<kAlongA, Tile::kM, 4>(of_a, a, k, first_m_, lane_m_);
      read<kAlongB, Tile::kN, 8>(of_b, b, k, first_n_, lane_n_);
      outer_products(sum_, of_a, of_b);
    }
  }

  __device__ __forceinline__ void write_slab(int slab_number, float* slab) const {
#pragma unroll
    for (int i = 0; i < 4; ++i) {
      const int row = local<kAlongA, 4>(i, lane_m_);
#pragma unroll
      for (int j = 0; j < kColumns; j += 4) {
        const float* values = sum_[4 * slab_number + i] + j;
        if constexpr (kAlongB == Along::kRows) {
          store_vector<4>(slab + slab_index<Tile::kWarpN>(row, local<kAlongB, 8>(j, lane_n_)),
                          Floats<4>{values[0], values[1], values[2], values[3]});
        } else {
#pragma unroll
          for (int e = 0; e < 4; ++e) slab[slab_index<Tile::kWarpN>(row, local<kAlongB, 8>(j + e, lane_n_))] = values[e];
        }
      }
    }
  }

 private:
  /// The i-th of a lane's rows (columns) within the warp's, for kLanes lanes in this direction.
  template <Along kAlong, int kLanes>
  static __device__ __forceinline__ int local(int i, int lane) {
    return i / 4 * 4 * kLanes + (kAlong == Along::kDepth ? lane + kLanes * (i % 4) : 4 * lane + i % 4);
  }

  /// values[i][e] = tile element (the lane's i-th row, k + e).
  template <Along kAlong, int kExtent, int kLanes, int kCount>
  static __device__ __forceinline__ void read(float (&values)[kCount][4], const uint4* tile, int k, int first, int lane) {
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      const int row = first + local<kAlong, kLanes>(kAlong == Along::kDepth ? i : i / 4 * 4, lane);
      const uint4* chunk = kAlong == Along::kDepth ? tile + swizzled<4>(row, k / 4) : tile + swizzled<kExtent / 4>(k + i % 4, row / 4);
      const Floats<4> loaded = load_vector<4>(reinterpret_cast<const float*>(chunk));
#pragma unroll
      for (int e = 0; e < 4; ++e) {
        if constexpr (kAlong == Along::kDepth) {
          values[i][e] = loaded[e];
        } else {
          values[i / 4 * 4 + e][i % 4] = loaded[e];
        }
      }
    }
  }

  int lane_m_, lane_n_, first_m_, first_n_;
  float sum_[kRows][kColumns];
};

}  // namespace sepia::kernels::cuda::detail
