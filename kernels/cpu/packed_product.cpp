#include "kernels/cpu/packed_product.h"

#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/transpose.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/packed_product.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/register_tile-inl.h"
#include "kernels/cpu/vector-inl.h"

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

// Numbers of the packed matrix that are asked for ahead, into the second-level cache. One picture's inference reads every weight from memory once:
// with what the processor foresees by itself, two threads reached 80% of its multiply-adds in bf16, with this 90%.
template <class In>
inline constexpr std::int64_t kAhead = 16384 / sizeof(In);

// kRows rows by one block of columns; kFetch: the block's numbers have not been read before.
template <int kRows, bool kFetch, class In, class Out>
HWY_NOINLINE void ProductTile(const PackedProduct<In, Out>& p, const In* a, const In* packed, std::int64_t column, Out* y) {
  // Rows in threes: three rows are one register with two simple addresses beside it.
  constexpr int kThrees = (kRows + 2) / 3;
  const In* at[kThrees];
#pragma GCC unroll 4
  for (int i = 0; i < kThrees; ++i) at[i] = a + 3 * i * p.lda;
  const std::int64_t lda = p.lda, columns = std::min(kBlock, p.n - column);
  V start[2] = {splat(0.0F), splat(0.0F)};
  if (p.bias) {
    with_lanes_of_block(columns, [&](auto first, auto second) HWY_ATTR {
      start[0] = first.load(p.bias + column);
      if (columns > kLanes) start[1] = second.load(p.bias + column + kLanes);
    });
  }
  V sum[kRows][2];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) sum[i][0] = start[0], sum[i][1] = start[1];
  const auto step = [&](const auto& broadcast) HWY_ATTR {
    const V w0 = load_step(packed), w1 = load_step(packed + kLanes * kTogether<In>);
    if constexpr (kFetch) {
      __builtin_prefetch(packed + kAhead<In>, 0, 2);
      __builtin_prefetch(packed + kAhead<In> + kLanes * kTogether<In>, 0, 2);
    }
    packed += kBlock * kTogether<In>;
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      V x = broadcast(at[i / 3] + i % 3 * lda);
      hold(x);
      sum[i][0] = add_product<In>(sum[i][0], w0, x);
      sum[i][1] = add_product<In>(sum[i][1], w1, x);
    }
#pragma GCC unroll 4
    for (int i = 0; i < kThrees; ++i) at[i] += kTogether<In>;
  };
  for (std::int64_t steps = p.k / kTogether<In>; steps > 0; --steps) step([](const In* x) HWY_ATTR { return everywhere(x); });
  if constexpr (kTogether<In> == 2) {
    if (p.k % 2 != 0) step([](const bf16* x) HWY_ATTR { return hn::BitCast(Floats(), hn::Set(Words(), std::uint32_t{x->bits})); });
  }
  with_lanes_of_block(columns, [&](auto first, auto second) HWY_ATTR {
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      first.store(sum[i][0], y + i * p.ldy);
      if (columns > kLanes) second.store(sum[i][1], y + i * p.ldy + kLanes);
    }
  });
}

// All blocks of columns one after another, rows inside: a block stays in the first or second cache while the rows pass.
template <class In, class Out>
void Product(const PackedProduct<In, Out>& p) {
  const std::int64_t block_size = (p.k + kTogether<In> - 1) / kTogether<In> * kTogether<In> * kBlock;
  const In* packed = p.packed;
  for (std::int64_t column = 0; column < p.n; column += kBlock, packed += block_size) {
    for_tiles(p.rows, [&]<int kRows>(std::int64_t m) HWY_ATTR {
      const In* const a = p.a + m * p.lda;
      Out* const y = p.y + m * p.ldy + column;
      if (m == 0 && block_size > kAhead<In>) ProductTile<kRows, true>(p, a, packed, column, y);
      else ProductTile<kRows, false>(p, a, packed, column, y);
    });
  }
}

void JoinRows(std::int64_t rows, std::int64_t count, const bf16* in, std::int64_t pitch, bf16* pairs, std::int64_t pairs_pitch) {
  const Words words;
  const auto wide = [=](const bf16* p) HWY_ATTR { return hn::PromoteTo(words, hn::LoadU(Halves(), bits_of(p))); };
  for (std::int64_t row = 0; row < rows; row += 2, in += 2 * pitch, pairs += pairs_pitch) {
    const bf16* const second = row + 1 < rows ? in + pitch : nullptr;
    std::int64_t i = 0;
    for (; second && i + kLanes <= count; i += kLanes) {
      hn::StoreU(hn::Or(wide(in + i), hn::ShiftLeft<16>(wide(second + i))), words, reinterpret_cast<std::uint32_t*>(pairs + 2 * i));
    }
    for (; i < count; ++i) pairs[2 * i] = in[i], pairs[2 * i + 1] = second ? second[i] : bf16{};
  }
}

