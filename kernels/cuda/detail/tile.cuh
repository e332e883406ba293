// Tiles of a matrix product: their sizes, and how an operand's tile lies in shared memory.
//
// An operand tile is an array of rows of 16-byte chunks. Its rows are either rows of the matrix, with the summed index k running along
// each (x, and the weights of a forward pass), or values of k, with the matrix's rows running along each (gradients, whose positions
// are summed). Chunks are permuted within a row by the row's number (a swizzle), so that the 8 lanes of one 128-byte shared memory
// transaction, which read the same column of 8 neighbouring rows, touch all 32 banks once; writing along a row does so too.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/vector.cuh"

namespace sepia::kernels::cuda::detail {

/// Which chunk of the tile holds chunk `chunk` of row `row`, for rows of kChunks chunks.
template <int kChunks>
__device__ __forceinline__ int swizzled(int row, int chunk) {
  static_assert(kChunks == 4 || kChunks % 8 == 0);
  if constexpr (kChunks == 4) return row * 4 + (chunk ^ ((row >> 1) & 3));  // two rows fill 128 bytes
  return row * kChunks + (chunk ^ (row & 7));
}

/// Sizes of one block's part of the product: kM x kN sums, kDepth products each per step, held by warps of kWarpM x kWarpN.
template <class T, int kRows, int kColumns>
struct Tile {
  static constexpr int kM = kRows, kN = kColumns;
  static constexpr int kDepth = 4 * kPerLoad<T>;  // rows of 4 chunks
  static constexpr bool kLarge = kM == 128 && kN == 128;
  static constexpr int kWarpM = kLarge && sizeof(T) == 2 ? 64 : 32;
  static constexpr int kWarpN = kLarge && sizeof(T) == 4 ? 64 : 32;
  static constexpr int kWarpsM = kM / kWarpM, kWarpsN = kN / kWarpN;
  static constexpr int kThreads = kWarpsM * kWarpsN * 32;
  static constexpr int kChunksA = kM * 4, kChunksB = kN * 4;  // per step, in either arrangement
  static constexpr int kStages = 3;
  static constexpr int kSharedBytes = kStages * (kChunksA + kChunksB) * 16;
};

/// Whether an operand's tile has one row per matrix row (k along it) or one per k (the matrix's rows along it).
enum class Along { kDepth, kRows };

}  // namespace sepia::kernels::cuda::detail
