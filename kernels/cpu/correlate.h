// Correlation with few channels and any filter, vectorised over the width (planes.h): what a convolution does forward and, with turned
// filters, backward to its input. The caller says how a band of input becomes planes and what happens to its result.
#pragma once

#include <cstdint>
#include <functional>
#include <type_traits>

#include "kernels/cpu/planes.h"

namespace sepia::kernels::cpu {

/// weight(k, c, r, s) = first[k * per_output + c * per_input + r * per_row + s * per_column]; steps may be negative.
template <class T>
struct PlanarFilters {
  const T* first;
  std::int64_t per_output, per_input, per_row, per_column;
};

template <class T>
struct Correlation {
  PlanarConv conv;
  PlanarFilters<T> filters;
  const float* bias = nullptr;      ///< (out_channels), or null
  std::int64_t rows_at_once = 1;    ///< the rows of a band are a multiple of it, as out_height must be
  /// Fills a band's input planes: of pairs of bf16 numbers where planes_of_pairs, else of floats.
  std::function<void(const Band&, const PlaneLayout&, float* planes)> load;
  /// Takes a band's output planes. The input planes (Scratch::kPanel) are no longer needed then.
  std::function<void(const Band&, const PlaneLayout&, const float* planes)> finish;
};

template <class T>
constexpr bool planes_of_pairs(const PlanarConv& conv) { return std::is_same_v<T, bf16> && conv.stride == 1; }

/// Bands in parallel, cut by shape alone; every output is one sum in the order of the taps, whatever the bands.
template <class T>
void correlate(const Correlation<T>& correlation);

/// load() for an input (batch, in_height, in_width, in_channels).
template <class T>
void load_pictures(const PlanarConv& conv, const InputRows<T>& input, const Band& band, const PlaneLayout& layout, float* planes);

}  // namespace sepia::kernels::cpu
