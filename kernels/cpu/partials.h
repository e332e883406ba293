// Gradients of weights are sums over all rows of a batch. They are cut into chunks that depend on the shape alone; each chunk has a
// partial sum of its own, and the partial sums are added in chunk order: the same bits for any number of threads.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

/// How a sum over `items` is cut: chunk i covers [i * per_chunk, min(items, (i + 1) * per_chunk)).
struct Chunks {
  std::int64_t items = 0, per_chunk = 1, count = 0;

  std::int64_t begin(std::int64_t chunk) const { return chunk * per_chunk; }
  std::int64_t end(std::int64_t chunk) const { return std::min(items, (chunk + 1) * per_chunk); }
};

/// Chunks of at least `least` items: as many as partial sums of `floats` each fit 16 MiB, but 8 at least (so that several threads
/// have work) and 64 at most.
inline Chunks cut_chunks(std::int64_t items, std::int64_t least, std::int64_t floats) {
  constexpr std::int64_t kFloats = 4 << 20;
  const std::int64_t most = std::clamp<std::int64_t>(kFloats / std::max<std::int64_t>(floats, 1), 8, 64);
  Chunks chunks;
  chunks.items = items;
  chunks.per_chunk = std::max({least, pieces_of(items, most), std::int64_t{1}});
  chunks.count = pieces_of(items, chunks.per_chunk);
  return chunks;
}

/// Adds partial sums of weight and bias gradients to their places: partial p lies at partials + p * (weights + biases), weights
/// first. grad_bias may be null.
inline void combine_partials(const float* partials, std::int64_t count, std::int64_t weights, std::int64_t biases, float* grad_weight,
                             float* grad_bias, Accumulate accumulate) {
  constexpr std::int64_t kGrain = 2048;
  const std::int64_t stride = weights + biases;
  parallel_for(pieces_of(weights, kGrain), [&](std::int64_t piece) {
    const std::int64_t first = piece * kGrain;
    sum_partials(partials + first, count, stride, std::min(kGrain, weights - first), grad_weight + first, accumulate);
  });
  if (grad_bias) sum_partials(partials + weights, count, stride, biases, grad_bias, accumulate);
}

}  // namespace sepia::kernels::cpu
