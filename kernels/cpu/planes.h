// Planar (channel by channel) copies of bands of NHWC pictures, for convolutions with few channels.
//
// With 3, 6 or 16 channels a vector of channels is mostly empty, so these convolutions run along the width. A band of input rows is
// copied so that each channel is one plane, its rows joined without gaps: row i starts at i * pitch, and output position
// (p, q) lies at p * pitch + q of an output plane. A tap (c, r, s) then is a constant distance into the input, over all positions
// of the band at once, and vectors run on from row to row; what they compute in the last columns of a row (pitch - out_width of
// them) belongs to no output and is dropped. A stride splits rows and columns by their remainder into stride^2 planes per channel, so that
// it is a distance again.
#pragma once

#include <cstdint>

#include "kernels/cpu/input_rows.h"

namespace sepia::kernels::cpu {

/// A correlation y(p, q, k) = sum x(p * stride + r - pad_h, q * stride + s - pad_w, c) * w(k, c, r, s) over pictures; backward_input is one
/// too.
struct PlanarConv {
  std::int64_t batch, in_height, in_width, in_channels;
  std::int64_t out_height, out_width, out_channels;
  std::int64_t kernel_h, kernel_w, stride, pad_h, pad_w;

  std::int64_t taps() const { return in_channels * kernel_h * kernel_w; }
};

/// Output rows [first, first + rows) of a picture.
struct Band {
  std::int64_t picture, first, rows;
};

/// Where things lie in the planes of a band of output rows.
struct PlaneLayout {
  /// `slack`: floats that vectors may reach beyond the last position.
  PlaneLayout(const PlanarConv& conv, std::int64_t out_rows, std::int64_t slack);

  /// Start of the input plane with the given remainders of row and column.
  std::int64_t plane_of(std::int64_t c, std::int64_t row_phase, std::int64_t column_phase) const {
    return ((c * stride + row_phase) * stride + column_phase) * plane;
  }
  /// Distance from output position 0 to its input at tap (c, r, s).
  std::int64_t tap(std::int64_t c, std::int64_t r, std::int64_t s) const {
    return plane_of(c, r % stride, s % stride) + r / stride * pitch + s / stride;
  }
  /// Positions from the first output of a band of `rows` rows to its last.
  std::int64_t positions(std::int64_t rows, std::int64_t out_width) const { return (rows - 1) * pitch + out_width; }
  std::int64_t input_floats(std::int64_t channels) const { return channels * stride * stride * plane; }

  std::int64_t stride;
  std::int64_t pitch;      ///< floats from one row of a plane to the next
  std::int64_t plane;      ///< floats of an input plane, a multiple of 16
  std::int64_t out_plane;  ///< floats of an output plane, a multiple of 16
};

/// How the output rows of one picture are cut into bands, by shape alone: of about `most` positions, or less where few pictures would
/// make less than sixteen bands in all. Each has a multiple of `rows_at_once` rows, as the picture must; beyond that they are alike.
struct PlanarBands {
  PlanarBands(const PlanarConv& conv, std::int64_t most, std::int64_t rows_at_once = 1);

  /// The band of piece `index` of batch * per_picture.
  Band band(std::int64_t index) const {
    const auto begin = [&](std::int64_t i) { return i * steps / per_picture * rows_at_once; };
    const std::int64_t i = index % per_picture;
    return {index / per_picture, begin(i), begin(i + 1) - begin(i)};
  }

  std::int64_t rows_at_once, steps, per_picture;
  std::int64_t rows;  ///< of the longest band
};

/// Fills the input planes for a band of output rows: zeros around the picture and in the slack. Planes of bf16 numbers have the same layout, counted in elements.
template <class T, class Plane>
void load_input_planes(const PlanarConv& conv, const PlaneLayout& layout, const InputRows<T>& input, const Band& band, Plane* planes);

/// The same for stride 1 as planes of pairs of bf16 numbers, 32 bits each: plane j holds channels 2 j (lower half) and 2 j + 1. An odd last
/// channel is paired with itself one row further down, or with zero where filters have one row. pieces_of(in_channels, 2) planes.
void load_pair_planes(const PlanarConv& conv, const PlaneLayout& layout, const InputRows<bf16>& input, const Band& band, float* planes);

/// Copies rows [first, first + rows) of an output picture (NHWC) into output planes, zeros in the columns that belong to no output and in
/// the slack.
template <class T>
void load_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const T* picture, std::int64_t first, std::int64_t rows, T* planes);

/// Copies output planes back to `rows` rows (NHWC, dense) at y.
template <class T>
void store_output_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* planes, std::int64_t rows, T* y);

}  // namespace sepia::kernels::cpu
