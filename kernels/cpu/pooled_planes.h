// 2x2 max pooling of stride 2 on planes (planes.h), forward as a convolution's output leaves its planes, and back as its gradient is put
// into planes: the full-size array is in memory neither way.
#pragma once

#include <cstdint>

#include "kernels/cpu/planes.h"

namespace sepia::kernels::cpu {

/// Pools the first `rows` (even) rows of output planes, rounded to T and through a ReLU if `relu`, into rows/2 rows of (out_width/2,
/// out_channels) at y, dense. index: winners as in kernels/pooling.h, or null. Values and winners are those of max_pool_forward. Vectors read
/// up to 32 floats of slack beyond the last row.
template <class T>
void store_pooled_planes(const PlanarConv& conv, const PlaneLayout& layout, const float* planes, std::int64_t rows, bool relu, T* y,
                         std::uint8_t* index);

/// A picture's gradient at the pooled output, (rows, width, channels), its winners and, behind a ReLU, the pooled output; else y is null.
template <class T>
struct PooledGradient {
  const T* grad_y;
  const std::uint8_t* index;
  const T* y;
  std::int64_t rows, width, channels;
};

/// Rows of planes: element (row i, column w) of channel k at first[k * plane + i * pitch + w].
template <class P>
struct PlaneRows {
  P* first;
  std::int64_t pitch, plane;
};

/// Writes rows [first, first + count) of the gradient at the pooling's input: each gradient goes to its winner, nothing passes a closed ReLU,
/// the other places of a window are zero. Rows that belong to no window, and columns from 2 * width on, must be zero before; up to 32
/// elements behind a row are overwritten with zeros.
template <class T>
void load_unpooled(const PooledGradient<T>& gradient, std::int64_t first, std::int64_t count, const PlaneRows<T>& planes);

/// The same as planes of pairs of channels, 32 bits each (load_pair_planes); channels must be even in number.
void load_unpooled_pairs(const PooledGradient<bf16>& gradient, std::int64_t first, std::int64_t count, const PlaneRows<float>& planes);

}  // namespace sepia::kernels::cpu
