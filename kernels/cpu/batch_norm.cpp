// Batch normalisation (kernels/batch_norm.h), vectorised over channels.
//
// Cost: bound by memory. Statistics read x once from memory and once more, tile by tile, from cache; backward_sums reads x and
// grad_y once; backward_input reads both and writes grad_x. Rows are cut into pieces by shape alone; each piece leaves its sums
// in a place of its own and the pieces are merged in order, so results do not depend on the number of threads.
#include "kernels/batch_norm.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/batch_norm.cpp"
#include <hwy/foreach_target.h>

#include <cmath>

#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace {

/// Rows are summed in tiles that stay in cache, and handed out in pieces of several tiles. A piece's sums of two quantities per
/// channel are two arrays of `stride` floats, aligned so that pieces share no cache line.
struct Cut {
  std::int64_t rows, channels, tile_rows, piece_rows, pieces, stride;

  explicit Cut(const BatchNormShape& shape) : rows(shape.rows), channels(shape.channels) {
    constexpr std::int64_t kTileFloats = 16384, kTilesPerPiece = 4, kMaxTileRows = 256, kCacheLineFloats = 16;
    tile_rows = std::clamp<std::int64_t>(kTileFloats / channels, 1, kMaxTileRows);
    piece_rows = kTilesPerPiece * tile_rows;
    pieces = pieces_of(rows, piece_rows);
    stride = pieces_of(channels, kCacheLineFloats) * kCacheLineFloats;
  }
};

/// sum[c] += term(lanes, i, c) for all elements i of the rows [begin, end), c the channel of i. Four rows go at a time, so that
/// sums are not carried through memory at each row.
template <class Term>
HWY_INLINE void add_rows(std::int64_t channels, std::int64_t begin, std::int64_t end, float* sum, Term term) {
  std::int64_t row = begin;
  for (; row + 4 <= end; row += 4) {
    for_vectors(channels, [=](auto lanes, std::int64_t c) HWY_ATTR {
      const std::int64_t i = row * channels + c;
      const V first = hn::Add(term(lanes, i, c), term(lanes, i + channels, c));
      const V second = hn::Add(term(lanes, i + 2 * channels, c), term(lanes, i + 3 * channels, c));
      lanes.store(hn::Add(lanes.load(sum + c), hn::Add(first, second)), sum + c);
    });
  }
  for (; row < end; ++row) {
    for_vectors(channels, [=](auto lanes, std::int64_t c)
                              HWY_ATTR { lanes.store(hn::Add(lanes.load(sum + c), term(lanes, row * channels + c, c)), sum + c); });
  }
}

/// Chan, Golub and LeVeque 1983: merges (count, mean, sum of squared deviations) of further rows into (mean, squares).
HWY_INLINE void merge(const Cut& cut, std::int64_t count, float* mean, float* squares, std::int64_t new_count, const float* new_mean,
                      const float* new_squares) {
  const auto n = static_cast<float>(count), k = static_cast<float>(new_count);
  const V share = splat(k / (n + k)), weight = splat(n * (k / (n + k)));
  for_vectors(cut.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
    const V old = lanes.load(mean + c);
    const V delta = hn::Sub(lanes.load(new_mean + c), old);
    lanes.store(hn::MulAdd(delta, share, old), mean + c);
    const V between = hn::Mul(hn::Mul(delta, delta), weight);
    lanes.store(hn::Add(hn::Add(lanes.load(squares + c), lanes.load(new_squares + c)), between), squares + c);
  });
}

/// Mean and sum of squared deviations of rows [begin, end), which fit in cache: two passes over them.
template <class T>
HWY_INLINE void tile_statistics(std::int64_t channels, const T* x, std::int64_t begin, std::int64_t end, float* mean, float* squares) {
  std::fill(mean, mean + channels, 0.0f);
  std::fill(squares, squares + channels, 0.0f);
  add_rows(channels, begin, end, mean, [=](auto lanes, std::int64_t i, std::int64_t) HWY_ATTR { return lanes.load(x + i); });
  const V share = splat(1.0f / static_cast<float>(end - begin));
  for_vectors(channels, [=](auto lanes, std::int64_t c) HWY_ATTR { lanes.store(hn::Mul(lanes.load(mean + c), share), mean + c); });
  add_rows(channels, begin, end, squares, [=](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V centred = hn::Sub(lanes.load(x + i), lanes.load(mean + c));
    return hn::Mul(centred, centred);
  });
}

}  // namespace

