// Batch normalisation (kernels/batch_norm.h), vectorised over channels.
//
// Cost: bound by memory. Statistics read x once from memory and once more, tile by tile, from cache (row_statistics.h); backward_sums reads
// x and grad_y once; backward_input reads both and writes grad_x. Rows are cut into pieces by shape alone; each piece leaves its sums in a
// place of its own and the pieces are merged in order, so results do not depend on the number of threads.
#include "kernels/batch_norm.h"

#include "kernels/cpu/row_statistics.h"

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

}  // namespace

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

SEPIA_EXPORT_TYPES(batch_norm_affine, BatchNormAffine)
SEPIA_EXPORT_TYPES(batch_norm_backward_sums, BatchNormBackwardSums)
SEPIA_EXPORT_TYPES(batch_norm_backward_input, BatchNormBackwardInput)

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

namespace {

template <class T>
void statistics(const BatchNormStatistics<T>& a) {
  const auto [rows, channels] = a.shape;
  const std::int64_t piece_rows = std::max<std::int64_t>(16, 65536 / channels), count = pieces_of(rows, piece_rows);
  PieceStatistics pieces(channels);
  pieces.start(count);
  parallel_for(count, [&](std::int64_t piece) {
    const std::int64_t first = piece * piece_rows;
    pieces.add(piece, std::min(piece_rows, rows - first), a.x + first * channels);
  });
  pieces.finish({a.mean, a.variance, a.unbiased_variance});
}

}  // namespace

void batch_norm_statistics(const LaunchContext&, const BatchNormStatistics<float>& a) {
  statistics(a);
}
void batch_norm_statistics(const LaunchContext&, const BatchNormStatistics<bf16>& a) {
  statistics(a);
}
SEPIA_DISPATCH(batch_norm_affine, BatchNormAffine)
SEPIA_DISPATCH(batch_norm_backward_sums, BatchNormBackwardSums)
SEPIA_DISPATCH(batch_norm_backward_input, BatchNormBackwardInput)

}  // namespace sepia::kernels::cpu
#endif
