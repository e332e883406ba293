// Where the operands of a matrix product lie in memory. An operand is read as a matrix of (outer, inner) indices, inner being
// contiguous: its element is base[offset(outer) + offset(inner)] or, outside of the picture, zero. Indices are walked, not divided:
// a Walker starts at an index and advances by a fixed step.
#pragma once

#include <cuda_runtime.h>

namespace sepia::kernels::cuda::detail {

/// One index's share of an element's place. The element exists where the sums of both indices' h and w lie inside the picture; an
/// index past its end has h = kOutside, which no sum brings back.
struct Coordinate {
  int offset, h, w;
};
inline constexpr int kOutside = 1 << 28;

/// A number in mixed base, (outer, middle, inner), that grows by a fixed step without divisions.
struct Odometer {
  int inner, middle, outer;
  int inner_base, middle_base;
  int inner_step, middle_step, outer_step;

  __device__ __forceinline__ Odometer(int index, int step, int inner_extent, int middle_extent)
      : inner_base(inner_extent), middle_base(middle_extent) {
    split(index, inner, middle, outer);
    split(step, inner_step, middle_step, outer_step);
  }
  __device__ __forceinline__ void advance() {
    inner += inner_step;
    const bool carry = inner >= inner_base;
    inner -= carry ? inner_base : 0;
    middle += middle_step + (carry ? 1 : 0);
    const bool carry_again = middle >= middle_base;
    middle -= carry_again ? middle_base : 0;
    outer += outer_step + (carry_again ? 1 : 0);
  }

 private:
  __device__ __forceinline__ void split(int value, int& low, int& mid, int& high) const {
    const int rest = value / inner_base;
    low = value - rest * inner_base;
    high = rest / middle_base;
    mid = rest - high * middle_base;
  }
};

/// A plain matrix (outer, inner), row pitch `pitch` elements.
template <class T>
struct MatrixSource {
  static constexpr bool kOverlaps = false;
  const T* base;
  int outer_count, inner_count, pitch;

  struct Walker {
    int index, count, step, offset, offset_step;

    __device__ __forceinline__ Coordinate coordinate() const { return {offset, index < count ? 0 : kOutside, 0}; }
    __device__ __forceinline__ int channel() const { return index < count ? index : 0; }
    __device__ __forceinline__ void advance() {
      index += step;
      offset += offset_step;
    }
  };
  __device__ __forceinline__ Walker outer(int index, int step) const { return {index, outer_count, step, index * pitch, step * pitch}; }
  __device__ __forceinline__ Walker inner(int index, int step) const { return {index, inner_count, step, index, step}; }
  __device__ __forceinline__ bool inside(const Coordinate& a, const Coordinate& b) const { return (a.h | b.h) == 0; }
};

/// Pictures (N, height, width, channels) as the matrix of a convolution: outer = position (n, p, q), inner = tap (r, s, c), and the
/// element is picture[n, p * stride - padding + direction * r, q * stride - padding + direction * s, c], zero outside.
/// direction = 1 gathers the inputs of outputs; -1 gathers the outputs to which an input went.
template <class T, int kDirection>
struct WindowSource {
  static constexpr bool kOverlaps = true;  ///< the same element has several places in the matrix
  const T* base;
  int batch, height, width, channels;
  int positions_h, positions_w;  ///< positions per picture
  int taps_h, taps_w;
  int stride, padding_h, padding_w;  ///< a padding below zero skips rows

  struct PositionWalker {
    Odometer at;
    const WindowSource& source;

    __device__ __forceinline__ Coordinate coordinate() const {
      const int h = at.middle * source.stride - source.padding_h, w = at.inner * source.stride - source.padding_w;
      return {((at.outer * source.height + h) * source.width + w) * source.channels, at.outer < source.batch ? h : kOutside, w};
    }
    __device__ __forceinline__ void advance() { at.advance(); }
  };
  struct TapWalker {
    Odometer at;
    const WindowSource& source;

    __device__ __forceinline__ Coordinate coordinate() const {
      return {kDirection * (at.outer * source.width + at.middle) * source.channels + at.inner,
              at.outer < source.taps_h ? kDirection * at.outer : kOutside, kDirection * at.middle};
    }
    __device__ __forceinline__ int channel() const { return at.inner; }
    __device__ __forceinline__ void advance() { at.advance(); }
  };
  __device__ __forceinline__ PositionWalker outer(int index, int step) const {
    return {Odometer(index, step, positions_w, positions_h), *this};
  }
  __device__ __forceinline__ TapWalker inner(int index, int step) const { return {Odometer(index, step, channels, taps_w), *this}; }
  __device__ __forceinline__ bool inside(const Coordinate& a, const Coordinate& b) const {
    return static_cast<unsigned>(a.h + b.h) < static_cast<unsigned>(height) &&
           static_cast<unsigned>(a.w + b.w) < static_cast<unsigned>(width);
  }
};

/// Filters (K, R, S, C) as the matrix that takes gradients back: outer = (r, s, k) over some of the taps, inner = c.
template <class T>
struct FilterSource {
  static constexpr bool kOverlaps = false;
  const T* base;  ///< the filter of k = 0 at the first tap that takes part
  int out_channels, in_channels;
  int taps_h, taps_w;                          ///< taps that take part
  int filter_pitch, tap_pitch_h, tap_pitch_w;  ///< elements between filters, and between taps that take part

  struct OuterWalker {
    Odometer at;
    const FilterSource& source;

    __device__ __forceinline__ Coordinate coordinate() const {
      return {at.inner * source.filter_pitch + at.outer * source.tap_pitch_h + at.middle * source.tap_pitch_w,
              at.outer < source.taps_h ? 0 : kOutside, 0};
    }
    __device__ __forceinline__ void advance() { at.advance(); }
  };
  __device__ __forceinline__ OuterWalker outer(int index, int step) const { return {Odometer(index, step, out_channels, taps_w), *this}; }
  __device__ __forceinline__ typename MatrixSource<T>::Walker inner(int index, int step) const {
    return {index, in_channels, step, index, step};
  }
  __device__ __forceinline__ bool inside(const Coordinate& a, const Coordinate& b) const { return (a.h | b.h) == 0; }
};

}  // namespace sepia::kernels::cuda::detail
