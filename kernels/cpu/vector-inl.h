// What the vectorised kernels share: a channel vector that may be partial, the prologue on it, loops over channels and rows.
//
// Included once per instruction set by each kernel file (Highway's foreach_target), hence no #pragma once. A kernel file reads
//     #undef HWY_TARGET_INCLUDE
//     #define HWY_TARGET_INCLUDE "kernels/cpu/<op>.cpp"
//     #include <hwy/foreach_target.h>
//     #include "kernels/cpu/vector-inl.h"
//     HWY_BEFORE_NAMESPACE();
//     namespace sepia::kernels::cpu::HWY_NAMESPACE { ...code compiled for each instruction set... }
//     HWY_AFTER_NAMESPACE();
//     #if HWY_ONCE
//     SEPIA_DISPATCH(kernel, Args) ...
//     #endif
// A kernel is a template kernel_vector(const Args<T>&); SEPIA_EXPORT_TYPES(kernel, Args) at the end of its namespace makes it for float
// and for bf16. Arithmetic is always in float: lanes load and store either type.
// Lambdas carry HWY_ATTR: they do not inherit the instruction set from the function that they stand in.
#if defined(SEPIA_KERNELS_CPU_VECTOR_INL_H_) == defined(HWY_TARGET_TOGGLE)
#ifdef SEPIA_KERNELS_CPU_VECTOR_INL_H_
#undef SEPIA_KERNELS_CPU_VECTOR_INL_H_
#else
#define SEPIA_KERNELS_CPU_VECTOR_INL_H_
#endif

#include <hwy/cache_control.h>
#include <hwy/highway.h>

#include <algorithm>
#include <cstdint>
#include <limits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/launch.h"

/// Within HWY_NAMESPACE: name_vector for both element types, as functions that can be dispatched.
#define SEPIA_EXPORT_TYPES(name, Args)                                 \
  void name##_float(const Args<float>& a) { name##_vector<float>(a); } \
  void name##_bf16(const Args<bf16>& a) { name##_vector<bf16>(a); }

