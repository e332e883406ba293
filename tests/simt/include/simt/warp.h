// Shuffles and votes.
#pragma once

#include <bit>
#include <cstdint>
#include <type_traits>

#include "simt/language.h"

namespace simt {

/// A value of at most 8 bytes as 64 bits and back, without a trip through memory.
template <class T>
SIMT_DEVICE std::uint64_t to_bits(T value) {
  static_assert(std::is_trivially_copyable_v<T> && sizeof(T) <= 8);
  if constexpr (sizeof(T) == 8) return std::bit_cast<std::uint64_t>(value);
  if constexpr (sizeof(T) == 4) return std::bit_cast<std::uint32_t>(value);
  if constexpr (sizeof(T) == 2) return std::bit_cast<std::uint16_t>(value);
  if constexpr (sizeof(T) == 1) return std::bit_cast<std::uint8_t>(value);
}
template <class T>
SIMT_DEVICE T from_bits(std::uint64_t bits) {
  if constexpr (sizeof(T) == 8) return std::bit_cast<T>(bits);
  if constexpr (sizeof(T) == 4) return std::bit_cast<T>(static_cast<std::uint32_t>(bits));
  if constexpr (sizeof(T) == 2) return std::bit_cast<T>(static_cast<std::uint16_t>(bits));
  if constexpr (sizeof(T) == 1) return std::bit_cast<T>(static_cast<std::uint8_t>(bits));
}

}  // namespace simt

// Lanes are grouped into segments of `width`; a source outside the own segment gives back the own value.
template <class T>
SIMT_DEVICE T __shfl_sync(unsigned mask, T value, int source, int width = 32) {
  const unsigned first = ::simt::lane() & ~(static_cast<unsigned>(width) - 1);
  return ::simt::from_bits<T>(
      ::simt::shuffle(mask, ::simt::to_bits(value), first + (static_cast<unsigned>(source) & (static_cast<unsigned>(width) - 1))));
}
template <class T>
SIMT_DEVICE T __shfl_up_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = ::simt::lane(), first = lane & ~(static_cast<unsigned>(width) - 1);
  return ::simt::from_bits<T>(::simt::shuffle(mask, ::simt::to_bits(value), lane >= first + delta ? lane - delta : lane));
}
template <class T>
SIMT_DEVICE T __shfl_down_sync(unsigned mask, T value, unsigned delta, int width = 32) {
  const unsigned lane = ::simt::lane(), last = lane | (static_cast<unsigned>(width) - 1);
  return ::simt::from_bits<T>(::simt::shuffle(mask, ::simt::to_bits(value), lane + delta <= last ? lane + delta : lane));
}
template <class T>
SIMT_DEVICE T __shfl_xor_sync(unsigned mask, T value, int lane_mask, int width = 32) {
  const unsigned lane = ::simt::lane(), last = lane | (static_cast<unsigned>(width) - 1), source = lane ^ static_cast<unsigned>(lane_mask);
  return ::simt::from_bits<T>(::simt::shuffle(mask, ::simt::to_bits(value), source <= last ? source : lane));
}

SIMT_DEVICE unsigned __ballot_sync(unsigned mask, int predicate) { return ::simt::ballot(mask, predicate != 0); }
SIMT_DEVICE int __any_sync(unsigned mask, int predicate) { return ::simt::ballot(mask, predicate != 0) != 0; }
SIMT_DEVICE int __all_sync(unsigned mask, int predicate) { return ::simt::ballot(mask, predicate == 0) == 0; }
template <class T>
SIMT_DEVICE unsigned __match_any_sync(unsigned mask, T value) { return ::simt::match_any(mask, ::simt::to_bits(value)); }
SIMT_DEVICE unsigned __activemask() { return ::simt::active_mask(); }

#define SIMT_REDUCE(name, T, step)                                                                \
  SIMT_DEVICE T name(unsigned mask, T value) {                                                    \
    T result = value;                                                                             \
    bool first = true;                                                                            \
    for (unsigned source = 0; source < 32; ++source) {                                            \
      if (!(mask >> source & 1u)) continue;                                                       \
      const T other = static_cast<T>(::simt::shuffle(mask, static_cast<unsigned>(value), source)); \
      result = first ? other : (step);                                                            \
      first = false;                                                                              \
    }                                                                                             \
    return result;                                                                                \
  }
SIMT_REDUCE(__reduce_add_sync, unsigned, result + other)
SIMT_REDUCE(__reduce_min_sync, unsigned, other < result ? other : result)
SIMT_REDUCE(__reduce_max_sync, unsigned, other > result ? other : result)
SIMT_REDUCE(__reduce_and_sync, unsigned, result& other)
SIMT_REDUCE(__reduce_or_sync, unsigned, result | other)
SIMT_REDUCE(__reduce_add_sync, int, result + other)
SIMT_REDUCE(__reduce_min_sync, int, other < result ? other : result)
SIMT_REDUCE(__reduce_max_sync, int, other > result ? other : result)
#undef SIMT_REDUCE
