// The three ways in which the CPU computes dense convolutions, each for float and bf16; conv2d.cpp chooses by shape alone. Where
// `statistics` are given, not null, they are started and each band of whole rows is added to them as it is written.
#pragma once

#include "kernels/conv2d.h"
#include "kernels/cpu/row_statistics.h"

namespace sepia::kernels::cpu {

// im2col: positions of a band of output rows become rows of a matrix (one row per position, its R*S*C inputs), and a matrix
// product does the rest. Any shape; good from some 32 channels on, where R*S copies of the input cost less than the product.
template <class T>
void conv2d_forward_im2col(const Conv2dForward<T>& args, PieceStatistics* statistics);
template <class T>
void conv2d_backward_input_im2col(const Conv2dBackwardInput<T>& args);
template <class T>
void conv2d_backward_weight_im2col(const Conv2dBackwardWeight<T>& args);

// Planar: vectors run along the width, each channel is a plane. Any shape forward and for the weights; to the input for stride 1
// and padding below the kernel size. Good for few channels.
template <class T>
void conv2d_forward_planar(const Conv2dForward<T>& args);
template <class T>
void conv2d_backward_input_planar(const Conv2dBackwardInput<T>& args);
template <class T>
void conv2d_backward_weight_planar(const Conv2dBackwardWeight<T>& args);

// Direct: vectors hold output channels, of which there must be a multiple of 32. Good for few input channels.
template <class T>
void conv2d_forward_direct(const Conv2dForward<T>& args, PieceStatistics* statistics);
template <class T>
void conv2d_backward_weight_direct(const Conv2dBackwardWeight<T>& args);

}  // namespace sepia::kernels::cpu