// What is dispatched is no template: names end in the types read and written, F for float and H for bf16.
void ProductFF(const PackedProduct<float, float>& p) { Product(p); }
void ProductHF(const PackedProduct<bf16, float>& p) { Product(p); }
void ProductHH(const PackedProduct<bf16, bf16>& p) { Product(p); }
std::int64_t BlockColumns() { return kBlock; }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(ProductFF);
HWY_EXPORT(ProductHF);
HWY_EXPORT(ProductHH);
HWY_EXPORT(BlockColumns);
HWY_EXPORT(JoinRows);

namespace {

std::int64_t whole_blocks(std::int64_t n) { return pieces_of(n, packed_columns()) * packed_columns(); }

// One block of columns, `columns` of which are there, numbers (k, width).
void pack_block(const StoredMatrix<float>& m, std::int64_t first, std::int64_t columns, std::int64_t width, float* out) {
  if (columns < width) std::fill_n(out, m.k * width, 0.0F);
  if (m.turned) return transpose(columns, m.k, m.data + first * m.k, m.k, out, width);
  for (std::int64_t k = 0; k < m.k; ++k) std::copy_n(m.data + k * m.n + first, columns, out + k * width);
}

// The same in pairs of k: (pairs, width, 2). A last k without a partner has zero for one.
void pack_block(const StoredMatrix<bf16>& m, std::int64_t first, std::int64_t columns, std::int64_t width, bf16* out) {
  const bool odd = m.k % 2 != 0;
  if (columns < width || (m.turned && odd)) std::fill_n(out, (m.k + 1) / 2 * 2 * width, bf16{});
  if (!m.turned) return join_rows(m.k, columns, m.data + first, m.n, out, 2 * width);
  if (!odd) {  // a pair is one number of 32 bits there
    return transpose(columns, m.k / 2, reinterpret_cast<const float*>(m.data + first * m.k), m.k / 2, reinterpret_cast<float*>(out), width);
  }
  for (std::int64_t k = 0; k < m.k; ++k) {
    bf16* const to = out + k / 2 * 2 * width + k % 2;
    for (std::int64_t j = 0; j < columns; ++j) to[2 * j] = m.data[(first + j) * m.k + k];
  }
}

template <class T>
void pack(const StoredMatrix<T>& matrix, T* packed) {
  const std::int64_t width = packed_columns(), block = packed_size(packed, matrix.k, width);
  parallel_for(pieces_of(matrix.n, width), [&](std::int64_t piece) {
    const std::int64_t first = piece * width;
    pack_block(matrix, first, std::min(width, matrix.n - first), width, packed + piece * block);
  });
}

}  // namespace

void join_rows(std::int64_t rows, std::int64_t count, const bf16* in, std::int64_t pitch, bf16* pairs, std::int64_t pairs_pitch) {
  HWY_DYNAMIC_DISPATCH(JoinRows)(rows, count, in, pitch, pairs, pairs_pitch);
}

std::int64_t packed_columns() { return HWY_DYNAMIC_DISPATCH(BlockColumns)(); }

std::int64_t packed_size(const float*, std::int64_t k, std::int64_t n) { return k * whole_blocks(n); }
std::int64_t packed_size(const bf16*, std::int64_t k, std::int64_t n) { return (k + 1) / 2 * 2 * whole_blocks(n); }

void pack_matrix(const StoredMatrix<float>& matrix, float* packed) { pack(matrix, packed); }
void pack_matrix(const StoredMatrix<bf16>& matrix, bf16* packed) { pack(matrix, packed); }

void packed_product(const PackedProduct<float, float>& product) { HWY_DYNAMIC_DISPATCH(ProductFF)(product); }
void packed_product(const PackedProduct<bf16, float>& product) { HWY_DYNAMIC_DISPATCH(ProductHF)(product); }
void packed_product(const PackedProduct<bf16, bf16>& product) { HWY_DYNAMIC_DISPATCH(ProductHH)(product); }

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
