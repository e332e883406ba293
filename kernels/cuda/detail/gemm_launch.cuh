// Host side of the matrix product (gemm.cuh): which tile, how many parts, which way of loading; the launches.
#pragma once

#include <algorithm>

#include "kernels/cuda/detail/gemm.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/workspace.cuh"

namespace sepia::kernels::cuda::detail {

/// Blocks that fill the GPUs this was made for (H100, H200: 132 multiprocessors). A constant, so that results are the same on every GPU.
inline constexpr std::int64_t kMultiprocessors = 132;

/// Elements are counted in 32 bits on the device, with room for the tiles that stick out.
inline void check_size(std::int64_t elements) {
  SEPIA_CHECK(elements <= 2'000'000'000, "[cuda] a tensor of ", elements,
              " elements is too large for a matrix product; use a smaller --batch-size");
}

/// Whether rows of `extent` elements of T can be accessed 16 bytes at a time. Null pointers fit.
template <class T, class... Pointers>
bool fits_vectors(std::int64_t extent, const Pointers*... pointers) {
  return extent % kPerLoad<T> == 0 && (true && ... && (reinterpret_cast<std::uintptr_t>(pointers) % 16 == 0));
}

/// A result with the facts about it that the host knows. masked_by and prologue as in GemmOutput, empty when there is no mask.
template <class T, class Out>
GemmOutput<T, Out> gemm_output(Out* y, std::int64_t rows, std::int64_t columns, const float* bias, Accumulate accumulate,
                               const T* masked_by = nullptr, const Prologue<T>& prologue = {}) {
  const bool by_vectors = fits_vectors<Out>(columns, y, bias, masked_by, prologue.scale, prologue.shift);
  return {y, static_cast<int>(rows), static_cast<int>(columns), {}, bias, masked_by, prologue, accumulate, by_vectors};
}

/// A product still without tiles. The rows of A are rows of the result, those of B columns.
template <class T, class SourceA, class SourceB, class Out>
GemmProblem<T, SourceA, SourceB, Out> gemm_problem(const SourceA& a, const SourceB& b, std::int64_t depth, const GemmOutput<T, Out>& out) {
  GemmProblem<T, SourceA, SourceB, Out> problem{};
  problem.a = a;
  problem.b = b;
  problem.depth = static_cast<int>(depth);
  problem.out = out;
  return problem;
}

/// Parts into which the depth is cut, so that about two blocks per multiprocessor exist; each at least kLeastSteps long.
template <class Tile>
std::int64_t parts_of_depth(std::int64_t tiles, std::int64_t depth) {
  constexpr std::int64_t kLeastSteps = 8;
  if (tiles >= kMultiprocessors) return 1;
  return std::clamp(2 * kMultiprocessors / tiles, std::int64_t{1}, std::max(std::int64_t{1}, ceil_div(depth, kLeastSteps * Tile::kDepth)));
}

/// out = the sum of `parts` arrays of its size that lie one behind the other, in this order.
template <class T, class Out>
void add_parts(const LaunchContext& context, const float* partials, std::int64_t parts, const GemmOutput<T, Out>& out) {
  const dim3 blocks(grid_extent(ceil_div(out.columns, kFinishColumns)), static_cast<unsigned>(out.rows));
  launch(add_parts_kernel<T, Out>, blocks, dim3(kFinishColumns, kFinishSlices), 0, stream_of(context), partials, static_cast<int>(parts),
         static_cast<std::int64_t>(out.rows) * out.columns, out);
}

/// Starts the product and, when its depth is cut, the second stage. grad_bias (rows) or null takes the sums over k of A.
template <class Config, class SourceA, class SourceB, class Out>
void launch_gemm(const LaunchContext& context, GemmProblem<typename Config::T, SourceA, SourceB, Out> problem, float* grad_bias) {
  using Tile = typename Config::Tile;
  using T = typename Config::T;
  const std::int64_t rows = problem.out.rows, columns = problem.out.columns;
  problem.tiles_n = static_cast<int>(ceil_div(columns, Tile::kN));
  const std::int64_t tiles = ceil_div(rows, Tile::kM) * problem.tiles_n;
  problem.depth_per_part =
      static_cast<int>(ceil_div(ceil_div(problem.depth, parts_of_depth<Tile>(tiles, problem.depth)), Tile::kDepth) * Tile::kDepth);
  const std::int64_t parts = problem.depth == 0 ? 1 : ceil_div(problem.depth, problem.depth_per_part);
  problem.sums_of_a = grad_bias;
  if (parts > 1) {
    problem.partials = scratch<float>(context, parts * (rows * columns + rows));
    if (grad_bias) problem.sums_of_a = problem.partials + parts * rows * columns;
  }
  const dim3 grid(grid_extent(tiles), 1, static_cast<unsigned>(parts));
  launch(gemm_kernel<Config, SourceA, SourceB, Out>, grid, Tile::kThreads, Tile::kSharedBytes, stream_of(context), problem);
  if (parts == 1) return;
  add_parts(context, problem.partials, parts, problem.out);
  if (grad_bias) add_parts(context, problem.sums_of_a, parts, gemm_output<T>(grad_bias, 1, rows, nullptr, problem.out.accumulate));
}

/// Which side of the result may be short: few output channels are the columns of a forward pass and the rows of a weight gradient.
enum class ShortSide { kColumns, kRows };

/// Chooses the tile (gemm.cuh) and starts the product. Products by elements are latency-bound: they never take the large tile.
template <ShortSide kShort, class T, Along kAlongA, LoadMode kModeA, Along kAlongB, LoadMode kModeB, class SourceA, class SourceB,
          class Out>
void gemm(const LaunchContext& context, const GemmProblem<T, SourceA, SourceB, Out>& problem, float* grad_bias) {
  const std::int64_t rows = problem.out.rows, columns = problem.out.columns;
  if (rows * columns == 0) return;
  const auto with = [&]<class Tile>() { launch_gemm<GemmConfig<T, Tile, kAlongA, kModeA, kAlongB, kModeB>>(context, problem, grad_bias); };
  if ((kShort == ShortSide::kColumns ? columns : rows) <= 32) {
    return with.template operator()<std::conditional_t<kShort == ShortSide::kColumns, Tile<T, 128, 32>, Tile<T, 32, 128>>>();
  }
  if constexpr (kModeA != LoadMode::kElements && kModeB != LoadMode::kElements) {
    const std::int64_t large_tiles = ceil_div(rows, 128) * ceil_div(columns, 128);
    const bool depth_fills = kShort == ShortSide::kRows;  // weight gradients: cutting the depth makes as many blocks as it takes
    if (rows > 64 && columns > 64 && (depth_fills || large_tiles >= kMultiprocessors)) return with.template operator()<Tile<T, 128, 128>>();
  }
  with.template operator()<Tile<T, 64, 64>>();
}

/// y = act(x) W^T: k along both operands, the prologue on A. `vectors`: both operands allow 16-byte accesses.
template <class T, class SourceA, class SourceB, class Out>
void gemm_forward(const LaunchContext& context, const GemmProblem<T, SourceA, SourceB, Out>& problem, bool vectors) {
  constexpr auto kShort = ShortSide::kColumns;
  constexpr auto kDepth = Along::kDepth;
  constexpr auto kAsync = LoadMode::kAsync, kPrologue = LoadMode::kPrologue, kElements = LoadMode::kElements;
  if (!vectors) return gemm<kShort, T, kDepth, kElements, kDepth, kElements>(context, problem, nullptr);
  if (problem.prologue_a.identity()) return gemm<kShort, T, kDepth, kAsync, kDepth, kAsync>(context, problem, nullptr);
  gemm<kShort, T, kDepth, kPrologue, kDepth, kAsync>(context, problem, nullptr);
}

/// grad_x = grad_y W: k along A only. `vectors_a`, `vectors_b`: the operand allows 16-byte accesses; likewise below.
template <class T, class SourceA, class SourceB, class Out>
void gemm_backward_input(const LaunchContext& context, const GemmProblem<T, SourceA, SourceB, Out>& problem, bool vectors_a,
                         bool vectors_b) {
  constexpr auto kShort = ShortSide::kColumns;
  constexpr auto kDepth = Along::kDepth, kRows = Along::kRows;
  constexpr auto kAsync = LoadMode::kAsync, kElements = LoadMode::kElements;
  if (!vectors_a) return gemm<kShort, T, kDepth, kElements, kRows, kElements>(context, problem, nullptr);
  if (!vectors_b) return gemm<kShort, T, kDepth, kAsync, kRows, kElements>(context, problem, nullptr);
  gemm<kShort, T, kDepth, kAsync, kRows, kAsync>(context, problem, nullptr);
}

/// grad_weight = grad_y^T act(x), summed over positions: k along neither operand, the prologue on B. grad_bias or null: the sums of grad_y.
template <class T, class SourceA, class SourceB, class Out>
void gemm_backward_weight(const LaunchContext& context, const GemmProblem<T, SourceA, SourceB, Out>& problem, float* grad_bias,
                          bool vectors_a, bool vectors_b) {
  constexpr auto kShort = ShortSide::kRows;
  constexpr auto kRows = Along::kRows;
  constexpr auto kAsync = LoadMode::kAsync, kPrologue = LoadMode::kPrologue, kElements = LoadMode::kElements;
  if (!vectors_a) return gemm<kShort, T, kRows, kElements, kRows, kElements>(context, problem, grad_bias);
  if (!vectors_b) return gemm<kShort, T, kRows, kAsync, kRows, kElements>(context, problem, grad_bias);
  if (!problem.prologue_b.identity()) return gemm<kShort, T, kRows, kAsync, kRows, kPrologue>(context, problem, grad_bias);
  gemm<kShort, T, kRows, kAsync, kRows, kAsync>(context, problem, grad_bias);
}

}  // namespace sepia::kernels::cuda::detail
