// Working memory of the CPU kernels: per thread, grow-only, so that nothing is allocated once every shape has been seen.
#pragma once

#include <cstdint>

namespace sepia::kernels::cpu {

/// Buffers that one thread may hold at the same time. A kernel takes each slot at most once; the next request for a slot on the
/// same thread invalidates the last.
enum class Scratch : std::uint8_t {
  kPanel,     ///< the panel that a piece of work reads
  kOutput,    ///< the panel that a piece of work writes
  kWeights,   ///< weights in another order; taken by the calling thread, read by all
  kPartials,  ///< partial sums of all pieces; taken by the calling thread, written by all
  kInput,     ///< rows that a fused kernel's next layer reads, made by the layer before it
  kBetween,   ///< what one kernel leaves for another that follows within the same call; taken by the calling thread, read by all
  kShared,    ///< activations prepared once by the calling thread, read by all
  kPackedColumns,  ///< one factor of an outer product, packed
  kPackedRows,     ///< the other one in pairs of rows
  kTaps,      ///< distances of the taps of a filter
  kRow,       ///< one row of activations
  kSmall,     ///< a few hundred numbers
  kCount
};

/// At least `count` floats (contents undefined), aligned to 64 bytes, belonging to the calling thread. Throws kMemory.
float* scratch(Scratch slot, std::int64_t count);

/// The same for numbers of type T, none larger than a float.
template <class T>
T* scratch_of(Scratch slot, std::int64_t count) {
  static_assert(sizeof(T) <= sizeof(float));
  return reinterpret_cast<T*>(scratch(slot, (count * static_cast<std::int64_t>(sizeof(T)) + 3) / 4));
}

}  // namespace sepia::kernels::cpu
