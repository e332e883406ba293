// Operand tiles on their way from global to shared memory.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/async_copy.cuh"
#include "kernels/cuda/detail/gemm_sources.cuh"
#include "kernels/cuda/detail/tile.cuh"

namespace sepia::kernels::cuda::detail {

/// How a tile is loaded. kAsync: 16-byte asynchronous copies, nothing to compute. kPrologue: 16-byte loads into registers before a step's
/// products and stores with the prologue applied behind them. kElements: like that, element by element: for channels that are
/// not a multiple of 16 bytes, and pointers that are not aligned.
enum class LoadMode { kAsync, kPrologue, kElements };

/// The prologue's parts for N neighbouring channels, in registers.
template <int N>
struct ChannelPrologues {
  Floats<N> scale, shift;
  bool relu;

  __device__ __forceinline__ ChannelPrologue of(int i) const { return {scale[i], shift[i], relu}; }
};

/// The parts for channels c .. c + N - 1: by 16-byte loads when N is a multiple of 4, for which scale, shift and c must be aligned.
template <int N, class T>
__device__ __forceinline__ ChannelPrologues<N> channel_prologues(const Prologue<T>& prologue, int c) {
  constexpr int kWidth = N % 4 == 0 ? 4 : 1;
  ChannelPrologues<N> parts;
  parts.relu = prologue.relu;
#pragma unroll
  for (int i = 0; i < N; i += kWidth) {
    Floats<kWidth> scale, shift;
#pragma unroll
    for (int k = 0; k < kWidth; ++k) scale[k] = 1.0f, shift[k] = 0.0f;
    if (prologue.scale) {
      scale = load_vector<kWidth>(prologue.scale + c + i);
      shift = load_vector<kWidth>(prologue.shift + c + i);
    }
#pragma unroll
    for (int k = 0; k < kWidth; ++k) parts.scale[i + k] = scale[k], parts.shift[i + k] = shift[k];
  }
  return parts;
}

/// One operand's share of the threads' work. kOuter x kInner elements per tile; each thread takes the same column of every kStep-th
/// row, so its channel (and prologue) is the same for all it loads in a tile. kAlong tells which index advances from tile to tile:
/// kDepth: the inner one (rows stay); kRows: the outer one (columns stay).
template <class T, class Source, int kOuter, int kInner, int kThreads, Along kAlong, LoadMode kMode>
class TileLoader {
  static constexpr int kPer = kPerLoad<T>;
  static constexpr int kUnit = kMode == LoadMode::kElements ? 1 : kPer;
  static constexpr int kColumns = kInner / kUnit;
  static constexpr int kStep = kThreads / kColumns;
  static constexpr int kCount = kOuter / kStep;
  static constexpr bool kRowsInRegisters = kCount <= 4;
  static_assert(kThreads % kColumns == 0 && kOuter % kStep == 0 && kCount <= 32);

 public:
  static constexpr bool kAsync = kMode == LoadMode::kAsync;
  /// Shared memory that the loader needs beside the tiles.
  static constexpr int kTableRows = kAlong == Along::kDepth && !kRowsInRegisters ? kOuter : 1;
  struct Table {
    alignas(16) Coordinate row[kTableRows];
  };

  /// Starts at `outer`, `inner` of the matrix. All threads of the block must call; a barrier must come before the first load.
  __device__ __forceinline__ TileLoader(const Source& source, const Prologue<T>& prologue, int outer, int inner, Table& table)
      : source_(source),
        prologue_(prologue),
        column_(static_cast<int>(threadIdx.x) % kColumns),
        first_row_(static_cast<int>(threadIdx.x) / kColumns),
        table_(table),
        outer_(source_.outer(outer + first_row_, kStep)),
        inner_(source_.inner(inner + column_ * kUnit, kInner)) {
    if constexpr (kAlong == Along::kDepth) {
      if constexpr (kRowsInRegisters) {
#pragma unroll
        for (int i = 0; i < kCount; ++i) {
          rows_[i] = outer_.coordinate();
          outer_.advance();
        }
      } else {
        for (int row = static_cast<int>(threadIdx.x); row < kOuter; row += kThreads)
          table.row[row] = source_.outer(outer + row, 0).coordinate();
      }
    }
  }

  /// Starts the copies of the next tile. kAsync only.
  __device__ __forceinline__ void copy(uint4* tile) {
    for_each_unit([&](int i, const T* element, bool valid) {
      uint4* const chunk = tile + swizzled<kColumns>(first_row_ + i * kStep, column_);
      if constexpr (Source::kOverlaps) {
        copy_async_cached(chunk, valid ? element : source_.base, valid);
      } else {
        copy_async(chunk, valid ? element : source_.base, valid);
      }
    });
  }

  /// Loads the next tile into registers ...
  __device__ __forceinline__ void fetch() {
    channel_ = inner_.channel();
    valid_ = 0;
    for_each_unit([&](int i, const T* element, bool valid) {
      held_[i] = valid ? *reinterpret_cast<const Unit*>(element) : Unit{};
      valid_ |= (valid ? 1u : 0u) << i;
    });
  }

  /// ... and stores it with the prologue applied; what lies outside stays zero.
  __device__ __forceinline__ void deposit(uint4* tile) const {
    const ChannelPrologues<kUnit> part = channel_prologues<kUnit>(prologue_, channel_);
#pragma unroll
    for (int i = 0; i < kCount; ++i) {
      auto values = __builtin_bit_cast(Packed<T, kUnit>, held_[i]);
      if (!prologue_.identity() && (valid_ >> i & 1u)) {
#pragma unroll
        for (int e = 0; e < kUnit; ++e) values.v[e] = from_float<T>(part.of(e).value(to_float(values.v[e])));
      }
      const int row = first_row_ + i * kStep;
      if constexpr (kMode == LoadMode::kElements) {
        reinterpret_cast<T*>(tile + swizzled<kInner / kPer>(row, column_ / kPer))[column_ % kPer] = values.v[0];
      } else {
        tile[swizzled<kColumns>(row, column_)] = __builtin_bit_cast(uint4, values);
      }
    }
  }

 private:
  using Unit = Word<kUnit* static_cast<int>(sizeof(T))>;

  /// use(i, address, whether it exists) for the i-th unit of this thread in the next tile.
  template <class Use>
  __device__ __forceinline__ void for_each_unit(Use use) {
    if constexpr (kAlong == Along::kDepth) {
      const Coordinate along = inner_.coordinate();
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const Coordinate row = kRowsInRegisters ? rows_[i % kRowsHeld] : table_.row[(first_row_ + i * kStep) % kTableRows];
        use(i, source_.base + (row.offset + along.offset), source_.inside(row, along));
      }
      inner_.advance();
    } else {
      const Coordinate along = inner_.coordinate();
#pragma unroll
      for (int i = 0; i < kCount; ++i) {
        const Coordinate row = outer_.coordinate();
        use(i, source_.base + (row.offset + along.offset), source_.inside(row, along));
        outer_.advance();
      }
    }
  }

  static constexpr int kRowsHeld = kAlong == Along::kDepth && kRowsInRegisters ? kCount : 1;
  static constexpr int kUnitsHeld = kAsync ? 1 : kCount;

  const Source& source_;
  const Prologue<T>& prologue_;
  int column_, first_row_;
  const Table& table_;
  decltype(source_.outer(0, 0)) outer_;
  decltype(source_.inner(0, 0)) inner_;
  Coordinate rows_[kRowsHeld];
  Unit held_[kUnitsHeld];
  unsigned valid_ = 0;
  int channel_ = 0;
};

}  // namespace sepia::kernels::cuda::detail
