#include "kernels/cpu/weight_product.h"

#include <algorithm>
#include <map>
#include <mutex>
#include <tuple>
#include <type_traits>
#include <utility>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "kernels/cpu/gemm.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/host_memory.h"

namespace sepia::kernels::cpu {
namespace {

// Packed matrices that are kept, by where the weights lie and how they are read.
class HeldWeights {
 public:
  void hold() {
    const std::lock_guard lock(mutex_);
    ++holders_;
  }
  void release() {
    const std::lock_guard lock(mutex_);
    if (--holders_ == 0) packed_.clear();
  }
  // Null while nobody holds the weights.
  template <class T>
  const T* find_or_pack(const StoredMatrix<T>& m) {
    const std::lock_guard lock(mutex_);
    if (holders_ == 0) return nullptr;
    const Key key{m.data, sizeof(T), m.k, m.n, m.turned};
    const auto found = packed_.find(key);
    if (found != packed_.end()) return static_cast<const T*>(found->second.get());
    const auto bytes = static_cast<std::size_t>(packed_size(m.data, m.k, m.n)) * sizeof(T);
    HostBlock memory(host_allocate(bytes));
    SEPIA_CHECK_KIND(memory, ErrorKind::kMemory, "no memory for ", bytes, " bytes of packed weights");
    T* packed = static_cast<T*>(memory.get());
    pack_matrix(m, packed);
    packed_.emplace(key, std::move(memory));
    return packed;
  }

 private:
  using Key = std::tuple<const void*, std::size_t, std::int64_t, std::int64_t, bool>;
  std::mutex mutex_;
  int holders_ = 0;
  std::map<Key, HostBlock> packed_;
};

HeldWeights& held_weights() {
  static HeldWeights held;
  return held;
}

}  // namespace

void hold_weights() { held_weights().hold(); }
void release_weights() { held_weights().release(); }

template <class T>
WeightProduct<T>::WeightProduct(const StoredMatrix<T>& matrix) : matrix_(matrix) {
  if constexpr (std::is_same_v<T, bf16>) {
    if (has_matrix_units()) return;
  }
  packed_ = held_weights().find_or_pack(matrix);
  if (packed_) return;
  T* packed = scratch_of<T>(Scratch::kWeights, packed_size(matrix.data, matrix.k, matrix.n));
  pack_matrix(matrix, packed);
  packed_ = packed;
}

template <class T>
template <class Out>
PackedProduct<T, Out> WeightProduct<T>::part(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, Out* y, std::int64_t ldy) const {
  return {.rows = rows, .k = matrix_.k, .n = columns, .a = a, .lda = matrix_.k, .packed = packed_ + packed_size(packed_, matrix_.k, first), .y = y, .ldy = ldy};
}

template <class T>
void WeightProduct<T>::run(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, const float* bias, T* y, std::int64_t ldy) const {
  if (packed_) {
    PackedProduct<T, T> product = part(rows, a, first, columns, y, ldy);
    product.bias = bias;
    return packed_product(product);
  }
  if constexpr (std::is_same_v<T, bf16>) {
    float* panel = scratch(Scratch::kOutput, rows * columns);
    sums(rows, a, first, columns, panel, columns);
    round_rows({rows, columns, ldy}, panel, columns, bias, y);
  }
}

template <class T>
void WeightProduct<T>::sums(std::int64_t rows, const T* a, std::int64_t first, std::int64_t columns, float* y, std::int64_t ldy) const {
  if (packed_) return packed_product(part(rows, a, first, columns, y, ldy));
  const StoredMatrix<T>& b = matrix_;
  gemm(Gemm<T>{.m = rows, .n = columns, .k = b.k, .a = a, .lda = b.k, .b = b.turned ? b.data + first * b.k : b.data + first, .ldb = b.turned ? b.k : b.n,
               .transpose_b = b.turned, .c = y, .ldc = ldy});
}

template class WeightProduct<float>;
template class WeightProduct<bf16>;

ProductCut::ProductCut(std::int64_t rows, std::int64_t k, std::int64_t n, std::int64_t row_step) {
  constexpr std::int64_t kMostRows = 504, kPieces = 8, kEnough = 4, kFewestRows = 24, kNarrowest = 128;
  const std::int64_t most = std::min(rows_of_panel(k), kMostRows);
  std::int64_t wanted_panel = 0, wanted_pieces = kEnough;
  if (rows < kPieces * kFewestRows && n >= kEnough * kNarrowest) {
    // Few rows and many columns: every thread reads all rows, or most of them, and columns of its own.
    wanted_panel = std::min(rows, most);
    wanted_pieces = kPieces;
  } else {
    // Panels come in eights where that leaves them enough rows, so that threads finish together.
    const std::int64_t rounds = pieces_of(rows, kPieces * most);
    wanted_panel = std::max(kFewestRows, pieces_of(rows, std::max<std::int64_t>(1, kPieces * rounds)));
  }
  panel = pieces_of(wanted_panel, row_step) * row_step;
  panels = pieces_of(rows, panel);
  // Too few panels for the threads: columns are cut as well, into groups that are not too narrow.
  const bool enough = panels == 0 || panels >= kEnough;
  const std::int64_t wanted_groups = enough ? 1 : std::clamp<std::int64_t>(pieces_of(wanted_pieces, panels), 1, std::max<std::int64_t>(1, n / kNarrowest));
  columns = pieces_of(pieces_of(n, wanted_groups), packed_columns()) * packed_columns();
  groups = pieces_of(n, columns);
}

}  // namespace sepia::kernels::cpu
