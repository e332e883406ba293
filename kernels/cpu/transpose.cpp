#include "kernels/cpu/transpose.h"

#include <algorithm>

#include "engine/base/parallel_for.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/transpose.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

struct Matrix {
  std::int64_t rows, columns;
  const float* in;
  std::int64_t in_pitch;
  float* out;
  std::int64_t out_pitch;
};

void Scalar(const Matrix& m) {
  for (std::int64_t c = 0; c < m.columns; ++c) {
    for (std::int64_t r = 0; r < m.rows; ++r) m.out[c * m.out_pitch + r] = m.in[r * m.in_pitch + c];
  }
}

#if !HWY_HAVE_SCALABLE && HWY_TARGET != HWY_SCALAR

// One tile of kLanes x kLanes. First each block of 4 x 4 inside the 128-bit parts of four rows, then the parts among the rows.
template <class D>
HWY_INLINE void Tile(D d, const float* in, std::int64_t in_pitch, float* out, std::int64_t out_pitch) {
  using V = hn::Vec<D>;
  constexpr int kLanes = static_cast<int>(hn::MaxLanes(D()));
  constexpr int kGroups = kLanes / 4;
  const hn::RepartitionToWide<D> pairs;
  const auto lower_pairs = [&](V a, V b) {
    return hn::BitCast(d, hn::InterleaveLower(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
  const auto upper_pairs = [&](V a, V b) {
    return hn::BitCast(d, hn::InterleaveUpper(pairs, hn::BitCast(pairs, a), hn::BitCast(pairs, b)));
  };
  V part[4][kGroups];  // part[j][g]: 128-bit part b holds column 4 b + j of rows 4 g .. 4 g + 3
#pragma GCC unroll 4
  for (int g = 0; g < kGroups; ++g) {
    const V r0 = hn::LoadU(d, in + (4 * g) * in_pitch), r1 = hn::LoadU(d, in + (4 * g + 1) * in_pitch);
    const V r2 = hn::LoadU(d, in + (4 * g + 2) * in_pitch), r3 = hn::LoadU(d, in + (4 * g + 3) * in_pitch);
    const V low01 = hn::InterleaveLower(d, r0, r1), high01 = hn::InterleaveUpper(d, r0, r1);
    const V low23 = hn::InterleaveLower(d, r2, r3), high23 = hn::InterleaveUpper(d, r2, r3);
    part[0][g] = lower_pairs(low01, low23);
    part[1][g] = upper_pairs(low01, low23);
    part[2][g] = lower_pairs(high01, high23);
    part[3][g] = upper_pairs(high01, high23);
  }
#pragma GCC unroll 4
  for (int j = 0; j < 4; ++j) {
    float* to = out + j * out_pitch;
    if constexpr (kGroups == 1) {
      hn::StoreU(part[j][0], d, to);
    } else if constexpr (kGroups == 2) {
      hn::StoreU(hn::ConcatLowerLower(d, part[j][1], part[j][0]), d, to);
      hn::StoreU(hn::ConcatUpperUpper(d, part[j][1], part[j][0]), d, to + 4 * out_pitch);
    } else {
      const V low02 = hn::ConcatLowerLower(d, part[j][2], part[j][0]), low13 = hn::ConcatLowerLower(d, part[j][3], part[j][1]);
      const V high02 = hn::ConcatUpperUpper(d, part[j][2], part[j][0]), high13 = hn::ConcatUpperUpper(d, part[j][3], part[j][1]);
      hn::StoreU(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(low13), low02), d, to);
      hn::StoreU(hn::OddEvenBlocks(low13, hn::SwapAdjacentBlocks(low02)), d, to + 4 * out_pitch);
      hn::StoreU(hn::OddEvenBlocks(hn::SwapAdjacentBlocks(high13), high02), d, to + 8 * out_pitch);
      hn::StoreU(hn::OddEvenBlocks(high13, hn::SwapAdjacentBlocks(high02)), d, to + 12 * out_pitch);
    }
  }
}

// All tiles; the last ones of a row or column of tiles overlap those before.
template <class D>
void Tiles(D d, const Matrix& m) {
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(D()));
  for (std::int64_t i = 0; i < m.rows; i += kLanes) {
    const std::int64_t r = std::min(i, m.rows - kLanes);
    for (std::int64_t j = 0; j < m.columns; j += kLanes) {
      const std::int64_t c = std::min(j, m.columns - kLanes);
      Tile(d, m.in + r * m.in_pitch + c, m.in_pitch, m.out + c * m.out_pitch + r, m.out_pitch);
    }
  }
}

using Lanes = hn::ScalableTag<float>;

// (rows, 3) to (3, rows). Returns the rows done; the rest is less than a vector.
std::int64_t SplitThree(const Matrix& m) {
  const Lanes d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t r = 0;
  for (; r + lanes <= m.rows; r += lanes) {
    hn::Vec<Lanes> a, b, c;
    hn::LoadInterleaved3(d, m.in + 3 * r, a, b, c);
    hn::StoreU(a, d, m.out + r);
    hn::StoreU(b, d, m.out + m.out_pitch + r);
    hn::StoreU(c, d, m.out + 2 * m.out_pitch + r);
  }
  return r;
}

// (rows, 6) to (6, rows): three pairs of channels as 64-bit lanes, then each pair split.
std::int64_t SplitSix(const Matrix& m) {
  const Lanes d;
  const hn::Repartition<std::uint64_t, Lanes> pairs;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t r = 0;
  for (; r + lanes <= m.rows; r += lanes) {
    const auto* from = reinterpret_cast<const std::uint64_t*>(m.in + 6 * r);
    hn::Vec<decltype(pairs)> low[3], high[3];
    hn::LoadInterleaved3(pairs, from, low[0], low[1], low[2]);
    hn::LoadInterleaved3(pairs, from + 3 * lanes / 2, high[0], high[1], high[2]);
    for (int p = 0; p < 3; ++p) {
      const auto first = hn::BitCast(d, low[p]), second = hn::BitCast(d, high[p]);
      hn::StoreU(hn::ConcatEven(d, second, first), d, m.out + 2 * p * m.out_pitch + r);
      hn::StoreU(hn::ConcatOdd(d, second, first), d, m.out + (2 * p + 1) * m.out_pitch + r);
    }
  }
  return r;
}

// (3, columns) to (columns, 3).
std::int64_t JoinThree(const Matrix& m) {
  const Lanes d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= m.columns; c += lanes) {
    hn::StoreInterleaved3(hn::LoadU(d, m.in + c), hn::LoadU(d, m.in + m.in_pitch + c), hn::LoadU(d, m.in + 2 * m.in_pitch + c), d,
                          m.out + 3 * c);
  }
  return c;
}

