// Rows times a layer's weights: the product of every pointwise layer, forward and back to the input.
#pragma once

#include <algorithm>
#include <cstdint>

#include "kernels/cpu/packed_product.h"

namespace sepia::kernels::cpu {

/// From when on to when weights are held (calls nest), nobody writes to any weights of this device: what has been packed once is kept for
/// the next product with the same weights, at the cost of its memory. The last release drops it all.
void hold_weights();
void release_weights();

/// With fewer rows than this, packing the weights costs more than it saves.
inline constexpr std::int64_t kFewestPackedRows = 64;

/// A matrix of weights, made ready for products with many rows. It is packed for our own register tile; only bf16 on a processor with
/// matrix units (AMX) is left to oneDNN as it is stored. Lives no longer than the kernel call that made it: an unheld matrix is packed
/// into scratch of the calling thread.
template <class T>
class WeightProduct {
 public:
  explicit WeightProduct(const StoredMatrix<T>& matrix);

  /// y[m, j] = bias[j] + sum over k of a[m, k] * matrix[k, j] for m < rows and the columns j in [first, first + columns); y and bias
  /// point at column `first`, which is a multiple of packed_columns(). On the calling thread. bias may be null.
  void run(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, const float* bias, T* y, std::int64_t ldy) const;
  /// The same with sums in float, whatever T is, and no bias.
  void sums(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, float* y, std::int64_t ldy) const;

 private:
  template <class Out>
  PackedProduct<T, Out> part(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, Out* y, std::int64_t ldy) const;

  StoredMatrix<T> matrix_;
  const T* packed_ = nullptr;  // null: oneDNN's
};

extern template class WeightProduct<float>;
extern template class WeightProduct<bf16>;

/// Rows of the register tile where registers are many: panels of rows are whole tiles.
inline constexpr std::int64_t kPanelStep = 12;

/// Rows of so many numbers that make a panel of three eighths of a MiB in float; 48 at least.
constexpr std::int64_t rows_of_panel(std::int64_t numbers) {
  constexpr std::int64_t kPanelNumbers = 98304, kFewest = 48;
  return std::max(kFewest, kPanelNumbers / std::max<std::int64_t>(numbers, 1));
}

/// How products with `rows` rows of k numbers and n columns are cut, by shape alone: panels of rows that stay in the second-level cache;
/// few rows by columns instead, so that each weight is read by one thread.
struct ProductCut {
  ProductCut(std::int64_t rows, std::int64_t k, std::int64_t n, std::int64_t row_step);

  std::int64_t panel;    ///< rows of a panel, a multiple of row_step
  std::int64_t panels;
  std::int64_t columns;  ///< columns of a group
  std::int64_t groups;
};

}  // namespace sepia::kernels::cpu
