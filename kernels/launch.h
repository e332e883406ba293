// What every kernel takes besides its arguments, and the vocabulary that kernels share.
#pragma once

#include <cstdint>

#include "engine/base/dtype.h"

namespace sepia::kernels {

/// Where a kernel runs. Host backends ignore it; a CUDA backend finds its stream here.
struct LaunchContext {
  void* stream = nullptr;
};

/// Whether a backward kernel writes its result (`=`) or adds it to what is there (`+=`). The tape decides: the first gradient
/// that reaches a tensor is written, each further one is added, so that branches of a network need no second mechanism.
enum class Accumulate : std::uint8_t { kWrite, kAdd };

/// A per-channel affine map and ReLU that has not been carried out yet: the value a kernel must see instead of the stored x is
///     act(x)[.., c] = relu(scale[c] * x[.., c] + shift[c])       (the affine part only when scale is set, ReLU only when relu is)
/// Kernels apply it on load. Batch normalisation thus costs no pass of its own, and ReLU outputs are never stored.
/// Padding is zero *after* the map. scale and shift stay in the accumulator type (float when activations are bf16).
template <class T>
struct Prologue {
  const Accumulator<T>* scale = nullptr;  ///< (C)
  const Accumulator<T>* shift = nullptr;  ///< (C), set together with scale
  bool relu = false;

  constexpr bool identity() const { return scale == nullptr && !relu; }
};

/// relu(a) as every backend computes it: NaN stays NaN, as in PyTorch.
template <class A>
constexpr A relu_value(A a) { return a < A(0) ? A(0) : a; }
/// Whether a gradient passes ReLU at pre-activation a: blocked at a <= 0; passes where a is NaN, as in PyTorch.
template <class A>
constexpr bool relu_passes(A a) { return !(a <= A(0)); }

/// The affine part of a prologue at channel c, in the accumulator type.
template <class T>
constexpr Accumulator<T> prologue_affine(const Prologue<T>& p, T x, std::int64_t c) {
  const auto value = static_cast<Accumulator<T>>(x);
  return p.scale ? p.scale[c] * value + p.shift[c] : value;
}
/// The whole prologue at channel c.
template <class T>
constexpr Accumulator<T> prologue_value(const Prologue<T>& p, T x, std::int64_t c) {
  const auto value = prologue_affine(p, x, c);
  return p.relu ? relu_value(value) : value;
}
/// Whether a gradient at the prologue's output passes to its affine part.
template <class T>
constexpr bool prologue_passes(const Prologue<T>& p, T x, std::int64_t c) {
  return !p.relu || relu_passes(prologue_affine(p, x, c));
}

/// dst = value or dst += value.
template <class T>
constexpr void store(T& dst, Accumulator<T> value, Accumulate accumulate) {
  dst = static_cast<T>(accumulate == Accumulate::kAdd ? static_cast<Accumulator<T>>(dst) + value : value);
}

}  // namespace sepia::kernels
