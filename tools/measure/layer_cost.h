// The least work of a layer: what its arguments and results alone demand, whatever the kernel. Measured times are compared with it.
#pragma once

#include <cstdint>

#include "engine/base/dtype.h"
#include "tools/summary/layer_table.h"

namespace sepia::tools {

/// Floating-point operations (2 per multiply-add) and bytes, each array read or written once.
struct Work {
  double flops = 0, bytes = 0;
};

struct LayerCost {
  Work forward, backward;  ///< of a training step
  Work inference;
};

/// For `batch` pictures with activations of type `dtype`. `row` is one picture's (layer_table).
///
/// Layers with products read input and weights and write the output; backward reads the output's gradient, the input and the weights and
/// writes the input's gradient and the weights' (fp32): twice the forward products. With `first` nobody wants the input's gradient, half of the
/// products and its bytes fall away, and a convolution's input is pictures of one byte a number. Batch norm reads its input for the
/// statistics, unless the layer before it leaves them (the caller knows: it has no work forward then); its affine map is applied by the next
/// layer as it loads, and so are ReLU and flatten: no bytes of their own, and none for batch norm in inference. Its backward reads input and
/// gradient and writes one. Pooling reads its input and writes its output; backward the other way round.
LayerCost layer_cost(const LayerRow& row, std::int64_t batch, DType dtype, bool first);

/// Of a pointwise layer that carries out the depthwise convolution before it, which was left pending (engine/autograd/variable.h): the
/// products of both, and of bytes the input of the one, the output of the other and all weights, since what lies between need not be in
/// memory. Backward makes it again: the depthwise products thrice.
LayerCost separable_cost(const LayerRow& depthwise, const LayerRow& pointwise, std::int64_t batch, DType dtype, bool first);

/// Of a 2x2 max pooling that carries out the dense convolution before it, which was left pending: what lies between need not be in memory,
/// nor its gradient.
LayerCost pooled_cost(const LayerRow& convolution, const LayerRow& pool, std::int64_t batch, DType dtype, bool first);

/// Seconds that `work` takes at least at these rates (per second): the longer of products and memory traffic. 0 when there is none.
double least_seconds(const Work& work, double flops_rate, double bytes_rate);

/// Whether the least time of `work` is that of its products rather than of its bytes.
bool compute_bound(const Work& work, double flops_rate, double bytes_rate);

}  // namespace sepia::tools
