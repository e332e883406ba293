#include "kernels/cpu/padded_band.h"

#include <algorithm>

#include "kernels/cpu/rows.h"

namespace sepia::kernels::cpu {

PaddedBand padded_band(const Conv2dShape& shape, const Prologue<float>& prologue, const float* x, std::int64_t n, std::int64_t first_row,
                       std::int64_t rows, Scratch slot) {
  const std::int64_t row = shape.width * shape.in_channels, margin = shape.padding * shape.in_channels;
  const float* picture = x + n * shape.height * row;
  if (prologue.identity() && shape.padding == 0) return {picture + first_row * row, row};
  const std::int64_t pitch = row + 2 * margin;
  float* band = scratch(slot, rows * pitch);
  for (std::int64_t r = 0; r < rows; ++r) {
    float* out = band + r * pitch;
    const std::int64_t h = first_row + r - shape.padding;
    if (h < 0 || h >= shape.height) {
      std::fill_n(out, pitch, 0.0F);
      continue;
    }
    std::fill_n(out, margin, 0.0F);
    activate_rows(prologue, {shape.width, shape.in_channels, shape.in_channels}, picture + h * row, out + margin);
    std::fill_n(out + margin + row, margin, 0.0F);
  }
  return {band, pitch};
}

}  // namespace sepia::kernels::cpu
