// Cost: bound by first-level cache; forward four loads and a quarter of the stores and rounding that the planes would take unpooled.
#include "kernels/cpu/pooled_planes.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/pooled_planes.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_POOLED_PLANES_ONCE
#define SEPIA_POOLED_PLANES_ONCE
namespace sepia::kernels::cpu {

// Two rows of planes and the row of planes that they pool into.
struct PooledRow {
  const float* top;
  std::int64_t pitch, plane, channels, width;  // width: of the pooled row
  bool relu;
  float *best, *winner;  // best may hold words; winner only where it is stored apart
  std::int64_t out_plane;
};

// A row of the pooled gradient as planes `words_plane` apart, zeros behind its end, and the two rows that it spreads over; either may be
// null. A number is masked by the ReLU already. Of floats the winners are planes of their own; of bf16 numbers they are the lower
// eight bits of the same 32.
template <class P>
struct SpreadRow {
  const float *gradient, *winner;
  std::int64_t words_plane, channels, width;
  P *top, *bottom;
  std::int64_t plane;
};

}  // namespace sepia::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

constexpr std::uint32_t kUpperHalf = 0xffff0000U, kWinnerBits = 0xffU;

HWY_INLINE hn::Vec<Words> word_of(V v) { return hn::BitCast(Words(), v); }
HWY_INLINE V float_of(hn::Vec<Words> v) { return hn::BitCast(Floats(), v); }

HWY_INLINE void load_even_odd(const float* p, V& even, V& odd) {
  const Floats d;
#if HWY_TARGET == HWY_SCALAR
  hn::LoadInterleaved2(d, p, even, odd);
#else
  const V first = hn::LoadU(d, p), second = hn::LoadU(d, p + kLanes);
  even = hn::ConcatEven(d, second, first);
  odd = hn::ConcatOdd(d, second, first);
#endif
}

// Forward. The winners are followed among numbers as they would have been stored: rounding makes ties.
enum class Following { kNobody, kWinners, kRoundedWinners };

template <Following kFollowing>
void PoolRow(const PooledRow& row) {
  const Floats d;
  const Act act = load_act(Prologue<float>{.relu = row.relu}, FullLanes{}, 0);
  const auto stored = [=](V v) HWY_ATTR {
    if constexpr (kFollowing == Following::kNobody) return v;
    if constexpr (kFollowing == Following::kWinners) return act.value(v);
    return act.value(as_stored<bf16>(v));
  };
  for (std::int64_t k = 0; k < row.channels; ++k) {
    const float *top = row.top + k * row.plane, *bottom = top + row.pitch;
    float *best = row.best + k * row.out_plane, *winner = row.winner + k * row.out_plane;
    for (std::int64_t q = 0; q < row.width; q += kLanes) {
      V tap[4];
      load_even_odd(top + 2 * q, tap[0], tap[1]);
      load_even_odd(bottom + 2 * q, tap[2], tap[3]);
      Contest contest{stored(tap[0]), hn::Zero(Ints())};
#pragma GCC unroll 3
      for (int t = 1; t < 4; ++t) contest.offer(stored(tap[t]), t);
      if constexpr (kFollowing == Following::kNobody) hn::StoreU(act.value(contest.best), d, best + q);
      if constexpr (kFollowing == Following::kWinners) {
        hn::StoreU(contest.best, d, best + q);
        hn::StoreU(hn::BitCast(d, contest.winner), d, winner + q);
      }
      if constexpr (kFollowing == Following::kRoundedWinners) {
        const auto bits = hn::And(word_of(contest.best), hn::Set(Words(), kUpperHalf));
        hn::StoreU(float_of(hn::Or(bits, hn::BitCast(Words(), contest.winner))), d, best + q);
      }
    }
  }
}

void PoolRowOnly(const PooledRow& row) { PoolRow<Following::kNobody>(row); }
void PoolRowAndWinners(const PooledRow& row) { PoolRow<Following::kWinners>(row); }
void PoolRowAndRoundedWinners(const PooledRow& row) { PoolRow<Following::kRoundedWinners>(row); }

void StoreWinners(std::int64_t count, const float* winner, std::uint8_t* index) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR { lanes.store_bytes(hn::BitCast(Ints(), lanes.load(winner + i)), index + i); });
}
// Of words that hold a bf16 number above its winner.
void StoreWords(std::int64_t count, const float* words, bf16* y, std::uint8_t* index) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    const auto word = word_of(lanes.load(words + i));
    lanes.store(float_of(hn::And(word, hn::Set(Words(), kUpperHalf))), y + i);
    lanes.store_bytes(hn::BitCast(Ints(), hn::And(word, hn::Set(Words(), kWinnerBits))), index + i);
  });
}

