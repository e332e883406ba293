// Mean and spread of rows, per channel, and how those of pieces of work become those of all rows. Batch norm wants them of a batch: in a
// pass of its own (batch_norm.cpp), or from the kernel that writes the rows, while they lie in cache (the kernels named ..._statistics).
#pragma once

#include <cstdint>

#include "kernels/batch_norm.h"
#include "kernels/cpu/kernels.h"

namespace sepia::kernels::cpu {

/// mean[c] = 1/M sum_m x[m, c] and squares[c] = sum_m (x[m, c] - mean[c])^2 of M > 0 dense rows. They are taken in tiles that are summed,
/// read again for their squares around the tile's own mean, and merged by Chan's formula (kernels/batch_norm.h). On the calling thread.
/// Cost: two reads from the cache that the rows are in, the second one from the first level.
void row_statistics(std::int64_t rows, std::int64_t channels, const float* x, float* mean, float* squares);
void row_statistics(std::int64_t rows, std::int64_t channels, const bf16* x, float* mean, float* squares);

/// Statistics of rows of which each piece of work has some. What pieces leave is merged in their order, so that it depends on how the work
/// is cut, by shape alone, and not on the threads.
class PieceStatistics {
 public:
  explicit PieceStatistics(std::int64_t channels);

  /// Room for so many pieces, in Scratch::kPartials of the calling thread.
  void start(std::int64_t pieces);
  bool started() const { return pieces_ > 0; }

  /// The rows of a piece, which are complete: once for every piece, by the thread that made them.
  template <class T>
  void add(std::int64_t piece, std::int64_t rows, const T* x) const {
    float* const own = partials_ + piece * pitch();
    row_statistics(rows, channels_, x, own, own + stride_);
    own[2 * stride_] = static_cast<float>(rows);
  }

  /// Merges the pieces and leaves what is wanted.
  void finish(const BatchStatistics<float>& wanted) const;

 private:
  // A piece's mean and squares, aligned so that pieces share no cache line, and its rows.
  std::int64_t pitch() const { return 2 * stride_ + kCacheLineFloats; }

  static constexpr std::int64_t kCacheLineFloats = 16;
  std::int64_t channels_, stride_, pieces_ = 0;
  float* partials_ = nullptr;
};

/// A forward kernel and the statistics of its output y. forward(&pieces) runs it; where its work is pieces of whole rows it starts `pieces`
/// and adds each piece as it is written, elsewhere a pass over y follows.
template <class T, class Forward>
void forward_with_statistics(const LaunchContext& context, const BatchNormShape& shape, const T* y, const BatchStatistics<T>& wanted,
                             const Forward& forward) {
  PieceStatistics pieces(shape.channels);
  forward(&pieces);
  if (pieces.started()) return pieces.finish({wanted.mean, wanted.variance, wanted.unbiased_variance});
  batch_norm_statistics(context, BatchNormStatistics<T>{shape, y, wanted.mean, wanted.variance, wanted.unbiased_variance});
}

}  // namespace sepia::kernels::cpu
