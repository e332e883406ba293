// The matrix product under linear maps and convolutions: result (M, N) = sum over k of A[m, k] B[n, k], where A and B are read from memory
// in whatever way a Source describes (gemm_sources.cuh), so that convolutions need no im2col copy ("implicit GEMM").
//
// Mapping. One block per kM x kN tile of the result and part of the depth; blocks of the same rows are neighbours, so that A comes from L2
// for all but the first. A ring of kStages pairs of operand tiles lies in shared memory. At step i a block
//     waits for the copies of step i; one barrier (they are everybody's, and the ring's oldest place is free)
//     starts the copies of step i + kStages - 1; loads into registers what must be computed on for step i + 1
//     multiplies step i; stores the registers, with the prologue applied, to the place of step i + 1
// Each warp then brings its sums to memory through a slab of its own in shared memory: whole sectors, 16 bytes per lane.
//
// Tiles       where                                                             threads
//   128x128   more than 64 rows and columns and a GPU's worth of such tiles     256
//   128x32    at most 32 columns (few output channels)                          128
//   32x128    at most 32 rows (gradients of few filters)                        128
//   64x64     everything else                                                   128
// Steps are 64 bytes deep: 32 bf16, 16 floats. Cost: 2 M N K FLOP; A is read N / kN times and B M / kM times, mostly from L2.
//
// Deterministic: a sum is formed in the order of k by one lane; when the depth is split over blocks, the parts are written to scratch
// memory and added in order by a second kernel. How it is split depends on the shape alone.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/gemm_epilogue.cuh"
#include "kernels/cuda/detail/shared.cuh"

namespace sepia::kernels::cuda::detail {

/// A product, as its kernel sees it.
template <class T, class SourceA, class SourceB, class Out>
struct GemmProblem {
  SourceA a;
  SourceB b;
  Prologue<T> prologue_a, prologue_b;
  int depth;
  int depth_per_part;  ///< a multiple of the tile's kDepth
  int tiles_n;
  GemmOutput<T, Out> out;
  float* partials;   ///< (parts, M, N): null when there is one part
  float* sums_of_a;  ///< (parts, M) or null: sum over k of A[m, k] of each part, for the gradient of a bias
};

/// The kernel's choices that shape its code.
template <class T_, class Tile_, Along kAlongA_, LoadMode kModeA_, Along kAlongB_, LoadMode kModeB_>
struct GemmConfig {
  using T = T_;
  using Tile = Tile_;
  static constexpr Along kAlongA = kAlongA_, kAlongB = kAlongB_;
  static constexpr LoadMode kModeA = kModeA_, kModeB = kModeB_;
  static constexpr bool kByElements = kModeA == LoadMode::kElements || kModeB == LoadMode::kElements;
  /// Blocks that must fit on a multiprocessor, which bounds the registers: to 128 for bf16, to 255 for float with its 8 x 8 sums per lane
  /// and for operands that wait in registers element by element.
  static constexpr int kBlocksPerMultiprocessor = (sizeof(T) == 2 && !kByElements ? 512 : 256) / Tile::kThreads;
  using Product =
      std::conditional_t<std::is_same_v<T, float>, MultiplyAddProduct<Tile, kAlongA, kAlongB>, TensorCoreProduct<Tile, kAlongA, kAlongB>>;

