// A depthwise convolution that was left pending (engine/autograd/variable.h), as the ops that carry it out see it.
#pragma once

#include "engine/autograd/variable.h"
#include "kernels/depthwise_conv.h"

namespace sepia::ops {

inline Shape output_shape(const kernels::DepthwiseConvShape& shape) { return {shape.batch, shape.out_height(), shape.out_width(), shape.channels}; }

/// What the kernels read of it: tensors, which a node may keep.
struct DepthwiseOperands {
  explicit DepthwiseOperands(const PendingConvolution& convolution);

  /// The convolution's output, computed now.
  Tensor forward() const;

  kernels::DepthwiseConvShape shape;
  Tensor x;
  PendingAffine pending;  // of x
  Tensor weight, bias;    // bias may be undefined
};

/// Its output as a variable, with a node on the tape where one is wanted.
Variable carry_out(const PendingConvolution& convolution);

/// linear(convolution's output, weight, bias), whose arguments linear has checked: in one kernel where the backend has one, and without
/// keeping the convolution's output for the way back, where it is made again.
Variable separable_conv(const PendingConvolution& convolution, const Variable& weight, const Variable& bias);

}  // namespace sepia::ops
