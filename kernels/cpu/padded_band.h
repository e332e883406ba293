// Input rows of one picture as a convolution wants them: prologue carried out, zeros around.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/cpu/input_rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

/// Rows [first_row, first_row + rows) of picture n of the input in padded coordinates (row 0 is the first row of padding); a row holds
/// width + 2 padding positions of in_channels numbers.
template <class T>
struct PaddedBand {
  const T* data = nullptr;
  std::int64_t row_pitch = 0;  ///< numbers between rows
};

/// The band in type Out, as a view of the input where it can be one (the same type, nothing to be done to it, no padding), else as a copy in the given scratch
/// slot. Made for float from float, float from bf16 and bf16 from bf16.
template <class Out, class In>
PaddedBand<Out> padded_band(const Conv2dShape& shape, const InputRows<In>& input, std::int64_t n, std::int64_t first_row, std::int64_t rows, Scratch slot);

}  // namespace sepia::kernels::cpu
