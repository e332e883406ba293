#include "kernels/cpu/padded_band.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/rows.h"

namespace sepia::kernels::cpu {

template <class Out, class In>
PaddedBand<Out> padded_band(const Conv2dShape& shape, const Prologue<In>& prologue, const In* x, std::int64_t n, std::int64_t first_row,
                            std::int64_t rows, Scratch slot) {
  const std::int64_t row = shape.width * shape.in_channels, margin = shape.padding * shape.in_channels;
  const In* picture = x + n * shape.height * row;
  if constexpr (std::is_same_v<Out, In>) {
    if (prologue.identity() && shape.padding == 0) return {picture + first_row * row, row};
  }
  const std::int64_t pitch = row + 2 * margin;
  Out* band = scratch_of<Out>(slot, rows * pitch);
  for (std::int64_t r = 0; r < rows; ++r) {
    Out* out = band + r * pitch;
    const std::int64_t h = first_row + r - shape.padding;
    if (h < 0 || h >= shape.height) {
      std::fill_n(out, pitch, Out{});
      continue;
    }
    std::fill_n(out, margin, Out{});
    activate_rows(as_float(prologue), {shape.width, shape.in_channels, shape.in_channels}, picture + h * row, out + margin);
    std::fill_n(out + margin + row, margin, Out{});
  }
  return {band, pitch};
}

template PaddedBand<float> padded_band(const Conv2dShape&, const Prologue<float>&, const float*, std::int64_t, std::int64_t, std::int64_t, Scratch);
template PaddedBand<float> padded_band(const Conv2dShape&, const Prologue<bf16>&, const bf16*, std::int64_t, std::int64_t, std::int64_t, Scratch);
template PaddedBand<bf16> padded_band(const Conv2dShape&, const Prologue<bf16>&, const bf16*, std::int64_t, std::int64_t, std::int64_t, Scratch);

}  // namespace sepia::kernels::cpu
