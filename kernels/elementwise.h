// Element-wise kernels: carrying out a pending affine and ReLU, sums of branches, pictures to network input.
#pragma once

#include <array>

#include "kernels/launch.h"

namespace sepia::kernels {

/// y[m, c] = act(x)[m, c]: the pending affine and ReLU carried out. x, y (M, C).
template <class T>
struct AffineReluForward {
  std::int64_t rows, channels;
  const T* x;
  Prologue<T> prologue;
  T* y;
};

/// grad_x[m, c] = grad_y[m, c] where the ReLU was open, else 0: the gradient at the prologue's *affine output*, not at x.
template <class T>
struct AffineReluBackward {
  std::int64_t rows, channels;
  const T* x;
  Prologue<T> prologue;
  const T* grad_y;
  T* grad_x;
  Accumulate accumulate;
};

/// y = act_a(a) + act_b(b), all (M, C).
template <class T>
struct AddForward {
  std::int64_t rows, channels;
  const T* a;
  Prologue<T> prologue_a;
  const T* b;
  Prologue<T> prologue_b;
  T* y;
};

/// destination = source, or destination += source.
template <class T>
struct AccumulateInto {
  std::int64_t count;
  const T* source;
  T* destination;
  Accumulate accumulate;
};

/// y[n, h, w, c] = (v / 255 - mean[c]) / std[c], y (N, height, width, 3), pixels (N, source_height, source_width, 3) in bytes.
///   v = pixels[n, crop_y[n] + h, crop_x[n] + u, c], 0 where that lies outside;   u = flip[n] ? width - 1 - w : w
/// The optional arrays are on the device, (N) each: null means no crop (corner 0, 0) and no flip. This is data/transforms.h's
/// crop_and_flip, on the way into the network.
template <class T>
struct ImagesToInput {
  std::int64_t batch, height, width;
  const std::uint8_t* pixels;
  std::array<double, 3> mean, std;
  T* y;
  std::int64_t source_height = 0, source_width = 0;  ///< 0: height, width
  const std::int32_t* crop_y = nullptr;              ///< both or none
  const std::int32_t* crop_x = nullptr;
  const std::uint8_t* flip = nullptr;

  constexpr std::int64_t source_rows() const { return source_height ? source_height : height; }
  constexpr std::int64_t source_columns() const { return source_width ? source_width : width; }
  /// Whether y's bytes are the source's, one for one.
  constexpr bool as_they_lie() const { return !crop_y && !flip && source_rows() == height && source_columns() == width; }
};

/// Row or column -1 is 1, `extent` is `extent` - 2: the border is the mirror and is not repeated (torch's padding "reflect"). For
/// positions at most one outside; in a single row every neighbour is the row itself.
constexpr std::int64_t reflected(std::int64_t position, std::int64_t extent) {
  if (position < 0) return extent > 1 ? 1 : 0;
  return position < extent ? position : extent > 1 ? extent - 2 : 0;
}

/// What blurring takes away, enlarged: y = clamp(20 (v - blur(v)), -3, 3), v the picture in [0, 1], blur the 3x3 binomial filter
/// (1 2 1) x (1 2 1) / 16 with reflected borders. y (N, height, width, 3), pixels as many bytes.
/// On bytes p this is whole-numbered but for the last division: r = 16 p - sum of weights times bytes, y = clamp(r, -612, 612) / 204.
template <class T>
struct ImagesToResidual {
  std::int64_t batch, height, width;
  const std::uint8_t* pixels;
  T* y;

  static constexpr int kBound = 612, kDivisor = 204;  ///< 3 and 1/20 in units of r: 16 * 255
};

}  // namespace sepia::kernels