/// Defines cpu::name for both element types as a call of the best compiled version.
#define SEPIA_DISPATCH(name, Args)                        \
  HWY_EXPORT(name##_float);                               \
  HWY_EXPORT(name##_bf16);                                \
  void name(const LaunchContext&, const Args<float>& a) { \
    HWY_DYNAMIC_DISPATCH(name##_float)(a);                \
  }                                                       \
  void name(const LaunchContext&, const Args<bf16>& a) {  \
    HWY_DYNAMIC_DISPATCH(name##_bf16)(a);                 \
  }

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {
namespace hn = hwy::HWY_NAMESPACE;

using Floats = hn::ScalableTag<float>;
using Ints = hn::Rebind<std::int32_t, Floats>;
using Bytes = hn::Rebind<std::uint8_t, Floats>;
using Words = hn::Rebind<std::uint32_t, Floats>;
using Halves = hn::Rebind<std::uint16_t, Floats>;
using V = hn::Vec<Floats>;
using VInt = hn::Vec<Ints>;
inline constexpr std::int64_t kLanes = hn::MaxLanes(Floats());
/// Masked loads and stores of this instruction set touch no memory outside the mask; the others go through a small buffer.
inline constexpr bool kMaskedMemory = HWY_TARGET == HWY_AVX2 || HWY_TARGET == HWY_AVX3;
/// The same for bytes and 16-bit numbers.
inline constexpr bool kMaskedBytes = HWY_TARGET == HWY_AVX3;

/// Whether there are 32 vector registers for a register tile, or 16.
inline constexpr bool kManyRegisters = HWY_TARGET == HWY_AVX3;

/// Keeps a loaded vector in its register: left alone, the compiler loads it anew for each product that uses it, and in a register
/// tile the loads become the bound.
HWY_INLINE void hold(V& v) {
#if HWY_ARCH_X86 && (HWY_COMPILER_GCC || HWY_COMPILER_CLANG) && HWY_TARGET != HWY_EMU128 && HWY_TARGET != HWY_SCALAR
  asm("" : "+v"(v.raw));
#else
  (void)v;
#endif
}

HWY_INLINE V splat(float value) {
  return hn::Set(Floats(), value);
}

// With 512-bit vectors bf16 numbers go through the instructions of AVX-512 BF16, for which Highway has no name yet: only a processor
// that has them gets a table of bf16 kernels (has_bf16_products).

/// bf16 numbers are the upper halves of floats.
HWY_INLINE V widened(hn::Vec<Halves> halves) {
  return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::PromoteTo(Words(), halves)));
}
/// Rounds as bf16(float) does: to nearest, ties to even, NaN to a quiet NaN; only denormals, which count as zero in every kernel, may
/// become zero.
HWY_INLINE hn::Vec<Halves> narrowed(V v) {
#if HWY_TARGET == HWY_AVX3
  hn::Vec<Halves> halves;
  asm("vcvtneps2bf16 %1, %t0" : "=v"(halves.raw) : "v"(v.raw));
  return halves;
#else
  const Words words;
  const auto bits = hn::BitCast(words, v);
  const auto upper = hn::ShiftRight<16>(bits);
  const auto odd = hn::And(upper, hn::Set(words, 1u));
  const auto rounded = hn::ShiftRight<16>(hn::Add(bits, hn::Add(odd, hn::Set(words, 0x7fffu))));
  const auto quiet = hn::Or(upper, hn::Set(words, 0x40u));
  const auto result = hn::IfThenElse(hn::RebindMask(words, hn::IsNaN(v)), quiet, rounded);
  return hn::DemoteTo(Halves(), hn::BitCast(Ints(), result));
#endif
}
/// sum + x0 y0 + x1 y1 in each lane, of pairs of bf16 numbers: x0 and y0 in the lower halves of the 32 bits.
HWY_INLINE V add_products_of_pairs(V sum, V x, V y) {
#if HWY_TARGET == HWY_AVX3
  asm("vdpbf16ps %2, %1, %0" : "+v"(sum.raw) : "v"(x.raw), "v"(y.raw));
  return sum;
#else
  const Words words;
  const auto lower = [=](V v) HWY_ATTR { return hn::BitCast(Floats(), hn::ShiftLeft<16>(hn::BitCast(words, v))); };
  const auto upper = [=](V v) HWY_ATTR { return hn::BitCast(Floats(), hn::And(hn::BitCast(words, v), hn::Set(words, 0xffff0000u))); };
  return hn::MulAdd(upper(x), upper(y), hn::MulAdd(lower(x), lower(y), sum));
#endif
}
HWY_INLINE const std::uint16_t* bits_of(const bf16* p) { return reinterpret_cast<const std::uint16_t*>(p); }
HWY_INLINE std::uint16_t* bits_of(bf16* p) { return reinterpret_cast<std::uint16_t*>(p); }

/// A whole vector of channels.
struct FullLanes {
  HWY_INLINE V load(const float* p) const { return hn::LoadU(Floats(), p); }
  HWY_INLINE void store(V v, float* p) const { hn::StoreU(v, Floats(), p); }
  HWY_INLINE V load(const bf16* p) const { return widened(hn::LoadU(Halves(), bits_of(p))); }
  HWY_INLINE void store(V v, bf16* p) const { hn::StoreU(narrowed(v), Halves(), bits_of(p)); }
  HWY_INLINE VInt load_bytes(const std::uint8_t* p) const { return hn::PromoteTo(Ints(), hn::LoadU(Bytes(), p)); }
  HWY_INLINE void store_bytes(VInt v, std::uint8_t* p) const { hn::StoreU(hn::DemoteTo(Bytes(), v), Bytes(), p); }
};

/// The first `count` lanes, for the channels that do not fill a vector. Other lanes load as zero and are not stored.
struct TailLanes {
  std::size_t count;

  HWY_INLINE V load(const float* p) const {
    if constexpr (kMaskedMemory) return hn::MaskedLoad(hn::FirstN(Floats(), count), Floats(), p);
    HWY_ALIGN float buffer[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) buffer[i] = p[i];
    return hn::Load(Floats(), buffer);
  }
  HWY_INLINE void store(V v, float* p) const {
    if constexpr (kMaskedMemory) {
      hn::BlendedStore(v, hn::FirstN(Floats(), count), Floats(), p);
    } else {
      HWY_ALIGN float buffer[kLanes];
      hn::Store(v, Floats(), buffer);
      for (std::size_t i = 0; i < count; ++i) p[i] = buffer[i];
    }
  }
  HWY_INLINE V load(const bf16* p) const {
    if constexpr (kMaskedBytes) return widened(hn::MaskedLoad(hn::FirstN(Halves(), count), Halves(), bits_of(p)));
    HWY_ALIGN std::uint16_t buffer[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) buffer[i] = p[i].bits;
    return widened(hn::Load(Halves(), buffer));
  }
  HWY_INLINE void store(V v, bf16* p) const {
    if constexpr (kMaskedBytes) {
      hn::BlendedStore(narrowed(v), hn::FirstN(Halves(), count), Halves(), bits_of(p));
    } else {
      HWY_ALIGN std::uint16_t buffer[kLanes];
      hn::Store(narrowed(v), Halves(), buffer);
      for (std::size_t i = 0; i < count; ++i) p[i].bits = buffer[i];
    }
  }
  HWY_INLINE VInt load_bytes(const std::uint8_t* p) const {
    if constexpr (kMaskedBytes) return hn::PromoteTo(Ints(), hn::MaskedLoad(hn::FirstN(Bytes(), count), Bytes(), p));
    HWY_ALIGN std::uint8_t buffer[kLanes] = {};
    for (std::size_t i = 0; i < count; ++i) buffer[i] = p[i];
    return hn::PromoteTo(Ints(), hn::Load(Bytes(), buffer));
  }
  HWY_INLINE void store_bytes(VInt v, std::uint8_t* p) const {
    if constexpr (kMaskedBytes) {
      hn::BlendedStore(hn::DemoteTo(Bytes(), v), hn::FirstN(Bytes(), count), Bytes(), p);
    } else {
      HWY_ALIGN std::uint8_t buffer[kLanes];
      hn::Store(hn::DemoteTo(Bytes(), v), Bytes(), buffer);
      for (std::size_t i = 0; i < count; ++i) p[i] = buffer[i];
    }
  }
};

/// body(lanes, c) for c = 0, kLanes, 2 kLanes, ... < count; lanes is FullLanes but for the last, partial vector.
template <class Body>
HWY_INLINE void for_vectors(std::int64_t count, const Body& body) {
  std::int64_t c = 0;
  for (; c + kLanes <= count; c += kLanes) body(FullLanes{}, c);
  if (c < count) body(TailLanes{static_cast<std::size_t>(count - c)}, c);
}

/// A prologue on one vector of channels, the same arithmetic in forward and backward so that masks agree to the bit. A missing
/// affine is 1 * x + 0 and a missing ReLU a threshold that nothing is below (NaN): these kernels wait for memory, not for this.
struct Act {
  V scale, shift, threshold;
  V floor;  // zero, or minus infinity without a ReLU

  HWY_INLINE V affine(V x) const { return hn::MulAdd(scale, x, shift); }
  HWY_INLINE V value(V x) const {
    const V a = affine(x);
    if constexpr (kMaskedMemory) return hn::Max(floor, a);  // one instruction there; it gives its second operand when one is NaN
    return hn::IfThenZeroElse(hn::Lt(a, threshold), a);
  }
  /// gradient where the ReLU is open at x, else 0.
  HWY_INLINE V pass(V x, V gradient) const { return hn::IfThenZeroElse(hn::Le(affine(x), threshold), gradient); }
};

/// The prologue on the channels at c.
template <class T, class Lanes>
HWY_INLINE Act load_act(const Prologue<T>& p, Lanes lanes, std::int64_t c) {
  return {p.scale ? lanes.load(p.scale + c) : splat(1.0f), p.scale ? lanes.load(p.shift + c) : splat(0.0f),
          splat(p.relu ? 0.0f : std::numeric_limits<float>::quiet_NaN()), splat(p.relu ? 0.0f : -std::numeric_limits<float>::infinity())};
}

/// The best value of a window so far and its tap. Every tap is offered in scan order; the first maximum and the last NaN win.
struct Contest {
  V best;
  VInt winner;

  HWY_INLINE void offer(V value, std::int64_t tap) {
    const auto wins = hn::Or(hn::Gt(value, best), hn::IsNaN(value));
    best = hn::IfThenElse(wins, value, best);
    winner = hn::IfThenElse(hn::RebindMask(Ints(), wins), hn::Set(Ints(), static_cast<std::int32_t>(tap)), winner);
  }
};

/// p = v or p += v.
template <class T, class Lanes>
HWY_INLINE void store(Lanes lanes, V v, T* p, Accumulate accumulate) {
  lanes.store(accumulate == Accumulate::kAdd ? hn::Add(lanes.load(p), v) : v, p);
}

/// v as it reads from memory once it was stored as a T.
template <class T>
HWY_INLINE V as_stored(V v) {
  if constexpr (sizeof(T) == sizeof(bf16)) return widened(narrowed(v));
  else return v;
}

/// Elements that one piece of an element-wise kernel works on: 64 or 128 KiB, enough to hide the cost of handing out pieces.
inline constexpr std::int64_t kPieceFloats = 32768;

/// body(lanes, i) over the vectors of a flat array, pieces in parallel.
template <class Body>
HWY_INLINE void for_flat(std::int64_t count, const Body& body) {
  parallel_for(pieces_of(count, kPieceFloats), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t begin = piece * kPieceFloats;
    for_vectors(std::min(kPieceFloats, count - begin), [&](auto lanes, std::int64_t i) HWY_ATTR { body(lanes, begin + i); });
  });
}

/// body(lanes, i, c) over a (rows, channels) array, i the index of an element of channel c. Without per-channel parameters the
/// array is walked as a flat one (c is 0 then), so that few channels do not mean short vectors.
template <class Body>
HWY_INLINE void for_rows(std::int64_t rows, std::int64_t channels, bool per_channel, const Body& body) {
  if (!per_channel) return for_flat(rows * channels, [&](auto lanes, std::int64_t i) HWY_ATTR { body(lanes, i, std::int64_t{0}); });
  const std::int64_t grain = std::max<std::int64_t>(1, kPieceFloats / channels);
  parallel_for(pieces_of(rows, grain), [&](std::int64_t piece) HWY_ATTR {
    const std::int64_t end = std::min(rows, (piece + 1) * grain);
    for (std::int64_t row = piece * grain; row < end; ++row) {
      for_vectors(channels, [&](auto lanes, std::int64_t c) HWY_ATTR { body(lanes, row * channels + c, c); });
    }
  });
}

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#endif
