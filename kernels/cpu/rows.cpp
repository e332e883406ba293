#include "kernels/cpu/rows.h"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

// One row. Written for long rows: callers join short ones.
void ActivateRow(const Prologue<float>& prologue, std::int64_t count, const float* x, float* out) {
  for_vectors(count,
              [&](auto lanes, std::int64_t i) HWY_ATTR { lanes.store(load_act(prologue, lanes, i).value(lanes.load(x + i)), out + i); });
}

// Gradient through the ReLU at the affine output.
void MaskRow(const Prologue<float>& prologue, Accumulate accumulate, std::int64_t count, const float* x, const float* grad, float* out) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    store(lanes, load_act(prologue, lanes, i).pass(lanes.load(x + i), lanes.load(grad + i)), out + i, accumulate);
  });
}

void AddRow(Accumulate accumulate, std::int64_t count, const float* x, float* out) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(x + i), out + i, accumulate); });
}

void AddBias(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* bias, float* y) {
  for (std::int64_t m = 0; m < rows; ++m, y += pitch) {
    for_vectors(channels,
                [&](auto lanes, std::int64_t c) HWY_ATTR { lanes.store(hn::Add(lanes.load(y + c), lanes.load(bias + c)), y + c); });
  }
}

// kVectors vectors of channels at once: their sums are independent, which hides the latency of the additions. A panel's sum starts at
// zero: long sums are sums of sums, which round less.
template <int kVectors>
HWY_INLINE void ColumnSumsOf(std::int64_t rows, std::int64_t pitch, const float* g, float* sums) {
  const Floats d;
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], hn::LoadU(d, g + m * pitch + v * kLanes));
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Add(hn::LoadU(d, sums + v * kLanes), sum[v]), d, sums + v * kLanes);
}

void ColumnSums(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* g, float* sums) {
  std::int64_t first = 0;
  for (; first + 8 * kLanes <= channels; first += 8 * kLanes) ColumnSumsOf<8>(rows, pitch, g + first, sums + first);
  for (; first + 2 * kLanes <= channels; first += 2 * kLanes) ColumnSumsOf<2>(rows, pitch, g + first, sums + first);
  for_vectors(channels - first, [&](auto lanes, std::int64_t i) HWY_ATTR {
    V sum = splat(0.0F);
    for (std::int64_t m = 0; m < rows; ++m) sum = hn::Add(sum, lanes.load(g + m * pitch + first + i));
    lanes.store(hn::Add(lanes.load(sums + first + i), sum), sums + first + i);
  });
}

void SumPartials(const float* partials, std::int64_t partial_count, std::int64_t stride, std::int64_t count, float* out,
                 Accumulate accumulate) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    V total = accumulate == Accumulate::kAdd ? lanes.load(out + i) : splat(0.0F);
    for (std::int64_t p = 0; p < partial_count; ++p) total = hn::Add(total, lanes.load(partials + p * stride + i));
    lanes.store(total, out + i);
  });
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(ActivateRow);
HWY_EXPORT(MaskRow);
HWY_EXPORT(AddRow);
HWY_EXPORT(AddBias);
HWY_EXPORT(ColumnSums);
HWY_EXPORT(SumPartials);

namespace {

constexpr std::int64_t kWidestVector = 16;  // floats in the widest vector that Highway may choose here

// Rows whose length is no multiple of a vector are joined: `repeat` rows make one long row, with the per-channel numbers repeated.
struct JoinedRows {
  std::int64_t repeat = 1;
  Prologue<float> prologue;
};

JoinedRows join(const Prologue<float>& prologue, const Rows& rows, bool dense) {
  if (!dense) return {1, prologue};
  if (!prologue.scale) return {std::max<std::int64_t>(rows.count, 1), prologue};
  const std::int64_t repeat = kWidestVector / std::gcd(rows.channels, kWidestVector);
  if (repeat == 1 || rows.count < 2 * repeat) return {1, prologue};
  const std::int64_t width = repeat * rows.channels;
  float* numbers = scratch(Scratch::kSmall, 2 * width);
  for (std::int64_t r = 0; r < repeat; ++r) {
    std::copy_n(prologue.scale, rows.channels, numbers + r * rows.channels);
    std::copy_n(prologue.shift, rows.channels, numbers + width + r * rows.channels);
  }
  return {repeat, {numbers, numbers + width, prologue.relu}};
}

// Calls body(first row, rows joined) over all rows.
template <class Body>
void for_joined_rows(const Rows& rows, std::int64_t repeat, Body&& body) {
  std::int64_t m = 0;
  for (; m + repeat <= rows.count; m += repeat) body(m, repeat);
  if (m < rows.count) body(m, rows.count - m);
}

}  // namespace

void activate_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, float* out) {
  const JoinedRows joined = join(prologue, rows, rows.dense());
  if (prologue.identity()) {
    for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
      std::copy_n(x + m * rows.pitch, count * rows.channels, out + m * rows.channels);
    });
    return;
  }
  const auto activate_row = HWY_DYNAMIC_DISPATCH(ActivateRow);
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    activate_row(joined.prologue, count * rows.channels, x + m * rows.pitch, out + m * rows.channels);
  });
}

void mask_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, const float* grad, std::int64_t grad_pitch, float* out,
               Accumulate accumulate) {
  const bool dense = rows.dense() && grad_pitch == rows.channels;
  if (!prologue.relu) {
    if (accumulate == Accumulate::kWrite && grad == out) return;
    const auto add_row = HWY_DYNAMIC_DISPATCH(AddRow);
    for_joined_rows(rows, dense ? std::max<std::int64_t>(rows.count, 1) : 1, [&](std::int64_t m, std::int64_t count) {
      add_row(accumulate, count * rows.channels, grad + m * grad_pitch, out + m * rows.pitch);
    });
    return;
  }
  const JoinedRows joined = join(prologue, rows, dense);
  const auto mask_row = HWY_DYNAMIC_DISPATCH(MaskRow);
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    mask_row(joined.prologue, accumulate, count * rows.channels, x + m * rows.pitch, grad + m * grad_pitch, out + m * rows.pitch);
  });
}

void add_bias(const Rows& rows, const float* bias, float* y) {
  HWY_DYNAMIC_DISPATCH(AddBias)(rows.count, rows.channels, rows.pitch, bias, y);
}

void add_column_sums(const Rows& rows, const float* g, float* sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSums)(rows.count, rows.channels, rows.pitch, g, sums);
}

void sum_partials(const float* partials, std::int64_t partial_count, std::int64_t stride, std::int64_t count, float* out,
                  Accumulate accumulate) {
  HWY_DYNAMIC_DISPATCH(SumPartials)(partials, partial_count, stride, count, out, accumulate);
}

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
