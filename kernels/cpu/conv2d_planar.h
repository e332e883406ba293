// Planar convolutions (conv2d_paths.h) whose gradient comes from elsewhere than an array in memory.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cpu/correlate.h"

namespace sepia::kernels::cpu {

/// The convolution as a correlation of its input.
PlanarConv forward_correlation(const Conv2dShape& shape);
/// As the correlation of its output's gradient that gives the input's: stride 1 only.
PlanarConv backward_correlation(const Conv2dShape& shape);
template <class T>
PlanarFilters<T> forward_filters(const Conv2dShape& shape, const T* weight);

/// conv2d_backward_input for stride 1 and padding below the kernel size, and conv2d_backward_weight, of a gradient that `load` puts into
/// planes; args.grad_y is not read. load(band, layout, planes) fills the input planes of backward_correlation, or a band of output planes of
/// forward_correlation, zeros in the columns that belong to no output and in the slack included.
template <class T>
void planar_backward_input(const Conv2dBackwardInput<T>& args, std::function<void(const Band&, const PlaneLayout&, float* planes)> load);
template <class T>
void planar_backward_weight(const Conv2dBackwardWeight<T>& args, const std::function<void(const Band&, const PlaneLayout&, T* planes)>& load);

}  // namespace sepia::kernels::cpu
