// One row or a few times a matrix that is read once: fully connected layers of a single picture.
#pragma once

#include <cstdint>

#include "engine/base/bf16.h"

namespace sepia::kernels::cpu {

/// Rows that one pass over the weights serves.
inline constexpr std::int64_t kMostDotRows = 4;

/// y[m, o] = bias[o] + sum over k of x[m, k] * weight[o, k], for m < rows <= kMostDotRows and o < outputs. Rows of x are k numbers apart, rows
/// of weight too. A sum is made in as many parts as a vector has lanes, which are added in the end.
template <class T>
struct DotRows {
  std::int64_t rows = 0, k = 0, outputs = 0;
  const T* x = nullptr;
  const T* weight = nullptr;
  const float* bias = nullptr;  ///< may be null
  T* y = nullptr;
  std::int64_t ldy = 0;
};

/// On the calling thread. Cost: reads the weights once, which is what it waits for.
void dot_rows(const DotRows<float>& args);
void dot_rows(const DotRows<bf16>& args);

}  // namespace sepia::kernels::cpu
