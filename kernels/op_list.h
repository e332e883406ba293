// Every kernel, once: its name and the struct of its arguments. KernelTable (backend.h), the declarations of each backend and
// the tables themselves are made from this list, so a backend that lacks a kernel does not compile.
#pragma once

#include "kernels/batch_norm.h"
#include "kernels/conv2d.h"
#include "kernels/conv2d_pool.h"
#include "kernels/conv2d_separable.h"
#include "kernels/cross_entropy.h"
#include "kernels/depthwise_conv.h"
#include "kernels/elementwise.h"
#include "kernels/linear.h"
#include "kernels/optimizer.h"
#include "kernels/pooling.h"
#include "kernels/separable_conv.h"

/// X(function name, argument struct template)
#define SEPIA_KERNELS(X)                                   \
  X(conv2d_forward, Conv2dForward)                         \
  X(conv2d_backward_input, Conv2dBackwardInput)            \
  X(conv2d_backward_weight, Conv2dBackwardWeight)          \
  X(depthwise_conv_forward, DepthwiseConvForward)          \
  X(depthwise_conv_backward, DepthwiseConvBackward)        \
  X(linear_forward, LinearForward)                         \
  X(linear_backward_input, LinearBackwardInput)            \
  X(linear_backward_weight, LinearBackwardWeight)          \
  X(batch_norm_statistics, BatchNormStatistics)            \
  X(batch_norm_affine, BatchNormAffine)                    \
  X(batch_norm_backward_sums, BatchNormBackwardSums)       \
  X(batch_norm_backward_input, BatchNormBackwardInput)     \
  X(affine_relu_forward, AffineReluForward)                \
  X(affine_relu_backward, AffineReluBackward)              \
  X(add_forward, AddForward)                               \
  X(accumulate_into, AccumulateInto)                       \
  X(images_to_input, ImagesToInput)                        \
  X(images_to_residual, ImagesToResidual)                  \
  X(max_pool_forward, MaxPoolForward)                      \
  X(max_pool_backward, MaxPoolBackward)                    \
  X(global_avg_pool_forward, GlobalAvgPoolForward)         \
  X(global_avg_pool_backward, GlobalAvgPoolBackward)       \
  X(softmax_forward, SoftmaxForward)                       \
  X(softmax_backward, SoftmaxBackward)                     \
  X(cross_entropy_forward, CrossEntropyForward)            \
  X(cross_entropy_backward, CrossEntropyBackward)          \
  X(adam_step, AdamStep)                                   \
  X(sgd_step, SgdStep)                                     \
  X(sum_of_squares, SumOfSquares)                          \
  X(find_nonfinite, FindNonfinite)                         \
  X(lerp, Lerp)                                            \
  X(prepare_step, PrepareStep)

/// Kernels that do the work of several of the above in one pass. A backend may lack them (a null pointer in its table): the operations
/// then call the several. A fused kernel gives their bits, but for sums over rows, which it may add in another order.
#define SEPIA_FUSED_KERNELS(X)                                         \
  X(linear_forward_statistics, LinearForwardStatistics)                \
  X(conv2d_forward_statistics, Conv2dForwardStatistics)                \
  X(separable_conv_forward_statistics, SeparableConvForwardStatistics) \
  X(separable_conv_forward, SeparableConvForward)                      \
  X(separable_conv_backward_input, SeparableConvBackwardInput)         \
  X(separable_conv_backward_weight, SeparableConvBackwardWeight)       \
  X(depthwise_conv_backward_sums, DepthwiseConvBackwardSums)           \
  X(conv2d_pool_forward, Conv2dPoolForward)                            \
  X(conv2d_pool_backward, Conv2dPoolBackward)                          \
  X(conv2d_separable_forward, Conv2dSeparableForward)