  template <class Source>
  using LoaderA = TileLoader<T, Source, kAlongA == Along::kDepth ? Tile::kM : Tile::kDepth,
                             kAlongA == Along::kDepth ? Tile::kDepth : Tile::kM, Tile::kThreads, kAlongA, kModeA>;
  template <class Source>
  using LoaderB = TileLoader<T, Source, kAlongB == Along::kDepth ? Tile::kN : Tile::kDepth,
                             kAlongB == Along::kDepth ? Tile::kDepth : Tile::kN, Tile::kThreads, kAlongB, kModeB>;
};

/// sum += the elements of column `column` of a tile whose rows are values of k.
template <class T, int kColumns, int kDepth>
__device__ __forceinline__ void add_column(float& sum, const uint4* tile, int column) {
  constexpr int kPer = kPerLoad<T>;
#pragma unroll 8
  for (int k = 0; k < kDepth; ++k) {
    sum += to_float(reinterpret_cast<const T*>(tile + swizzled<kColumns / kPer>(k, column / kPer))[column % kPer]);
  }
}

template <class Config, class SourceA, class SourceB, class Out>
__global__ void __launch_bounds__(Config::Tile::kThreads, Config::kBlocksPerMultiprocessor)
    gemm_kernel(const GemmProblem<typename Config::T, SourceA, SourceB, Out> problem) {
  using T = typename Config::T;
  using Tile = typename Config::Tile;
  using LoaderA = typename Config::template LoaderA<SourceA>;
  using LoaderB = typename Config::template LoaderB<SourceB>;
  constexpr int kStages = Tile::kStages;
  __shared__ typename LoaderA::Table table_a;
  __shared__ typename LoaderB::Table table_b;
  uint4* const ring_a = dynamic_shared<uint4>();
  uint4* const ring_b = ring_a + kStages * Tile::kChunksA;

  const int tile_m = static_cast<int>(blockIdx.x) / problem.tiles_n, tile_n = static_cast<int>(blockIdx.x) - tile_m * problem.tiles_n;
  const int m0 = tile_m * Tile::kM, n0 = tile_n * Tile::kN;
  const int part = static_cast<int>(blockIdx.z);
  const int begin = part * problem.depth_per_part, end = min(problem.depth, begin + problem.depth_per_part);
  const int steps = (end - begin + Tile::kDepth - 1) / Tile::kDepth;
  const auto loader = [&]<class Loader>(const auto& source, const auto& prologue, Along along, int first, auto& table) {
    return along == Along::kDepth ? Loader(source, prologue, first, begin, table) : Loader(source, prologue, begin, first, table);
  };
  LoaderA load_a = loader.template operator()<LoaderA>(problem.a, problem.prologue_a, Config::kAlongA, m0, table_a);
  LoaderB load_b = loader.template operator()<LoaderB>(problem.b, problem.prologue_b, Config::kAlongB, n0, table_b);
  __syncthreads();  // the tables

  const int warp = static_cast<int>(threadIdx.x) / 32;
  const int warp_m = warp / Tile::kWarpsN, warp_n = warp % Tile::kWarpsN;
  typename Config::Product product(warp_m, warp_n);
  float column_sum = 0.0f;

  const auto start_copies = [&](int step, int stage) {
    if (step < steps) {
      if constexpr (LoaderA::kAsync) load_a.copy(ring_a + stage * Tile::kChunksA);
      if constexpr (LoaderB::kAsync) load_b.copy(ring_b + stage * Tile::kChunksB);
    }
    commit_copies();  // an empty group keeps the count of groups right
  };
  const auto fetch = [&](int step) {
    if (step >= steps) return;
    if constexpr (!LoaderA::kAsync) load_a.fetch();
    if constexpr (!LoaderB::kAsync) load_b.fetch();
  };
  const auto deposit = [&](int step, int stage) {
    if (step >= steps) return;
    if constexpr (!LoaderA::kAsync) load_a.deposit(ring_a + stage * Tile::kChunksA);
    if constexpr (!LoaderB::kAsync) load_b.deposit(ring_b + stage * Tile::kChunksB);
  };

#pragma unroll
  for (int stage = 0; stage < kStages - 1; ++stage) start_copies(stage, stage);
  fetch(0);
  deposit(0, 0);
  int stage = 0, next = 1, filling = kStages - 1;  // places of steps i, i + 1 and i + kStages - 1 in the ring
#pragma unroll 1
  for (int step = 0; step < steps; ++step) {
    wait_for_copies<kStages - 2>();
    __syncthreads();
    start_copies(step + kStages - 1, filling);
    fetch(step + 1);
    product.multiply(ring_a + stage * Tile::kChunksA, ring_b + stage * Tile::kChunksB);
    if constexpr (Config::kAlongA == Along::kRows) {
      if (problem.sums_of_a && tile_n == 0 && threadIdx.x < Tile::kM) {
        add_column<T, Tile::kM, Tile::kDepth>(column_sum, ring_a + stage * Tile::kChunksA, static_cast<int>(threadIdx.x));
      }
    }
    deposit(step + 1, next);
    stage = next;
    next = next + 1 == kStages ? 0 : next + 1;
    filling = filling + 1 == kStages ? 0 : filling + 1;
  }
  wait_for_copies<0>();
  __syncthreads();  // the ring becomes the warps' slabs

  if constexpr (Config::kAlongA == Along::kRows) {
    const int m = m0 + static_cast<int>(threadIdx.x);
    if (problem.sums_of_a && tile_n == 0 && threadIdx.x < Tile::kM && m < problem.out.rows) {
      put(problem.sums_of_a[part * problem.out.rows + m], column_sum, problem.partials ? Accumulate::kWrite : problem.out.accumulate);
    }
  }
  float* const slab = reinterpret_cast<float*>(ring_a) + warp * kSlabRows * Tile::kWarpN;
  float* const partial =
      problem.partials ? problem.partials + static_cast<std::int64_t>(part) * problem.out.rows * problem.out.columns : nullptr;
  const SlabWriter<Tile::kWarpN, T, Out> writer(problem.out, partial, m0 + warp_m * Tile::kWarpM, n0 + warp_n * Tile::kWarpN);
#pragma unroll
  for (int i = 0; i < Config::Product::kSlabs; ++i) {
    product.write_slab(i, slab);
    __syncwarp();
    writer.write(slab, i * kSlabRows);
    __syncwarp();
  }
}

}  // namespace sepia::kernels::cuda::detail