template <class T>
void batch_norm_statistics_vector(const BatchNormStatistics<T>& a) {
  const Cut cut(a.shape);
  float* const partial = scratch(Scratch::kPartials, cut.pieces * 2 * cut.stride);
  parallel_for(cut.pieces, [&](std::int64_t piece) HWY_ATTR {
    float* const mean = partial + piece * 2 * cut.stride;
    float* const squares = mean + cut.stride;
    float* const tile_mean = scratch(Scratch::kPanel, 2 * cut.stride);
    float* const tile_squares = tile_mean + cut.stride;
    const std::int64_t begin = piece * cut.piece_rows, end = std::min(cut.rows, begin + cut.piece_rows);
    tile_statistics(cut.channels, a.x, begin, std::min(end, begin + cut.tile_rows), mean, squares);
    for (std::int64_t row = begin + cut.tile_rows; row < end; row += cut.tile_rows) {
      const std::int64_t tile_end = std::min(end, row + cut.tile_rows);
      tile_statistics(cut.channels, a.x, row, tile_end, tile_mean, tile_squares);
      merge(cut, row - begin, mean, squares, tile_end - row, tile_mean, tile_squares);
    }
  });
  float* const squares = partial + cut.stride;
  for (std::int64_t piece = 1; piece < cut.pieces; ++piece) {
    const std::int64_t begin = piece * cut.piece_rows, end = std::min(cut.rows, begin + cut.piece_rows);
    const float* const next = partial + piece * 2 * cut.stride;
    merge(cut, begin, partial, squares, end - begin, next, next + cut.stride);
  }
  std::copy(partial, partial + cut.channels, a.mean);
  const auto count = static_cast<float>(cut.rows), degrees = static_cast<float>(std::max<std::int64_t>(1, cut.rows - 1));
  for (std::int64_t c = 0; c < cut.channels; ++c) {
    a.variance[c] = squares[c] / count;
    if (a.unbiased_variance) a.unbiased_variance[c] = squares[c] / degrees;
  }
}

/// A handful of numbers, in double: inv_std = 1 / sqrt(variance + eps), scale = gamma inv_std, shift = beta - mean scale.
template <class T>
void batch_norm_affine_vector(const BatchNormAffine<T>& a) {
  const hn::ScalableTag<double> doubles;
  const hn::Rebind<float, decltype(doubles)> floats;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(doubles));
  const auto load = [=](const float* p) HWY_ATTR { return hn::PromoteTo(doubles, hn::LoadU(floats, p)); };
  const auto store = [=](auto v, float* p) HWY_ATTR { hn::StoreU(hn::DemoteTo(floats, v), floats, p); };
  std::int64_t c = 0;
  for (; c + lanes <= a.channels; c += lanes) {
    const auto inv_std = hn::Div(hn::Set(doubles, 1.0), hn::Sqrt(hn::Add(load(a.variance + c), hn::Set(doubles, a.eps))));
    const auto scale = hn::Mul(load(a.gamma + c), inv_std);
    store(inv_std, a.inv_std + c);
    store(scale, a.scale + c);
    store(hn::Sub(load(a.beta + c), hn::Mul(load(a.mean + c), scale)), a.shift + c);
  }
  for (; c < a.channels; ++c) {
    const double inv_std = 1 / std::sqrt(static_cast<double>(a.variance[c]) + a.eps), scale = a.gamma[c] * inv_std;
    a.inv_std[c] = static_cast<float>(inv_std);
    a.scale[c] = static_cast<float>(scale);
    a.shift[c] = static_cast<float>(a.beta[c] - a.mean[c] * scale);
  }
}

