// Tensor cores: matrices from shared memory to registers (ldmatrix) and the product of two of them (mma), for bf16 with sums in float.
//
// mma.m16n8k16 (PTX ISA, "Matrix Fragments for mma.m16n8k16") adds the product of A (16 x 16) and B (16 x 8) to C (16 x 8). A warp
// holds them together; lane l = 4 g + t holds, two neighbouring elements per register,
//   A   a[0] = A[g][2t..]   a[1] = A[g+8][2t..]   a[2] = A[g][2t+8..]   a[3] = A[g+8][2t+8..]
//   B   b[0] = B[2t..][g]   b[1] = B[2t+8..][g]
//   C   c[0], c[1] = C[g][2t], C[g][2t+1]         c[2], c[3] = C[g+8][2t], C[g+8][2t+1]
// The emulator's bodies compute the same from the same registers, which the lanes show each other.
#pragma once

#include <cuda_runtime.h>

#include <cstdint>

#include "kernels/cuda/detail/convert.cuh"

#ifdef SEPIA_SIMT
#define SEPIA_REGISTERS_ONLY __attribute__((noinline, no_sanitize_thread))
#else
#define SEPIA_REGISTERS_ONLY __forceinline__
#endif

namespace sepia::kernels::cuda::detail {

/// Four 8x8 matrices of bf16. `row` is where this lane's row lies in shared memory, 16 bytes aligned to 16: lanes 0..7 point to the rows of
/// matrix 0, lanes 8..15 to those of matrix 1, and so on. Lane 4 g + t receives elements 2t and 2t + 1 of row g of matrix i in fragment[i].
/// All lanes of the warp must call.
__device__ __forceinline__ void load_matrices(std::uint32_t (&fragment)[4], const uint4* row);

/// The same with each matrix transposed on the way: lane 4 g + t receives elements 2t and 2t + 1 of *column* g.
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&fragment)[4], const uint4* row);

/// c += A B. All lanes of the warp must call.
__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1);

#ifndef SEPIA_SIMT

__device__ __forceinline__ void load_matrices(std::uint32_t (&fragment)[4], const uint4* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&fragment)[4], const uint4* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(fragment[0]), "=r"(fragment[1]), "=r"(fragment[2]), "=r"(fragment[3])
               : "r"(static_cast<std::uint32_t>(__cvta_generic_to_shared(row)))
               : "memory");
}

__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

#else

namespace emulated {

inline constexpr int kLanes = 32;

/// One lane's row of 8 bf16.
struct Row {
  std::uint16_t element[8];
};
/// What load_matrices leaves in lane `lane`, from the rows of all lanes.
SEPIA_REGISTERS_ONLY inline void distribute(std::uint32_t (&fragment)[4], const Row (&rows)[kLanes], int lane, bool transposed) {
  const int g = lane / 4, t = lane % 4;
  for (int i = 0; i < 4; ++i) {
    const std::uint32_t low = transposed ? rows[8 * i + 2 * t].element[g] : rows[8 * i + g].element[2 * t];
    const std::uint32_t high = transposed ? rows[8 * i + 2 * t + 1].element[g] : rows[8 * i + g].element[2 * t + 1];
    fragment[i] = low | high << 16;
  }
}

/// One lane's part of A and B.
struct Operands {
  std::uint32_t a[4], b[2];
};
SEPIA_REGISTERS_ONLY inline float half_of(std::uint32_t pair, int which) {
  return __builtin_bit_cast(float, which == 0 ? pair << 16 : pair & 0xffff0000u);
}
/// The four elements of C that lane `lane` holds, from the operands of all lanes.
SEPIA_REGISTERS_ONLY inline void multiply_add(float (&c)[4], const Operands (&of)[kLanes], int lane) {
  const int g = lane / 4, t = lane % 4;
  for (int k = 0; k < 16; ++k) {
    const int upper = k / 8, holder = k % 8 / 2, half = k % 2;  // which registers, which of the four lanes, which half of them
    const float top = half_of(of[4 * g + holder].a[2 * upper], half), bottom = half_of(of[4 * g + holder].a[2 * upper + 1], half);
    for (int j = 0; j < 2; ++j) {
      const float b = half_of(of[4 * (2 * t + j) + holder].b[upper], half);
      c[j] += top * b;
      c[2 + j] += bottom * b;
    }
  }
}

inline void load_matrices(std::uint32_t (&fragment)[4], const uint4* row, bool transposed) {
  const Row mine = __builtin_bit_cast(Row, *row);
  Row rows[kLanes];
  simt::warp_gather(&mine, sizeof(mine), rows);
  distribute(fragment, rows, static_cast<int>(simt::lane()), transposed);
}

}  // namespace emulated

__device__ __forceinline__ void load_matrices(std::uint32_t (&fragment)[4], const uint4* row) {
  emulated::load_matrices(fragment, row, false);
}
__device__ __forceinline__ void load_matrices_transposed(std::uint32_t (&fragment)[4], const uint4* row) {
  emulated::load_matrices(fragment, row, true);
}

__device__ __forceinline__ void multiply_add(float (&c)[4], const std::uint32_t (&a)[4], std::uint32_t b0, std::uint32_t b1) {
  const emulated::Operands mine{{a[0], a[1], a[2], a[3]}, {b0, b1}};
  emulated::Operands all[emulated::kLanes];
  simt::warp_gather(&mine, sizeof(mine), all);
  emulated::multiply_add(c, all, static_cast<int>(simt::lane()));
  simt::count_mma(2 * 16 * 8 * 16 / emulated::kLanes);
}

#endif

}  // namespace sepia::kernels::cuda::detail
