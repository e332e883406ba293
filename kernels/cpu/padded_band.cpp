#include "kernels/cpu/padded_band.h"

#include <algorithm>
#include <type_traits>

namespace sepia::kernels::cpu {

template <class Out, class In>
PaddedBand<Out> padded_band(const Conv2dShape& shape, const InputRows<In>& input, std::int64_t n, std::int64_t first_row, std::int64_t rows, Scratch slot) {
  const std::int64_t row = input.length(), margin = shape.padding * shape.in_channels, first_of_picture = n * shape.height;
  if constexpr (std::is_same_v<Out, In>) {
    const In* const view = shape.padding == 0 ? input.where_it_lies(first_of_picture + first_row) : nullptr;
    if (view) return {view, row};
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
    input.load(first_of_picture + h, out + margin);
    std::fill_n(out + margin + row, margin, Out{});
  }
  return {band, pitch};
}

template PaddedBand<float> padded_band(const Conv2dShape&, const InputRows<float>&, std::int64_t, std::int64_t, std::int64_t, Scratch);
template PaddedBand<float> padded_band(const Conv2dShape&, const InputRows<bf16>&, std::int64_t, std::int64_t, std::int64_t, Scratch);
template PaddedBand<bf16> padded_band(const Conv2dShape&, const InputRows<bf16>&, std::int64_t, std::int64_t, std::int64_t, Scratch);

}  // namespace sepia::kernels::cpu
