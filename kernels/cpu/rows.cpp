#include "kernels/cpu/rows.h"

#include <algorithm>
#include <numeric>
#include <type_traits>

#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

// One row. Written for long rows: callers join short ones.
template <class In, class Out>
void ActivateRow(const Prologue<float>& prologue, std::int64_t count, const In* x, Out* out) {
  for_vectors(count,
              [&](auto lanes, std::int64_t i) HWY_ATTR { lanes.store(load_act(prologue, lanes, i).value(lanes.load(x + i)), out + i); });
}

// Gradient through the ReLU at the affine output.
template <class T>
void MaskRow(const Prologue<float>& prologue, Accumulate accumulate, std::int64_t count, const T* x, const float* grad, T* out) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR {
    store(lanes, load_act(prologue, lanes, i).pass(lanes.load(x + i), lanes.load(grad + i)), out + i, accumulate);
  });
}

template <class T>
void AddRow(Accumulate accumulate, std::int64_t count, const float* x, T* out) {
  for_vectors(count, [&](auto lanes, std::int64_t i) HWY_ATTR { store(lanes, lanes.load(x + i), out + i, accumulate); });
}

void AddBias(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* bias, float* y) {
  for (std::int64_t m = 0; m < rows; ++m, y += pitch) {
    for_vectors(channels,
                [&](auto lanes, std::int64_t c) HWY_ATTR { lanes.store(hn::Add(lanes.load(y + c), lanes.load(bias + c)), y + c); });
  }
}

void RoundRows(std::int64_t rows, std::int64_t channels, const float* x, std::int64_t x_pitch, const float* bias, bf16* y, std::int64_t y_pitch) {
  for (std::int64_t m = 0; m < rows; ++m, x += x_pitch, y += y_pitch) {
    for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR {
      lanes.store(bias ? hn::Add(lanes.load(x + c), lanes.load(bias + c)) : lanes.load(x + c), y + c);
    });
  }
}

// kVectors vectors of channels at once: their sums are independent, which hides the latency of the additions. A panel's sum starts at
// zero: long sums are sums of sums, which round less.
template <int kVectors, class T>
HWY_INLINE void ColumnSumsOf(std::int64_t rows, std::int64_t pitch, const T* g, float* sums) {
  const Floats d;
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::Zero(d);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], FullLanes{}.load(g + m * pitch + v * kLanes));
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(hn::Add(hn::LoadU(d, sums + v * kLanes), sum[v]), d, sums + v * kLanes);
}

template <class T>
void ColumnSums(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const T* g, float* sums) {
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

// What is dispatched is no template: names end in the types read and written, F for float and H for bf16.
void ActivateRowFF(const Prologue<float>& p, std::int64_t count, const float* x, float* out) { ActivateRow(p, count, x, out); }
void ActivateRowHF(const Prologue<float>& p, std::int64_t count, const bf16* x, float* out) { ActivateRow(p, count, x, out); }
void ActivateRowHH(const Prologue<float>& p, std::int64_t count, const bf16* x, bf16* out) { ActivateRow(p, count, x, out); }
void MaskRowF(const Prologue<float>& p, Accumulate accumulate, std::int64_t count, const float* x, const float* grad, float* out) {
  MaskRow(p, accumulate, count, x, grad, out);
}
void MaskRowH(const Prologue<float>& p, Accumulate accumulate, std::int64_t count, const bf16* x, const float* grad, bf16* out) {
  MaskRow(p, accumulate, count, x, grad, out);
}
void AddRowF(Accumulate accumulate, std::int64_t count, const float* x, float* out) { AddRow(accumulate, count, x, out); }
void AddRowH(Accumulate accumulate, std::int64_t count, const float* x, bf16* out) { AddRow(accumulate, count, x, out); }
void ColumnSumsF(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* g, float* sums) {
  ColumnSums(rows, channels, pitch, g, sums);
}
void ColumnSumsH(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const bf16* g, float* sums) {
  ColumnSums(rows, channels, pitch, g, sums);
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(ActivateRowFF);
HWY_EXPORT(ActivateRowHF);
HWY_EXPORT(ActivateRowHH);
HWY_EXPORT(MaskRowF);
HWY_EXPORT(MaskRowH);
HWY_EXPORT(AddRowF);
HWY_EXPORT(AddRowH);
HWY_EXPORT(AddBias);
HWY_EXPORT(RoundRows);
HWY_EXPORT(ColumnSumsF);
HWY_EXPORT(ColumnSumsH);
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

template <class In, class Out, class ActivateRow>
void activate(ActivateRow activate_row, const Prologue<float>& prologue, const Rows& rows, const In* x, Out* out) {
  const JoinedRows joined = join(prologue, rows, rows.dense());
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    if constexpr (std::is_same_v<In, Out>) {
      if (prologue.identity()) return void(std::copy_n(x + m * rows.pitch, count * rows.channels, out + m * rows.channels));
    }
    activate_row(joined.prologue, count * rows.channels, x + m * rows.pitch, out + m * rows.channels);
  });
}

