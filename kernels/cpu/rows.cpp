#include "kernels/cpu/rows.h"

#include <algorithm>
#include <numeric>

#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/rows.cpp"
#include <hwy/foreach_target.h>
#include <hwy/highway.h>

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu {
namespace HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;
using D = hn::ScalableTag<float>;
using V = hn::Vec<D>;

// Calls body(i, mask) for each vector of [0, count); the mask is full but for the last vector.
template <class Full, class Tail>
HWY_INLINE void for_vectors(std::int64_t count, Full&& full, Tail&& tail) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t i = 0;
  for (; i + lanes <= count; i += lanes) full(i);
  if (i < count) tail(i, hn::FirstN(d, static_cast<std::size_t>(count - i)));
}

// Affine part of a prologue: a fused multiply-add, as in every vectorised kernel, so that a mask recomputed elsewhere has the
// same bits.
HWY_INLINE V affine(V x, V scale, V shift) {
  return hn::MulAdd(scale, x, shift);
}
HWY_INLINE V relu(V a) {
  return hn::IfThenZeroElse(hn::Lt(a, hn::Zero(D())), a);
}
HWY_INLINE V pass(V a, V grad) {
  return hn::IfThenZeroElse(hn::Le(a, hn::Zero(D())), grad);
}

// One row; scale may be null. Written for long rows: callers join short ones.
void ActivateRow(const float* scale, const float* shift, bool with_relu, std::int64_t count, const float* x, float* out) {
  const D d;
  const auto value = [&](V v, V a, V b) {
    const V z = affine(v, a, b);
    return with_relu ? relu(z) : z;
  };
  if (scale) {
    for_vectors(
        count,
        [&](std::int64_t i) { hn::StoreU(value(hn::LoadU(d, x + i), hn::LoadU(d, scale + i), hn::LoadU(d, shift + i)), d, out + i); },
        [&](std::int64_t i, auto m) {
          hn::BlendedStore(value(hn::MaskedLoad(m, d, x + i), hn::MaskedLoad(m, d, scale + i), hn::MaskedLoad(m, d, shift + i)), m, d,
                           out + i);
        });
  } else {
    for_vectors(
        count, [&](std::int64_t i) { hn::StoreU(relu(hn::LoadU(d, x + i)), d, out + i); },
        [&](std::int64_t i, auto m) { hn::BlendedStore(relu(hn::MaskedLoad(m, d, x + i)), m, d, out + i); });
  }
}

// Gradient through the ReLU at the affine output; scale may be null.
void MaskRow(const float* scale, const float* shift, bool add, std::int64_t count, const float* x, const float* grad, float* out) {
  const D d;
  const auto one = hn::Set(d, 1.0F);
  const auto zero = hn::Zero(d);
  const auto value = [&](V v, V a, V b, V g, V before) {
    const V passed = pass(scale ? affine(v, a, b) : v, g);
    return add ? hn::Add(before, passed) : passed;
  };
  for_vectors(
      count,
      [&](std::int64_t i) {
        hn::StoreU(value(hn::LoadU(d, x + i), scale ? hn::LoadU(d, scale + i) : one, scale ? hn::LoadU(d, shift + i) : zero,
                         hn::LoadU(d, grad + i), add ? hn::LoadU(d, out + i) : zero),
                   d, out + i);
      },
      [&](std::int64_t i, auto m) {
        hn::BlendedStore(value(hn::MaskedLoad(m, d, x + i), scale ? hn::MaskedLoad(m, d, scale + i) : one,
                               scale ? hn::MaskedLoad(m, d, shift + i) : zero, hn::MaskedLoad(m, d, grad + i),
                               add ? hn::MaskedLoad(m, d, out + i) : zero),
                         m, d, out + i);
      });
}

void AddRow(bool add, std::int64_t count, const float* x, float* out) {
  const D d;
  for_vectors(
      count,
      [&](std::int64_t i) {
        const V v = hn::LoadU(d, x + i);
        hn::StoreU(add ? hn::Add(hn::LoadU(d, out + i), v) : v, d, out + i);
      },
      [&](std::int64_t i, auto m) {
        const V v = hn::MaskedLoad(m, d, x + i);
        hn::BlendedStore(add ? hn::Add(hn::MaskedLoad(m, d, out + i), v) : v, m, d, out + i);
      });
}

void AddBias(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* bias, float* y) {
  const D d;
  for (std::int64_t m = 0; m < rows; ++m, y += pitch) {
    for_vectors(
        channels, [&](std::int64_t c) { hn::StoreU(hn::Add(hn::LoadU(d, y + c), hn::LoadU(d, bias + c)), d, y + c); },
        [&](std::int64_t c, auto mask) {
          hn::BlendedStore(hn::Add(hn::MaskedLoad(mask, d, y + c), hn::MaskedLoad(mask, d, bias + c)), mask, d, y + c);
        });
  }
}

// kVectors vectors of channels at once: their sums are independent, which hides the latency of the additions.
template <int kVectors>
HWY_INLINE void ColumnSumsOf(std::int64_t rows, std::int64_t pitch, const float* g, float* sums) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  V sum[kVectors];
  for (int v = 0; v < kVectors; ++v) sum[v] = hn::LoadU(d, sums + v * lanes);
  for (std::int64_t m = 0; m < rows; ++m) {
    for (int v = 0; v < kVectors; ++v) sum[v] = hn::Add(sum[v], hn::LoadU(d, g + m * pitch + v * lanes));
  }
  for (int v = 0; v < kVectors; ++v) hn::StoreU(sum[v], d, sums + v * lanes);
}

