#include "kernels/cpu/planes.h"

#include <algorithm>
#include <type_traits>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/transpose.h"

namespace sepia::kernels::cpu {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t to) {
  return pieces_of(value, to) * to;
}

// A row (width, channels): as it lies where it can be taken so, else a copy.
template <class T>
const float* row_as_floats(const InputRows<T>& rows, std::int64_t index) {
  if constexpr (std::is_same_v<T, float>) {
    if (const float* row = rows.where_it_lies(index)) return row;
  }
  float* copy = scratch(Scratch::kRow, rows.length());
  rows.load(index, copy);
  return copy;
}

// Columns of a row, its channels apart: out[c * plane + w] = row[w * step + c].
void channels_apart(std::int64_t columns, std::int64_t channels, const float* row, std::int64_t step, float* out, std::int64_t plane) {
  transpose(columns, channels, row, step, out, plane);
}
void channels_apart(std::int64_t columns, std::int64_t channels, const float* row, std::int64_t step, bf16* out, std::int64_t plane) {
  float* apart = scratch(Scratch::kShared, channels * columns);
  transpose(columns, channels, row, step, apart, columns);
  round_rows({channels, columns, plane}, apart, columns, nullptr, out);
}

}  // namespace

PlaneLayout::PlaneLayout(const PlanarConv& conv, std::int64_t out_rows, std::int64_t slack)
    : stride(conv.stride),
      pitch(pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride)),
      plane(round_up((out_rows + pieces_of(conv.kernel_h, conv.stride)) * pitch + pieces_of(conv.kernel_w, conv.stride) + slack, 16)),
      out_plane(round_up(out_rows * pitch + slack, 16)) {}

PlanarBands::PlanarBands(const PlanarConv& conv, std::int64_t most, std::int64_t rows_together)
    : rows_at_once(rows_together), steps(conv.out_height / rows_together) {
  const std::int64_t positions = conv.out_height * pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride);
  const std::int64_t fitting = std::clamp<std::int64_t>(conv.batch * positions / 16, std::min<std::int64_t>(512, most), most);
  per_picture = std::clamp<std::int64_t>(pieces_of(positions, fitting), 1, std::max<std::int64_t>(steps, 1));
  rows = pieces_of(steps, per_picture) * rows_at_once;
}

template <class T, class Plane>
void load_input_planes(const PlanarConv& conv, const PlaneLayout& layout, const InputRows<T>& input, const Band& band, Plane* planes) {
  const std::int64_t channels = conv.in_channels, stride = layout.stride, channel_plane = stride * stride * layout.plane;
  const std::int64_t input_rows = (band.rows - 1) * stride + conv.kernel_h;
  for (std::int64_t i = 0; i < input_rows; ++i) {
    const std::int64_t h = band.first * stride + i - conv.pad_h;
    const bool inside = h >= 0 && h < conv.in_height;
    const float* row = inside ? row_as_floats(input, band.picture * conv.in_height + h) : nullptr;
    for (std::int64_t phase = 0; phase < stride; ++phase) {
      Plane* to = planes + layout.plane_of(0, i % stride, phase) + i / stride * layout.pitch;
      // Columns of this remainder that lie in the picture: w = column * stride + phase - pad_w in [0, in_width).
      const std::int64_t begin = std::max<std::int64_t>(0, pieces_of(conv.pad_w - phase, stride));
      const std::int64_t end = inside ? std::min(layout.pitch, pieces_of(conv.in_width + conv.pad_w - phase, stride)) : begin;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::fill_n(to + c * channel_plane, std::min(begin, layout.pitch), Plane{});
        if (end < layout.pitch) std::fill(to + c * channel_plane + std::max(end, begin), to + c * channel_plane + layout.pitch, Plane{});
      }
      if (end > begin) {
        channels_apart(end - begin, channels, row + (begin * stride + phase - conv.pad_w) * channels, stride * channels, to + begin, channel_plane);
      }
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t row_phase = 0; row_phase < stride; ++row_phase) {
      const std::int64_t filled = pieces_of(input_rows - row_phase, stride) * layout.pitch;
      for (std::int64_t phase = 0; phase < stride; ++phase) {
        Plane* plane = planes + layout.plane_of(c, row_phase, phase);
        std::fill(plane + filled, plane + layout.plane, Plane{});
      }
    }
  }
}

