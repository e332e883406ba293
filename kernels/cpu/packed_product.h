// Products of rows with a fixed matrix, by a register tile of our own: what pointwise layers are made of.
//
// The matrix is packed first: blocks of two vectors of columns, within a block one step of k after the other, so that the tile reads it
// front to back. The rows are read where they lie. A tile of 12 rows by 2 vectors of columns stays in registers for all of k: per step two
// loads of the matrix, 12 broadcast numbers of the rows, 24 fused multiply-adds (6 rows with 16 registers). In bf16 a step is a pair of
// numbers, whose two products one instruction adds to a float.
// Each sum is made alone, k in order: it depends neither on the other rows of a call nor on how columns are cut.
// Goto, van de Geijn 2008, "Anatomy of high-performance matrix multiplication".
#pragma once

#include <cstdint>

#include "engine/base/bf16.h"

namespace sepia::kernels::cpu {

/// Columns of a block on this processor: cuts of columns must be multiples of it.
std::int64_t packed_columns();

/// Numbers that a packed (k, n) matrix takes: columns fill whole blocks, and k whole pairs in bf16.
std::int64_t packed_size(const float*, std::int64_t k, std::int64_t n);
std::int64_t packed_size(const bf16*, std::int64_t k, std::int64_t n);

/// A (k, n) matrix as it is stored: rows of n numbers, or turned: n rows of k numbers.
template <class T>
struct StoredMatrix {
  const T* data = nullptr;
  std::int64_t k = 0, n = 0;
  bool turned = false;
};

/// Packs a matrix into `packed`, of packed_size numbers. Uses all threads. Cost: each number is read and written once.
void pack_matrix(const StoredMatrix<float>& matrix, float* packed);
void pack_matrix(const StoredMatrix<bf16>& matrix, bf16* packed);

/// Two rows of numbers as one of pairs: pairs[r][2 i] = in[2 r][i] and pairs[r][2 i + 1] = in[2 r + 1][i] for i < count, zero where there is
/// no such row. Rows of `in` are pitch numbers apart, those of `pairs` pairs_pitch.
void join_rows(std::int64_t rows, std::int64_t count, const bf16* in, std::int64_t pitch, bf16* pairs, std::int64_t pairs_pitch);

/// y[m, j] = bias[j] + sum over k of a[m, k] * b[k, j], for m < rows and j < n. y may be of bf16 where a is; it is rounded once then.
template <class In, class Out>
struct PackedProduct {
  std::int64_t rows = 0, k = 0, n = 0;  ///< n may end within a block of `packed`
  const In* a = nullptr;
  std::int64_t lda = 0;
  const In* packed = nullptr;    ///< from the first block wanted on
  const float* bias = nullptr;   ///< from the first column wanted on; may be null
  Out* y = nullptr;
  std::int64_t ldy = 0;
};

/// Runs the product on the calling thread. Cost: 2 rows k n FLOP; near the processor's peak where a's rows and a block of the matrix fit
/// the second-level cache.
void packed_product(const PackedProduct<float, float>& product);
void packed_product(const PackedProduct<bf16, float>& product);
void packed_product(const PackedProduct<bf16, bf16>& product);

}  // namespace sepia::kernels::cpu
