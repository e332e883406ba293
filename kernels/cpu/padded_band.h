// Input rows of one picture as a convolution wants them: prologue carried out, zeros around.
#pragma once

#include <cstdint>

#include "kernels/conv2d.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {

/// Rows [first_row, first_row + rows) of act(x)[n] in padded coordinates (row 0 is the first row of padding); a row holds
/// width + 2 padding positions of in_channels floats.
struct PaddedBand {
  const float* data = nullptr;
  std::int64_t row_pitch = 0;  ///< floats between rows
};

/// The band, as a view of x where it can be one (no prologue, no padding), else as a copy in the given scratch slot.
PaddedBand padded_band(const Conv2dShape& shape, const Prologue<float>& prologue, const float* x, std::int64_t n, std::int64_t first_row,
                       std::int64_t rows, Scratch slot);

}  // namespace sepia::kernels::cpu