void load_pair_planes(const PlanarConv& conv, const PlaneLayout& layout, const InputRows<bf16>& input, const Band& band, float* planes) {
  const std::int64_t channels = conv.in_channels, pairs = channels / 2, width = conv.in_width;
  const bool odd = channels % 2 == 1, rows_in_pairs = odd && conv.kernel_h > 1;
  std::fill_n(planes, pieces_of(channels, 2) * layout.plane, 0.0F);
  float* apart = scratch(Scratch::kShared, channels * width);
  for (std::int64_t i = 0; i < band.rows - 1 + conv.kernel_h; ++i) {
    const std::int64_t h = band.first + i - conv.pad_h;
    if (h < 0 || h >= conv.in_height) continue;
    const float* row = row_as_floats(input, band.picture * conv.in_height + h);
    transpose(width, channels, row, channels, apart, width);
    auto* to = reinterpret_cast<std::uint32_t*>(planes) + i * layout.pitch + conv.pad_w;
    const auto bits = [&](std::int64_t c) { return reinterpret_cast<const std::uint32_t*>(apart + c * width); };
    for (std::int64_t j = 0; j < pairs; ++j, to += layout.plane) {
      const std::uint32_t *lower = bits(2 * j), *upper = bits(2 * j + 1);
      for (std::int64_t w = 0; w < width; ++w) to[w] = lower[w] >> 16 | (upper[w] & 0xffff0000U);
    }
    if (!odd) continue;
    const std::uint32_t* last = bits(channels - 1);
    for (std::int64_t w = 0; w < width; ++w) to[w] = last[w] >> 16;
    if (!rows_in_pairs || i == 0) continue;
    std::uint32_t* above = to - layout.pitch;
    for (std::int64_t w = 0; w < width; ++w) above[w] |= last[w] & 0xffff0000U;
  }
}

template <class T>
void load_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const T* picture, std::int64_t first, std::int64_t rows, T* planes) {
  const std::int64_t channels = conv.out_channels;
  const InputRows<T> input(conv.out_width, channels, {}, picture);
  for (std::int64_t p = 0; p < rows; ++p) {
    T* to = planes + p * layout.pitch;
    channels_apart(conv.out_width, channels, row_as_floats(input, first + p), channels, to, layout.out_plane);
    for (std::int64_t k = 0; k < channels; ++k) {
      std::fill(to + k * layout.out_plane + conv.out_width, to + k * layout.out_plane + layout.pitch, T{});
    }
  }
  for (std::int64_t k = 0; k < channels; ++k) {
    std::fill(planes + k * layout.out_plane + rows * layout.pitch, planes + (k + 1) * layout.out_plane, T{});
  }
}

template <class T>
void store_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* planes, std::int64_t rows, T* y) {
  const std::int64_t channels = conv.out_channels, row = conv.out_width * channels;
  for (std::int64_t p = 0; p < rows; ++p) {
    if constexpr (std::is_same_v<T, float>) {
      transpose(channels, conv.out_width, planes + p * layout.pitch, layout.out_plane, y + p * row, channels);
    } else {
      float* floats = scratch(Scratch::kRow, row);
      transpose(channels, conv.out_width, planes + p * layout.pitch, layout.out_plane, floats, channels);
      round_rows({1, row, row}, floats, row, nullptr, y + p * row);
    }
  }
}

template void load_input_planes(const PlanarConv&, const PlaneLayout&, const InputRows<float>&, const Band&, float*);
template void load_input_planes(const PlanarConv&, const PlaneLayout&, const InputRows<bf16>&, const Band&, float*);
template void load_input_planes(const PlanarConv&, const PlaneLayout&, const InputRows<bf16>&, const Band&, bf16*);
template void load_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, std::int64_t, float*);
template void load_output_planes(const PlanarConv&, const PlaneLayout&, const bf16*, std::int64_t, std::int64_t, bf16*);
template void store_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, float*);
template void store_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, bf16*);

}  // namespace sepia::kernels::cpu
