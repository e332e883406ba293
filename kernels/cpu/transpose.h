// Transposition of matrices in registers: weights for products, and NHWC rows to and from planes.
#pragma once

#include <cstdint>

namespace sepia::kernels::cpu {

/// out[c * out_pitch + r] = in[r * in_pitch + c] for r < rows, c < columns, on the calling thread. in and out must not overlap.
/// Cost: each number is read and written once; three channels and six, the networks' pictures, go by interleaving loads and stores.
void transpose(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t in_pitch, float* out, std::int64_t out_pitch);

/// The same on several threads, for large matrices.
void transpose_parallel(std::int64_t rows, std::int64_t columns, const float* in, std::int64_t in_pitch, float* out,
                        std::int64_t out_pitch);

}  // namespace sepia::kernels::cpu