/// x enters as its deviation from the mean, so that nothing cancels; inv_std is applied to the finished sum.
template <class T>
void batch_norm_backward_sums_vector(const BatchNormBackwardSums<T>& a) {
  const Cut cut(a.shape);
  float* const partial = scratch(Scratch::kPartials, cut.pieces * 2 * cut.stride);
  parallel_for(cut.pieces, [&](std::int64_t piece) HWY_ATTR {
    float* const sum_g = partial + piece * 2 * cut.stride;
    float* const sum_gx = sum_g + cut.stride;
    std::fill(sum_g, sum_g + 2 * cut.stride, 0.0f);
    const T *const x = a.x, *const g = a.grad_y;
    const float* const mean = a.mean;
    const std::int64_t end = std::min(cut.rows, (piece + 1) * cut.piece_rows);
    for (std::int64_t row = piece * cut.piece_rows; row < end; row += cut.tile_rows) {
      const std::int64_t tile_end = std::min(end, row + cut.tile_rows);
      add_rows(cut.channels, row, tile_end, sum_g, [=](auto lanes, std::int64_t i, std::int64_t) HWY_ATTR { return lanes.load(g + i); });
      add_rows(cut.channels, row, tile_end, sum_gx, [=](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
        return hn::Mul(lanes.load(g + i), hn::Sub(lanes.load(x + i), lanes.load(mean + c)));
      });
    }
  });
  for_vectors(cut.channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
    V sum_g = splat(0.0f), sum_gx = splat(0.0f);
    for (std::int64_t piece = 0; piece < cut.pieces; ++piece) {
      const float* const p = partial + piece * 2 * cut.stride + c;
      sum_g = hn::Add(sum_g, lanes.load(p));
      sum_gx = hn::Add(sum_gx, lanes.load(p + cut.stride));
    }
    lanes.store(sum_g, a.sum_g + c);
    lanes.store(hn::Mul(sum_gx, lanes.load(a.inv_std + c)), a.sum_g_xhat + c);
  });
}

/// grad_x = scale ((g - sum_g / M) - B (x - mean)) with B = inv_std sum_g_xhat / M: the mean is taken from g itself, so that a g which is the
/// same in all rows gives exactly zero.
template <class T>
void batch_norm_backward_input_vector(const BatchNormBackwardInput<T>& a) {
  const auto [rows, channels] = a.shape;
  if (!a.sum_g) {
    return for_rows(rows, channels, true, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
      store(lanes, hn::Mul(lanes.load(a.scale + c), lanes.load(a.grad_y + i)), a.grad_x + i, a.accumulate);
    });
  }
  float* const slope = scratch(Scratch::kSmall, 2 * channels);
  float* const mean_g = slope + channels;
  const auto count = static_cast<float>(rows);
  for (std::int64_t c = 0; c < channels; ++c) {
    slope[c] = a.inv_std[c] * (a.sum_g_xhat[c] / count);
    mean_g[c] = a.sum_g[c] / count;
  }
  for_rows(rows, channels, true, [&](auto lanes, std::int64_t i, std::int64_t c) HWY_ATTR {
    const V centred = hn::Sub(lanes.load(a.x + i), lanes.load(a.mean + c));
    const V rest = hn::NegMulAdd(lanes.load(slope + c), centred, hn::Sub(lanes.load(a.grad_y + i), lanes.load(mean_g + c)));
    store(lanes, hn::Mul(lanes.load(a.scale + c), rest), a.grad_x + i, a.accumulate);
  });
}

SEPIA_EXPORT_TYPES(batch_norm_statistics, BatchNormStatistics)
SEPIA_EXPORT_TYPES(batch_norm_affine, BatchNormAffine)
SEPIA_EXPORT_TYPES(batch_norm_backward_sums, BatchNormBackwardSums)
SEPIA_EXPORT_TYPES(batch_norm_backward_input, BatchNormBackwardInput)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

SEPIA_DISPATCH(batch_norm_statistics, BatchNormStatistics)
SEPIA_DISPATCH(batch_norm_affine, BatchNormAffine)
SEPIA_DISPATCH(batch_norm_backward_sums, BatchNormBackwardSums)
SEPIA_DISPATCH(batch_norm_backward_input, BatchNormBackwardInput)

}  // namespace sepia::kernels::cpu
#endif
