#include "kernels/cpu/planes.h"

#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/rows.h"
#include "kernels/cpu/scratch.h"

namespace sepia::kernels::cpu {
namespace {

std::int64_t round_up(std::int64_t value, std::int64_t to) { return pieces_of(value, to) * to; }

// out[c * plane + i] = row[i * step + c] for i in [0, count).
void split_channels(const float* row, std::int64_t count, std::int64_t step, std::int64_t channels, std::int64_t plane, float* out) {
  for (std::int64_t c = 0; c < channels; ++c) {
    const float* from = row + c;
    float* to = out + c * plane;
    for (std::int64_t i = 0; i < count; ++i) to[i] = from[i * step];
  }
}

}  // namespace

PlaneLayout::PlaneLayout(const PlanarConv& conv, std::int64_t out_rows, std::int64_t slack)
    : stride(conv.stride),
      pitch(pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride)),
      plane(round_up((out_rows + pieces_of(conv.kernel_h, conv.stride)) * pitch + pieces_of(conv.kernel_w, conv.stride) + slack, 16)),
      out_plane(round_up(out_rows * pitch + slack, 16)) {}

PlanarBands::PlanarBands(const PlanarConv& conv, std::int64_t positions) {
  const std::int64_t pitch = pieces_of(conv.in_width + 2 * conv.pad_w, conv.stride);
  const std::int64_t bands = std::clamp<std::int64_t>(pieces_of(conv.out_height * pitch, positions), 1, conv.out_height);
  rows = pieces_of(conv.out_height, bands);
  per_picture = pieces_of(conv.out_height, rows);
}

void load_input_planes(const PlanarConv& conv, const PlaneLayout& layout, const Prologue<float>& prologue, const float* picture,
                       std::int64_t first, std::int64_t rows, float* planes) {
  const std::int64_t channels = conv.in_channels, stride = layout.stride, channel_plane = stride * stride * layout.plane;
  const std::int64_t input_rows = (rows - 1) * stride + conv.kernel_h;
  float* activated = prologue.identity() ? nullptr : scratch(Scratch::kRow, conv.in_width * channels);
  for (std::int64_t i = 0; i < input_rows; ++i) {
    const std::int64_t h = first * stride + i - conv.pad_h;
    const bool inside = h >= 0 && h < conv.in_height;
    const float* row = inside ? picture + h * conv.in_width * channels : nullptr;
    if (inside && activated) {
      activate_rows(prologue, {conv.in_width, channels, channels}, row, activated);
      row = activated;
    }
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
        split_channels(row + (begin * stride + phase - conv.pad_w) * channels, end - begin, stride * channels, channels, channel_plane, to + begin);
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

void load_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* picture, std::int64_t first, std::int64_t rows,
                        float* planes) {
  const std::int64_t channels = conv.out_channels;
  for (std::int64_t p = 0; p < rows; ++p) {
    float* to = planes + p * layout.pitch;
    split_channels(picture + (first + p) * conv.out_width * channels, conv.out_width, channels, channels, layout.out_plane, to);
    for (std::int64_t k = 0; k < channels; ++k) {
      std::fill(to + k * layout.out_plane + conv.out_width, to + k * layout.out_plane + layout.pitch, 0.0F);
    }
  }
  for (std::int64_t k = 0; k < channels; ++k) {
    std::fill(planes + k * layout.out_plane + rows * layout.pitch, planes + (k + 1) * layout.out_plane, 0.0F);
  }
}

void store_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* planes, std::int64_t rows, float* y) {
  const std::int64_t channels = conv.out_channels;
  for (std::int64_t p = 0; p < rows; ++p) {
    const float* from = planes + p * layout.pitch;
    float* to = y + p * conv.out_width * channels;
    for (std::int64_t q = 0; q < conv.out_width; ++q) {
      for (std::int64_t k = 0; k < channels; ++k) to[q * channels + k] = from[k * layout.out_plane + q];
    }
  }
}

}  // namespace sepia::kernels::cpu
