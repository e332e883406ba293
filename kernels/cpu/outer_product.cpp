#include "kernels/cpu/outer_product.h"

#include <algorithm>

#include "kernels/cpu/gemm.h"
#include "kernels/cpu/packed_product.h"
#include "kernels/cpu/scratch.h"

#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "kernels/cpu/outer_product.cpp"
#include <hwy/foreach_target.h>
#include "kernels/cpu/register_tile-inl.h"
#include "kernels/cpu/vector-inl.h"

#ifndef SEPIA_OUTER_PRODUCT_ONCE
#define SEPIA_OUTER_PRODUCT_ONCE
namespace sepia::kernels::cpu {

// The outer product with its factors as the tile reads them.
template <class T>
struct PackedOuterProduct {
  std::int64_t steps, outputs, inputs;  // steps of one row, or two in bf16
  const T* g;                           // (steps, outputs), in bf16 (steps, outputs, 2)
  std::int64_t pitch;                   // numbers between steps of g
  const T* x;                           // packed (steps, inputs)
  float* sums;
  bool add;
};

}  // namespace sepia::kernels::cpu
#endif

HWY_BEFORE_NAMESPACE();
namespace sepia::kernels::cpu::HWY_NAMESPACE {

// kRows outputs by one block of inputs.
template <int kRows, class T>
HWY_NOINLINE void OuterTile(const PackedOuterProduct<T>& p, const T* g, const T* x, std::int64_t columns, float* sums) {
  // The sums may lie in the third cache: asked for now, they are here when the tile is done.
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) {
    for (std::int64_t line = 0; line < kBlock; line += 16) hwy::Prefetch(sums + i * p.inputs + line);
  }
  V sum[kRows][2];
#pragma GCC unroll 12
  for (int i = 0; i < kRows; ++i) sum[i][0] = sum[i][1] = splat(0.0F);
  for (std::int64_t step = 0; step < p.steps; ++step, g += p.pitch, x += kBlock * kTogether<T>) {
    const V x0 = load_step(x), x1 = load_step(x + kLanes * kTogether<T>);
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      V weight = everywhere(g + i * kTogether<T>);
      hold(weight);
      sum[i][0] = add_product<T>(sum[i][0], x0, weight);
      sum[i][1] = add_product<T>(sum[i][1], x1, weight);
    }
  }
  const Accumulate accumulate = p.add ? Accumulate::kAdd : Accumulate::kWrite;
  with_lanes_of_block(columns, [&](auto first, auto second) HWY_ATTR {
#pragma GCC unroll 12
    for (int i = 0; i < kRows; ++i) {
      store(first, sum[i][0], sums + i * p.inputs, accumulate);
      if (columns > kLanes) store(second, sum[i][1], sums + i * p.inputs + kLanes, accumulate);
    }
  });
}

template <class T>
void Outer(const PackedOuterProduct<T>& p) {
  const T* x = p.x;
  for (std::int64_t column = 0; column < p.inputs; column += kBlock, x += p.steps * kBlock * kTogether<T>) {
    for_tiles(p.outputs, [&]<int kRows>(std::int64_t o) HWY_ATTR {
      OuterTile<kRows>(p, p.g + o * kTogether<T>, x, std::min(kBlock, p.inputs - column), p.sums + o * p.inputs + column);
    });
  }
}

// What is dispatched is no template: F for float, H for bf16.
void OuterF(const PackedOuterProduct<float>& p) { Outer(p); }
void OuterH(const PackedOuterProduct<bf16>& p) { Outer(p); }

}  // namespace sepia::kernels::cpu::HWY_NAMESPACE
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace sepia::kernels::cpu {

HWY_EXPORT(OuterF);
HWY_EXPORT(OuterH);

void outer_product(const OuterProduct<float>& p) {
  float* packed = scratch(Scratch::kPackedColumns, packed_size(p.x, p.rows, p.inputs));
  pack_matrix(StoredMatrix<float>{p.x, p.rows, p.inputs, false}, packed);
  HWY_DYNAMIC_DISPATCH(OuterF)({p.rows, p.outputs, p.inputs, p.g, p.ldg, packed, p.sums, p.add});
}

void outer_product(const OuterProduct<bf16>& p) {
  if (has_matrix_units()) {
    return gemm(Gemm<bf16>{.m = p.outputs,
                           .n = p.inputs,
                           .k = p.rows,
                           .a = p.g,
                           .lda = p.ldg,
                           .transpose_a = true,
                           .b = p.x,
                           .ldb = p.inputs,
                           .beta = p.add ? 1.0F : 0.0F,
                           .c = p.sums,
                           .ldc = p.inputs});
  }
  bf16* packed = scratch_of<bf16>(Scratch::kPackedColumns, packed_size(p.x, p.rows, p.inputs));
  pack_matrix(StoredMatrix<bf16>{p.x, p.rows, p.inputs, false}, packed);
  const std::int64_t pairs = (p.rows + 1) / 2;
  bf16* g = scratch_of<bf16>(Scratch::kPackedRows, pairs * 2 * p.outputs);
  join_rows(p.rows, p.outputs, p.g, p.ldg, g, 2 * p.outputs);
  HWY_DYNAMIC_DISPATCH(OuterH)({pairs, p.outputs, p.inputs, g, 2 * p.outputs, packed, p.sums, p.add});
}

}  // namespace sepia::kernels::cpu
#endif  // HWY_ONCE