// Backward. y is null without a ReLU.
template <class T, class Lanes>
HWY_INLINE V open_gradient(Lanes lanes, const T* grad_y, const T* y) {
  const V g = lanes.load(grad_y);
  return y ? hn::IfThenZeroElse(hn::Le(lanes.load(y), splat(0.0F)), g) : g;
}
void LoadWinners(std::int64_t count, const float* grad_y, const std::uint8_t* index, const float* y, float* gradient, float* winner) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    lanes.store(open_gradient(lanes, grad_y + i, y ? y + i : nullptr), gradient + i);
    lanes.store(hn::BitCast(Floats(), lanes.load_bytes(index + i)), winner + i);
  });
}
void LoadWords(std::int64_t count, const bf16* grad_y, const std::uint8_t* index, const bf16* y, float* words) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    const auto winner = hn::BitCast(Words(), lanes.load_bytes(index + i));
    lanes.store(float_of(hn::Or(word_of(open_gradient(lanes, grad_y + i, y ? y + i : nullptr)), winner)), words + i);
  });
}

// A vector of pooled gradients: what goes to each tap of their windows.
struct Spread {
  V gradient;
  VInt winner;

  HWY_INLINE V at(std::int32_t tap) const {
    return hn::IfThenElseZero(hn::RebindMask(Floats(), hn::Eq(winner, hn::Set(Ints(), tap))), gradient);
  }
};
HWY_INLINE Spread spread_of(const float* gradient, const float* winner) {
  return {hn::LoadU(Floats(), gradient), hn::BitCast(Ints(), hn::LoadU(Floats(), winner))};
}
HWY_INLINE Spread spread_of_words(const float* words) {
  const auto word = word_of(hn::LoadU(Floats(), words));
  return {float_of(hn::And(word, hn::Set(Words(), kUpperHalf))), hn::BitCast(Ints(), hn::And(word, hn::Set(Words(), kWinnerBits)))};
}
HWY_INLINE V pair(V lower, V upper) { return float_of(hn::Or(hn::ShiftRight<16>(word_of(lower)), word_of(upper))); }

// put(row, q, channel plane, first tap of the row) for the rows that are wanted, top before bottom.
template <class P, class Put>
HWY_INLINE void for_spread(const SpreadRow<P>& r, std::int64_t planes, const Put& put) {
  for (std::int64_t k = 0; k < planes; ++k) {
    if (r.top) {
      for (std::int64_t q = 0; q < r.width; q += kLanes) put(r.top + k * r.plane + 2 * q, k, q, 0);
    }
    if (r.bottom) {
      for (std::int64_t q = 0; q < r.width; q += kLanes) put(r.bottom + k * r.plane + 2 * q, k, q, 2);
    }
  }
}

