// The ways of max pooling, and which one a layer takes. Every way gives the same results; they differ in how often memory is read.
#pragma once

#include <initializer_list>

#include "kernels/pooling.h"

namespace sepia::kernels::cuda {

/// pooling_pairs.cu: 2x2 windows, stride 2, no padding. No two windows share a pixel.
bool is_paired(const MaxPoolShape& shape);
template <class T>
void max_pool_forward_pairs(const LaunchContext& context, const MaxPoolForward<T>& a);
template <class T>
void max_pool_backward_pairs(const LaunchContext& context, const MaxPoolBackward<T>& a);

/// pooling_narrow.cu: the same windows where a pixel's channels do not fill whole sectors of 32 bytes, so that rows are staged.
/// `buffers`: all that the kernel will touch; null ones do not count.
template <class T>
bool is_narrow(const MaxPoolShape& shape, std::initializer_list<const void*> buffers);
template <class T>
void max_pool_forward_narrow(const LaunchContext& context, const MaxPoolForward<T>& a);
template <class T>
void max_pool_backward_narrow(const LaunchContext& context, const MaxPoolBackward<T>& a);

/// pooling_overlapping.cu: 3x3 windows, stride 2, padding 1. Neighbouring windows share a row or column of pixels.
bool is_overlapping(const MaxPoolShape& shape);
template <class T>
void max_pool_forward_overlapping(const LaunchContext& context, const MaxPoolForward<T>& a);
template <class T>
void max_pool_backward_overlapping(const LaunchContext& context, const MaxPoolBackward<T>& a);

/// pooling.cu: any window.
template <class T>
void max_pool_forward_any(const LaunchContext& context, const MaxPoolForward<T>& a);
template <class T>
void max_pool_backward_any(const LaunchContext& context, const MaxPoolBackward<T>& a);

}  // namespace sepia::kernels::cuda
