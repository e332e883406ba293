// Sums of outer products over rows: the gradient of a pointwise layer's weights.
#pragma once

#include <cstdint>

#include "engine/base/bf16.h"

namespace sepia::kernels::cpu {

/// sums[o, i] = (or +=) sum over m < rows of g[m, o] * x[m, i], for o < outputs and i < inputs. Rows of g are ldg numbers apart,
/// those of x and of sums `inputs`.
template <class T>
struct OuterProduct {
  std::int64_t rows = 0, outputs = 0, inputs = 0;
  const T* g = nullptr;
  std::int64_t ldg = 0;
  const T* x = nullptr;
  float* sums = nullptr;
  bool add = false;
};

/// On the calling thread, by the register tile of packed_product.h with g in place of the rows: x is packed in blocks of columns first, g
/// is read across (bf16: in pairs of rows, laid side by side first). Rows are added in order. bf16 on a processor with matrix units (AMX)
/// is left to oneDNN. Cost: 2 rows outputs inputs FLOP; near the processor's peak where g and x fit the second-level cache.
void outer_product(const OuterProduct<float>& product);
void outer_product(const OuterProduct<bf16>& product);

}  // namespace sepia::kernels::cpu
