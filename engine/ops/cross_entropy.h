// Softmax and the cross-entropy loss. Formulas and gradients: kernels/cross_entropy.h.
#pragma once

#include "engine/autograd/variable.h"

namespace sepia::ops {

struct CrossEntropyParams {
  Tensor class_weights;    ///< (K), accumulator type; undefined: all one
  double smoothing = 0.0;  ///< label smoothing, in [0, 1)
};

/// Mean over samples of the cross-entropy between softmax(logits) and labels: logits (N, K), labels (N) int32 in [0, K) -> scalar
/// in the accumulator type. With class weights it is PyTorch's weighted mean. Throws kUsage when shapes or labels do not fit.
Variable cross_entropy(const Variable& logits, const Tensor& labels, const CrossEntropyParams& params = {});

/// softmax over the last of two extents, (N, K) -> (N, K).
Variable softmax(const Variable& x);

}  // namespace sepia::ops