template <class T, class MaskRow, class AddRow>
void mask(MaskRow mask_row, AddRow add_row, const Prologue<float>& prologue, const Rows& rows, const T* x, const float* grad, std::int64_t grad_pitch,
          T* out, Accumulate accumulate) {
  const bool dense = rows.dense() && grad_pitch == rows.channels;
  if (!prologue.relu) {
    if constexpr (std::is_same_v<T, float>) {
      if (accumulate == Accumulate::kWrite && grad == out) return;
    }
    for_joined_rows(rows, dense ? std::max<std::int64_t>(rows.count, 1) : 1, [&](std::int64_t m, std::int64_t count) {
      add_row(accumulate, count * rows.channels, grad + m * grad_pitch, out + m * rows.pitch);
    });
    return;
  }
  const JoinedRows joined = join(prologue, rows, dense);
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    mask_row(joined.prologue, accumulate, count * rows.channels, x + m * rows.pitch, grad + m * grad_pitch, out + m * rows.pitch);
  });
}

}  // namespace

void activate_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, float* out) {
  activate(HWY_DYNAMIC_DISPATCH(ActivateRowFF), prologue, rows, x, out);
}
void activate_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, float* out) {
  activate(HWY_DYNAMIC_DISPATCH(ActivateRowHF), prologue, rows, x, out);
}
void activate_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, bf16* out) {
  activate(HWY_DYNAMIC_DISPATCH(ActivateRowHH), prologue, rows, x, out);
}

void mask_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, const float* grad, std::int64_t grad_pitch, float* out,
               Accumulate accumulate) {
  mask(HWY_DYNAMIC_DISPATCH(MaskRowF), HWY_DYNAMIC_DISPATCH(AddRowF), prologue, rows, x, grad, grad_pitch, out, accumulate);
}
void mask_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, const float* grad, std::int64_t grad_pitch, bf16* out,
               Accumulate accumulate) {
  mask(HWY_DYNAMIC_DISPATCH(MaskRowH), HWY_DYNAMIC_DISPATCH(AddRowH), prologue, rows, x, grad, grad_pitch, out, accumulate);
}

void round_rows(const Rows& rows, const float* x, std::int64_t x_pitch, const float* bias, bf16* y) {
  HWY_DYNAMIC_DISPATCH(RoundRows)(rows.count, rows.channels, x, x_pitch, bias, y, rows.pitch);
}

void add_bias(const Rows& rows, const float* bias, float* y) {
  HWY_DYNAMIC_DISPATCH(AddBias)(rows.count, rows.channels, rows.pitch, bias, y);
}

void add_column_sums(const Rows& rows, const float* g, float* sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSumsF)(rows.count, rows.channels, rows.pitch, g, sums);
}
void add_column_sums(const Rows& rows, const bf16* g, float* sums) {
  HWY_DYNAMIC_DISPATCH(ColumnSumsH)(rows.count, rows.channels, rows.pitch, g, sums);
}

void sum_partials(const float* partials, std::int64_t partial_count, std::int64_t stride, std::int64_t count, float* out,
                  Accumulate accumulate) {
  HWY_DYNAMIC_DISPATCH(SumPartials)(partials, partial_count, stride, count, out, accumulate);
}

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