// (6, columns) to (columns, 6).
std::int64_t JoinSix(const Matrix& m) {
  const Lanes d;
  const hn::Repartition<std::uint64_t, Lanes> pairs;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= m.columns; c += lanes) {
    hn::Vec<decltype(pairs)> low[3], high[3];
    for (int p = 0; p < 3; ++p) {
      const auto even = hn::LoadU(d, m.in + 2 * p * m.in_pitch + c), odd = hn::LoadU(d, m.in + (2 * p + 1) * m.in_pitch + c);
      // Interleaving works inside 128-bit parts, so the two results hold every other part.
      low[p] = hn::BitCast(pairs, hn::InterleaveLower(d, even, odd));
      high[p] = hn::BitCast(pairs, hn::InterleaveUpper(d, even, odd));
    }
    HWY_ALIGN std::uint64_t buffer[2][3 * hn::MaxLanes(pairs)];
    hn::StoreInterleaved3(low[0], low[1], low[2], pairs, buffer[0]);
    hn::StoreInterleaved3(high[0], high[1], high[2], pairs, buffer[1]);
    auto* to = reinterpret_cast<std::uint64_t*>(m.out + 6 * c);
    for (std::int64_t part = 0; part < lanes / 4; ++part) {  // two positions of six channels each
      std::copy_n(buffer[0] + 6 * part, 6, to + 12 * part);
      std::copy_n(buffer[1] + 6 * part, 6, to + 12 * part + 6);
    }
  }
  return c;
}

void Transpose(const Matrix& m) {
  Matrix rest = m;
  const auto skip_rows = [&](std::int64_t done) { rest.rows -= done, rest.in += done * m.in_pitch, rest.out += done; };
  const auto skip_columns = [&](std::int64_t done) { rest.columns -= done, rest.in += done, rest.out += done * m.out_pitch; };
  if (m.columns == 3 && m.in_pitch == 3) skip_rows(SplitThree(m));
  if (m.columns == 6 && m.in_pitch == 6) skip_rows(SplitSix(m));
  if (m.rows == 3 && m.out_pitch == 3) skip_columns(JoinThree(m));
  if (m.rows == 6 && m.out_pitch == 6) skip_columns(JoinSix(m));
  const std::int64_t side = std::min(rest.rows, rest.columns);
  constexpr auto kLanes = static_cast<std::int64_t>(hn::MaxLanes(Lanes()));
  if (kLanes >= 16 && side >= 16) return Tiles(hn::CappedTag<float, 16>(), rest);
  if (kLanes >= 8 && side >= 8) return Tiles(hn::CappedTag<float, 8>(), rest);
  if (side >= 4) return Tiles(hn::CappedTag<float, 4>(), rest);
  Scalar(rest);
}

#else

void Transpose(const Matrix& m) {
  Scalar(m);
}

#endif

void TransposeEntry(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t in_pitch, float* out, std::int64_t out_pitch) {
  Transpose({rows, columns, in, in_pitch, out, out_pitch});
}

}  // namespace HWY_NAMESPACE
}  // namespace sepia::kernels::cpu
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(TransposeEntry);

void transpose(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t in_pitch, float* out, std::int64_t out_pitch) {
  HWY_DYNAMIC_DISPATCH(TransposeEntry)(rows, columns, in, in_pitch, out, out_pitch);
}

void transpose_parallel(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t in_pitch, float* out,
                        std::int64_t out_pitch) {
  const std::int64_t grain = std::max<std::int64_t>(64, (1 << 16) / std::max<std::int64_t>(1, columns) / 16 * 16);
  parallel_for(pieces_of(rows, grain), [&](std::int64_t piece) {
    const std::int64_t first = piece * grain;
    transpose(std::min(grain, rows - first), columns, in + first * in_pitch, in_pitch, out + first, out_pitch);
  });
}

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