void SpreadFloats(const SpreadRow<float>& r) {
  for_spread(r, r.channels, [&](float* to, std::int64_t k, std::int64_t q, std::int32_t tap) HWY_ATTR {
    const Spread spread = spread_of(r.gradient + k * r.words_plane + q, r.winner + k * r.words_plane + q);
    hn::StoreInterleaved2(spread.at(tap), spread.at(tap + 1), Floats(), to);
  });
}
void SpreadHalves(const SpreadRow<bf16>& r) {
  for_spread(r, r.channels, [&](bf16* to, std::int64_t k, std::int64_t q, std::int32_t tap) HWY_ATTR {
    const Spread spread = spread_of_words(r.gradient + k * r.words_plane + q);
    hn::StoreU(pair(spread.at(tap), spread.at(tap + 1)), Floats(), reinterpret_cast<float*>(to));
  });
}
void SpreadPairs(const SpreadRow<float>& r) {
  for_spread(r, r.channels / 2, [&](float* to, std::int64_t j, std::int64_t q, std::int32_t tap) HWY_ATTR {
    const Spread lower = spread_of_words(r.gradient + 2 * j * r.words_plane + q), upper = spread_of_words(r.gradient + (2 * j + 1) * r.words_plane + q);
    hn::StoreInterleaved2(pair(lower.at(tap), upper.at(tap)), pair(lower.at(tap + 1), upper.at(tap + 1)), Floats(), to);
  });
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(PoolRowOnly);
HWY_EXPORT(PoolRowAndWinners);
HWY_EXPORT(PoolRowAndRoundedWinners);
HWY_EXPORT(StoreWinners);
HWY_EXPORT(StoreWords);
HWY_EXPORT(LoadWinners);
HWY_EXPORT(LoadWords);
HWY_EXPORT(SpreadFloats);
HWY_EXPORT(SpreadHalves);
HWY_EXPORT(SpreadPairs);

namespace {

constexpr std::int64_t kWidestVector = 16;

std::int64_t whole_vectors(std::int64_t width) { return pieces_of(width, kWidestVector) * kWidestVector; }

// (channels, width) planes as rows of channels at y, rounded, and their winners at index.
void join(std::int64_t channels, std::int64_t width, std::int64_t plane, const float* best, const float* winner, float* y, std::uint8_t* index) {
  transpose(channels, width, best, plane, y, channels);
  if (!index) return;
  float* joined = scratch(Scratch::kRow, width * channels);
  transpose(channels, width, winner, plane, joined, channels);
  HWY_DYNAMIC_DISPATCH(StoreWinners)(width * channels, joined, index);
}
void join(std::int64_t channels, std::int64_t width, std::int64_t plane, const float* best, const float*, bf16* y, std::uint8_t* index) {
  const std::int64_t count = width * channels;
  float* joined = scratch(Scratch::kRow, count);
  transpose(channels, width, best, plane, joined, channels);
  if (index) HWY_DYNAMIC_DISPATCH(StoreWords)(count, joined, y, index);
  else round_rows({1, count, count}, joined, count, nullptr, y);
}

// A row of the pooled gradient as planes; returns them in the manner of SpreadRow.
struct PooledPlanes {
  const float *gradient, *winner;
  std::int64_t plane;
};

template <class T>
PooledPlanes pooled_planes(const PooledGradient<T>& g, std::int64_t p) {
  constexpr std::int64_t kArrays = std::is_same_v<T, float> ? 2 : 1;
  const std::int64_t count = g.width * g.channels, at = p * count, plane = whole_vectors(g.width), size = g.channels * plane;
  float* row = scratch(Scratch::kRow, kArrays * count);
  float* planes = scratch(Scratch::kShared, kArrays * size);
  const T* y = g.y ? g.y + at : nullptr;
  if constexpr (std::is_same_v<T, float>) HWY_DYNAMIC_DISPATCH(LoadWinners)(count, g.grad_y + at, g.index + at, y, row, row + count);
  else HWY_DYNAMIC_DISPATCH(LoadWords)(count, g.grad_y + at, g.index + at, y, row);
  for (std::int64_t array = 0; array < kArrays; ++array) {
    float* to = planes + array * size;
    transpose(g.width, g.channels, row + array * count, g.channels, to, plane);
    for (std::int64_t k = 0; k < g.channels; ++k) std::fill(to + k * plane + g.width, to + (k + 1) * plane, 0.0F);
  }
  return {planes, planes + size, plane};
}

template <class T, class P, class Run>
void load(Run run, const PooledGradient<T>& g, std::int64_t first, std::int64_t count, const PlaneRows<P>& planes) {
  const std::int64_t begin = std::max<std::int64_t>(first, 0), end = std::min(first + count, 2 * g.rows);
  const auto row = [&](std::int64_t h) { return h >= begin && h < end ? planes.first + (h - first) * planes.pitch : nullptr; };
  for (std::int64_t p = begin / 2; 2 * p < end; ++p) {
    const PooledPlanes pooled = pooled_planes(g, p);
    run(SpreadRow<P>{pooled.gradient, pooled.winner, pooled.plane, g.channels, g.width, row(2 * p), row(2 * p + 1), planes.plane});
  }
}

}  // namespace

template <class T>
void store_pooled_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* planes, std::int64_t rows, bool relu, T* y,
                         std::uint8_t* index) {
  const std::int64_t channels = conv.out_channels, width = conv.out_width / 2, plane = whole_vectors(width);
  const auto run = !index                        ? HWY_DYNAMIC_DISPATCH(PoolRowOnly)
                   : std::is_same_v<T, float> ? HWY_DYNAMIC_DISPATCH(PoolRowAndWinners)
                                              : HWY_DYNAMIC_DISPATCH(PoolRowAndRoundedWinners);
  float* best = scratch(Scratch::kShared, 2 * channels * plane);
  float* winner = best + channels * plane;
  for (std::int64_t p = 0; 2 * p < rows; ++p) {
    run(PooledRow{planes + 2 * p * layout.pitch, layout.pitch, layout.out_plane, channels, width, relu, best, winner, plane});
    const std::int64_t at = p * width * channels;
    join(channels, width, plane, best, winner, y + at, index ? index + at : nullptr);
  }
}

template <class T>
void load_unpooled(const PooledGradient<T>& gradient, std::int64_t first, std::int64_t count, const PlaneRows<T>& planes) {
  if constexpr (std::is_same_v<T, float>) load(HWY_DYNAMIC_DISPATCH(SpreadFloats), gradient, first, count, planes);
  else load(HWY_DYNAMIC_DISPATCH(SpreadHalves), gradient, first, count, planes);
}

void load_unpooled_pairs(const PooledGradient<bf16>& gradient, std::int64_t first, std::int64_t count, const PlaneRows<float>& planes) {
  load(HWY_DYNAMIC_DISPATCH(SpreadPairs), gradient, first, count, planes);
}

template void store_pooled_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, bool, float*, std::uint8_t*);
template void store_pooled_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, bool, bf16*, std::uint8_t*);
template void load_unpooled(const PooledGradient<float>&, std::int64_t, std::int64_t, const PlaneRows<float>&);
template void load_unpooled(const PooledGradient<bf16>&, std::int64_t, std::int64_t, const PlaneRows<bf16>&);

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
