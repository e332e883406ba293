// Small vectorised passes over rows of channels that the matrix-product kernels put around their panels: the prologue before a
// product, mask and accumulation after one, bias, column sums, sums of partial gradients. All of them work on a panel that lies
// in cache, on the calling thread, and are bound by that cache.
#pragma once

#include <cstdint>

#include "kernels/launch.h"

namespace sepia::kernels::cpu {

/// A block of `count` rows of `channels` numbers; rows lie `pitch` numbers apart.
struct Rows {
  std::int64_t count = 0, channels = 0, pitch = 0;

  bool dense() const { return pitch == channels; }
};

/// The same prologue, whatever the type of the activations: its numbers are floats in any case.
template <class T>
Prologue<float> as_float(const Prologue<T>& prologue) {
  return {prologue.scale, prologue.shift, prologue.relu};
}

/// The prologue of columns first.. of a matrix.
inline Prologue<float> columns_from(Prologue<float> prologue, std::int64_t first) {
  if (prologue.scale) {
    prologue.scale += first;
    prologue.shift += first;
  }
  return prologue;
}

/// out[m, c] = act(x[m, c]); out is dense (count, channels). From bf16 to float the products lose nothing; bf16 to bf16 rounds.
void activate_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, float* out);
void activate_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, float* out);
void activate_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, bf16* out);

/// out[m, c] = (or +=) grad[m, c] where the prologue's ReLU is open at x[m, c], else 0. x and out have the shape `rows`, grad has
/// rows grad_pitch apart; grad and out may be the same memory.
void mask_rows(const Prologue<float>& prologue, const Rows& rows, const float* x, const float* grad, std::int64_t grad_pitch, float* out,
               Accumulate accumulate);
void mask_rows(const Prologue<float>& prologue, const Rows& rows, const bf16* x, const float* grad, std::int64_t grad_pitch, bf16* out,
               Accumulate accumulate);

/// y[m, c] = x[m, c] + bias[c], rounded; x has rows x_pitch apart, y has the shape `rows`, bias may be null.
void round_rows(const Rows& rows, const float* x, std::int64_t x_pitch, const float* bias, bf16* y);

/// y[m, c] += bias[c].
void add_bias(const Rows& rows, const float* bias, float* y);

/// sums[c] += sum over m of g[m, c], rows in order.
void add_column_sums(const Rows& rows, const float* g, float* sums);
void add_column_sums(const Rows& rows, const bf16* g, float* sums);

/// out[i] = (or +=) sum over p of partials[p * stride + i], p in order, for i in [0, count).
void sum_partials(const float* partials, std::int64_t partial_count, std::int64_t stride, std::int64_t count, float* out,
                  Accumulate accumulate);

}  // namespace sepia::kernels::cpu
