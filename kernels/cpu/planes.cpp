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

}  // namespace

PlaneLayout::PlaneLayout(const PlanarConv& conv, std::int64_t out_rows, std::int64_t slack)
    : stride(conv.stride),
      pitch(pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride)),
      plane(round_up((out_rows + pieces_of(conv.kernel_h, conv.stride)) * pitch + pieces_of(conv.kernel_w, conv.stride) + slack, 16)),
      out_plane(round_up(out_rows * pitch + slack, 16)) {}

PlanarBands::PlanarBands(const PlanarConv& conv, std::int64_t most) {
  const std::int64_t positions = conv.out_height * pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride);
  const std::int64_t fitting = std::clamp<std::int64_t>(conv.batch * positions / 16, std::min<std::int64_t>(512, most), most);
  const std::int64_t bands = std::clamp<std::int64_t>(pieces_of(positions, fitting), 1, conv.out_height);
  rows = pieces_of(conv.out_height, bands);
  per_picture = pieces_of(conv.out_height, rows);
}

template <class T>
void load_input_planes(const PlanarConv& conv, const PlaneLayout& layout, const Prologue<T>& prologue, const T* picture,
                       std::int64_t first, std::int64_t rows, float* planes) {
  const std::int64_t channels = conv.in_channels, stride = layout.stride, channel_plane = stride * stride * layout.plane;
  const std::int64_t input_rows = (rows - 1) * stride + conv.kernel_h;
  // A row as it enters the planes: as it lies where it can be taken so, else a copy.
  const auto floats_of = [&](const T* row) -> const float* {
    if constexpr (std::is_same_v<T, float>) {
      if (prologue.identity()) return row;
    }
    float* activated = scratch(Scratch::kRow, conv.in_width * channels);
    activate_rows(as_float(prologue), {conv.in_width, channels, channels}, row, activated);
    return activated;
  };
  for (std::int64_t i = 0; i < input_rows; ++i) {
    const std::int64_t h = first * stride + i - conv.pad_h;
    const bool inside = h >= 0 && h < conv.in_height;
    const float* row = inside ? floats_of(picture + h * conv.in_width * channels) : nullptr;
    for (std::int64_t phase = 0; phase < stride; ++phase) {
      float* to = planes + layout.plane_of(0, i % stride, phase) + i / stride * layout.pitch;
      // Columns of this remainder that lie in the picture: w = column * stride + phase - pad_w in [0, in_width).
      const std::int64_t begin = std::max<std::int64_t>(0, pieces_of(conv.pad_w - phase, stride));
      const std::int64_t end = inside ? std::min(layout.pitch, pieces_of(conv.in_width + conv.pad_w - phase, stride)) : begin;
      for (std::int64_t c = 0; c < channels; ++c) {
        std::fill_n(to + c * channel_plane, std::min(begin, layout.pitch), 0.0F);
        if (end < layout.pitch) std::fill(to + c * channel_plane + std::max(end, begin), to + c * channel_plane + layout.pitch, 0.0F);
      }
      if (end > begin) {
        transpose(end - begin, channels, row + (begin * stride + phase - conv.pad_w) * channels, stride * channels, to + begin,
                  channel_plane);
      }
    }
  }
  for (std::int64_t c = 0; c < channels; ++c) {
    for (std::int64_t row_phase = 0; row_phase < stride; ++row_phase) {
      const std::int64_t filled = pieces_of(input_rows - row_phase, stride) * layout.pitch;
      for (std::int64_t phase = 0; phase < stride; ++phase) {
        float* plane = planes + layout.plane_of(c, row_phase, phase);
        std::fill(plane + filled, plane + layout.plane, 0.0F);
      }
    }
  }
}

template <class T>
void load_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const T* picture, std::int64_t first, std::int64_t rows,
                        float* planes) {
  const std::int64_t channels = conv.out_channels;
  for (std::int64_t p = 0; p < rows; ++p) {
    float* to = planes + p * layout.pitch;
    const T* row = picture + (first + p) * conv.out_width * channels;
    const float* floats = nullptr;
    if constexpr (std::is_same_v<T, float>) {
      floats = row;
    } else {
      float* copy = scratch(Scratch::kRow, conv.out_width * channels);
      activate_rows({}, {1, conv.out_width * channels, conv.out_width * channels}, row, copy);
      floats = copy;
    }
    transpose(conv.out_width, channels, floats, channels, to, layout.out_plane);
    for (std::int64_t k = 0; k < channels; ++k) {
      std::fill(to + k * layout.out_plane + conv.out_width, to + k * layout.out_plane + layout.pitch, 0.0F);
    }
  }
  for (std::int64_t k = 0; k < channels; ++k) {
    std::fill(planes + k * layout.out_plane + rows * layout.pitch, planes + (k + 1) * layout.out_plane, 0.0F);
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

template void load_input_planes(const PlanarConv&, const PlaneLayout&, const Prologue<float>&, const float*, std::int64_t, std::int64_t, float*);
template void load_input_planes(const PlanarConv&, const PlaneLayout&, const Prologue<bf16>&, const bf16*, std::int64_t, std::int64_t, float*);
template void load_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, std::int64_t, float*);
template void load_output_planes(const PlanarConv&, const PlaneLayout&, const bf16*, std::int64_t, std::int64_t, float*);
template void store_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, float*);
template void store_output_planes(const PlanarConv&, const PlaneLayout&, const float*, std::int64_t, bf16*);

}  // namespace sepia::kernels::cpu