void ColumnSums(std::int64_t rows, std::int64_t channels, std::int64_t pitch, const float* g, float* sums) {
  const D d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t first = 0;
  for (; first + 8 * lanes <= channels; first += 8 * lanes) ColumnSumsOf<8>(rows, pitch, g + first, sums + first);
  for (; first + 2 * lanes <= channels; first += 2 * lanes) ColumnSumsOf<2>(rows, pitch, g + first, sums + first);
  for (; first + lanes <= channels; first += lanes) ColumnSumsOf<1>(rows, pitch, g + first, sums + first);
  if (first == channels) return;
  const auto mask = hn::FirstN(d, static_cast<std::size_t>(channels - first));
  V sum = hn::MaskedLoad(mask, d, sums + first);
  for (std::int64_t m = 0; m < rows; ++m) sum = hn::Add(sum, hn::MaskedLoad(mask, d, g + m * pitch + first));
  hn::BlendedStore(sum, mask, d, sums + first);
}

void SumPartials(const float* partials, std::int64_t partial_count, std::int64_t stride, std::int64_t count, float* out, bool add) {
  const D d;
  const auto sum = [&](std::int64_t i, auto load) {
    V total = add ? load(out + i) : hn::Zero(d);
    for (std::int64_t p = 0; p < partial_count; ++p) total = hn::Add(total, load(partials + p * stride + i));
    return total;
  };
  for_vectors(
      count, [&](std::int64_t i) { hn::StoreU(sum(i, [&](const float* from) { return hn::LoadU(d, from); }), d, out + i); },
      [&](std::int64_t i, auto m) {
        hn::BlendedStore(sum(i, [&](const float* from) { return hn::MaskedLoad(m, d, from); }), m, d, out + i);
      });
}

}  // namespace HWY_NAMESPACE
}  // namespace sepia::kernels::cpu
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

// Rows whose length is no multiple of a vector are joined: `repeat` rows make one long row with the per-channel numbers repeated.
struct JoinedRows {
  std::int64_t repeat = 1;
  const float* scale = nullptr;
  const float* shift = nullptr;
};

JoinedRows join(const Prologue<float>& prologue, const Rows& rows) {
  JoinedRows joined{1, prologue.scale, prologue.shift};
  if (!rows.dense()) return joined;
  if (!prologue.scale) {
    joined.repeat = std::max<std::int64_t>(rows.count, 1);
    return joined;
  }
  const std::int64_t repeat = kWidestVector / std::gcd(rows.channels, kWidestVector);
  if (repeat == 1 || rows.count < 2 * repeat) return joined;
  const std::int64_t width = repeat * rows.channels;
  float* numbers = scratch(Scratch::kSmall, 2 * width);
  for (std::int64_t r = 0; r < repeat; ++r) {
    std::copy_n(prologue.scale, rows.channels, numbers + r * rows.channels);
    std::copy_n(prologue.shift, rows.channels, numbers + width + r * rows.channels);
  }
  return {repeat, numbers, numbers + width};
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
  if (prologue.identity()) {
    for_joined_rows(rows, rows.dense() ? std::max<std::int64_t>(rows.count, 1) : 1, [&](std::int64_t m, std::int64_t joined) {
      std::copy_n(x + m * rows.pitch, joined * rows.channels, out + m * rows.channels);
    });
    return;
  }
  const JoinedRows joined = join(prologue, rows);
  const auto activate_row = HWY_DYNAMIC_DISPATCH(ActivateRow);
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    activate_row(joined.scale, joined.shift, prologue.relu, count * rows.channels, x + m * rows.pitch, out + m * rows.channels);
  });
}

void mask_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, const float* grad, std::int64_t grad_pitch, float* out,
               Accumulate accumulate) {
  const bool add = accumulate == Accumulate::kAdd;
  const bool dense = rows.dense() && grad_pitch == rows.channels;
  if (!prologue.relu) {
    if (!add && grad == out) return;
    const auto add_row = HWY_DYNAMIC_DISPATCH(AddRow);
    for_joined_rows(rows, dense ? std::max<std::int64_t>(rows.count, 1) : 1, [&](std::int64_t m, std::int64_t count) {
      add_row(add, count * rows.channels, grad + m * grad_pitch, out + m * rows.pitch);
    });
    return;
  }
  const JoinedRows joined = dense ? join(prologue, rows) : JoinedRows{1, prologue.scale, prologue.shift};
  const auto mask_row = HWY_DYNAMIC_DISPATCH(MaskRow);
  for_joined_rows(rows, joined.repeat, [&](std::int64_t m, std::int64_t count) {
    mask_row(joined.scale, joined.shift, add, count * rows.channels, x + m * rows.pitch, grad + m * grad_pitch, out + m * rows.pitch);
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
  HWY_DYNAMIC_DISPATCH(SumPartials)(partials, partial_count, stride, count, out, accumulate == Accumulate::kAdd);
}

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
