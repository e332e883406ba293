// Matrix products of the CPU kernels: the one place that calls oneDNN.
#pragma once

#include <cstdint>

#include "engine/base/bf16.h"

namespace sepia::kernels::cpu {

/// C = op(A) op(B) + beta C, all row-major; op(A) is (m, k), op(B) is (k, n), C is (m, n). lda, ldb, ldc are the distances
/// between rows as stored, so a transposed A is stored (k, m) with rows lda apart. Factors are float or bf16; sums are float, and so is
/// C unless `rounded` takes its place.
template <class T>
struct Gemm {
  std::int64_t m = 0, n = 0, k = 0;
  const T* a = nullptr;
  std::int64_t lda = 0;
  bool transpose_a = false;
  const T* b = nullptr;
  std::int64_t ldb = 0;
  bool transpose_b = false;
  float beta = 0;  ///< 0: C is written, and may hold anything before; else 1: the product is added
  float* c = nullptr;
  std::int64_t ldc = 0;
  bf16* rounded = nullptr;  ///< of bf16 factors, with beta 0: where the finished sums go, each rounded once, instead of to c
};

/// Runs the product on the calling thread alone, whatever the number of threads: kernels cut work into panels and hand the panels
/// out, so that the order of every sum depends on the shape only. Cost: 2 m n k FLOP.
void gemm(const Gemm<float>& product);
void gemm(const Gemm<bf16>& product);

/// Whether this processor multiplies bf16 numbers by itself (AVX-512 BF16 or AMX), the limit of SEPIA_MAX_ISA considered.
bool has_bf16_products();
/// Whether it has units for whole tiles of bf16 products (AMX), which oneDNN uses, the same limit considered.
bool has_matrix_units();

}  // namespace sepia::kernels::cpu
