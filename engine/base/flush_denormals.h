// Denormal numbers cost hundreds of cycles each; Adam's second moments reach them. Kernels treat them as zero.
#pragma once

#if defined(__SSE__)
#include <xmmintrin.h>
#endif

namespace sepia {

/// While it lives, this thread's SSE/AVX arithmetic flushes denormal results and reads denormal operands as zero.
/// Every parallel_for body runs under one, with one thread or many, so that thread counts do not change bits.
class FlushDenormals {
 public:
#if defined(__SSE__)
  FlushDenormals() : saved_(_mm_getcsr()) { _mm_setcsr(saved_ | 0x8040u); }
  ~FlushDenormals() { _mm_setcsr(saved_); }

 private:
  unsigned saved_;
#else
  FlushDenormals() = default;
#endif
 public:
  FlushDenormals(const FlushDenormals&) = delete;
  FlushDenormals& operator=(const FlushDenormals&) = delete;
};

}  // namespace sepia
