#include "kernels/cpu/row_statistics.h"

#include <algorithm>

#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/row_statistics.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

/// Chan, Golub and LeVeque 1983: merges (count, mean, sum of squared deviations) of further rows into (mean, squares).
struct Merge {
  Merge(std::int64_t count, std::int64_t new_count) {
    const auto n = static_cast<float>(count), k = static_cast<float>(new_count);
    share = splat(k / (n + k));
    weight = splat(n * (k / (n + k)));
  }

  template <class Lanes>
  HWY_INLINE void operator()(Lanes lanes, V new_mean, V new_squares, float* mean, float* squares) const {
    const V old = lanes.load(mean), delta = hn::Sub(new_mean, old);
    lanes.store(hn::MulAdd(delta, share, old), mean);
    const V between = hn::Mul(hn::Mul(delta, delta), weight);
    lanes.store(hn::Add(hn::Add(lanes.load(squares), new_squares), between), squares);
  }

  V share, weight;
};

/// kVectors vectors of channels of a tile. Its rows are dealt out to kRows sums: independent, which hides the latency of the additions.
template <int kVectors, int kRows, class Lanes, class T>
HWY_INLINE void AddTile(Lanes lanes, std::int64_t rows, std::int64_t pitch, const T* x, const Merge& merge, float* mean, float* squares) {
  V sum[kRows][kVectors], centre[kVectors];
  const auto sum_of = [&](const auto& add) HWY_ATTR {
#pragma GCC unroll 8
    for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[r][v] = splat(0.0F);
    }
    const T* row = x;
    std::int64_t left = rows;
    for (; left >= kRows; left -= kRows, row += kRows * pitch) {
#pragma GCC unroll 8
      for (int r = 0; r < kRows; ++r) {
#pragma GCC unroll 8
        for (int v = 0; v < kVectors; ++v) sum[r][v] = add(sum[r][v], lanes.load(row + r * pitch + v * kLanes), v);
      }
    }
    for (; left > 0; --left, row += pitch) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[0][v] = add(sum[0][v], lanes.load(row + v * kLanes), v);
    }
#pragma GCC unroll 8
    for (int r = 1; r < kRows; ++r) {
#pragma GCC unroll 8
      for (int v = 0; v < kVectors; ++v) sum[0][v] = hn::Add(sum[0][v], sum[r][v]);
    }
  };
  sum_of([](V total, V value, int) HWY_ATTR { return hn::Add(total, value); });
  const V share = splat(1.0F / static_cast<float>(rows));
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) centre[v] = hn::Mul(sum[0][v], share);
  sum_of([&](V total, V value, int v) HWY_ATTR {
    const V centred = hn::Sub(value, centre[v]);
    return hn::MulAdd(centred, centred, total);
  });
#pragma GCC unroll 8
  for (int v = 0; v < kVectors; ++v) merge(lanes, centre[v], sum[0][v], mean + v * kLanes, squares + v * kLanes);
}

template <class T>
void RowStatistics(std::int64_t rows, std::int64_t channels, const T* x, float* mean, float* squares) {
  // Eight vectors of a tile fit the first-level cache, all of it the second.
  constexpr std::int64_t kTileNumbers = 16384, kFewestRows = 16, kMostRows = 48;
  const std::int64_t tile = std::clamp(kTileNumbers / channels, kFewestRows, kMostRows);
  std::fill_n(mean, channels, 0.0F);
  std::fill_n(squares, channels, 0.0F);
  for (std::int64_t first = 0; first < rows; first += tile) {
    const std::int64_t count = std::min(tile, rows - first);
    const Merge merge(first, count);
    const T* const at = x + first * channels;
    std::int64_t c = 0;
    const auto blocks = [&]<int kVectors, int kRows>() HWY_ATTR {
      for (; c + kVectors * kLanes <= channels; c += kVectors * kLanes) {
        AddTile<kVectors, kRows>(FullLanes{}, count, channels, at + c, merge, mean + c, squares + c);
      }
    };
    if constexpr (kManyRegisters) blocks.template operator()<8, 1>();
    blocks.template operator()<4, 2>();
    blocks.template operator()<2, 4>();
    blocks.template operator()<1, 4>();
    if (c < channels)
      AddTile<1, 4>(TailLanes{static_cast<std::size_t>(channels - c)}, count, channels, at + c, merge, mean + c, squares + c);
  }
}

/// Merges a further piece, whose mean and squares lie `stride` apart.
void MergePiece(std::int64_t count, std::int64_t new_count, std::int64_t channels, const float* piece, std::int64_t stride, float* mean,
                float* squares) {
  const Merge merge(count, new_count);
  for_vectors(channels, [&](auto lanes, std::int64_t c)
                            HWY_ATTR { merge(lanes, lanes.load(piece + c), lanes.load(piece + stride + c), mean + c, squares + c); });
}

// What is dispatched is no template: F for float, H for bf16.
void RowStatisticsF(std::int64_t rows, std::int64_t channels, const float* x, float* mean, float* squares) {
  RowStatistics(rows, channels, x, mean, squares);
}
void RowStatisticsH(std::int64_t rows, std::int64_t channels, const bf16* x, float* mean, float* squares) {
  RowStatistics(rows, channels, x, mean, squares);
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(RowStatisticsF);
HWY_EXPORT(RowStatisticsH);
HWY_EXPORT(MergePiece);

void row_statistics(std::int64_t rows, std::int64_t channels, const float* x, float* mean, float* squares) {
  HWY_DYNAMIC_DISPATCH(RowStatisticsF)(rows, channels, x, mean, squares);
}
void row_statistics(std::int64_t rows, std::int64_t channels, const bf16* x, float* mean, float* squares) {
  HWY_DYNAMIC_DISPATCH(RowStatisticsH)(rows, channels, x, mean, squares);
}

PieceStatistics::PieceStatistics(std::int64_t channels)
    : channels_(channels), stride_(pieces_of(channels, kCacheLineFloats) * kCacheLineFloats) {}

void PieceStatistics::start(std::int64_t pieces) {
  pieces_ = pieces;
  partials_ = scratch(Scratch::kPartials, pieces * pitch());
}

void PieceStatistics::finish(const BatchStatistics<float>& wanted) const {
  float *const mean = partials_, *const squares = partials_ + stride_;
  auto count = static_cast<std::int64_t>(partials_[2 * stride_]);
  for (std::int64_t piece = 1; piece < pieces_; ++piece) {
    const float* const next = partials_ + piece * pitch();
    const auto rows = static_cast<std::int64_t>(next[2 * stride_]);
    HWY_DYNAMIC_DISPATCH(MergePiece)(count, rows, channels_, next, stride_, mean, squares);
    count += rows;
  }
  std::copy_n(mean, channels_, wanted.mean);
  const auto all = static_cast<float>(count), degrees = static_cast<float>(std::max<std::int64_t>(1, count - 1));
  for (std::int64_t c = 0; c < channels_; ++c) {
    wanted.variance[c] = squares[c] / all;
    if (wanted.unbiased_variance) wanted.unbiased_variance[c] = squares[c] / degrees;
  }
}

}  // namespace sepia::kernels::cpu
#endif
