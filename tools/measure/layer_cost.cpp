#include "tools/measure/layer_cost.h"

#include <algorithm>

namespace sepia::tools {

LayerCost layer_cost(const LayerRow& row, std::int64_t batch, DType dtype, bool first) {
  if (row.type == "ReLU" || row.type == "Flatten") return {};
  const auto pictures = static_cast<double>(batch);
  const auto element = static_cast<double>(dtype_size(dtype));
  const double in = pictures * static_cast<double>(row.input_shape.numel()) * (first && row.type == "Conv2d" ? 1 : element);
  const double out = pictures * static_cast<double>(row.output_shape.numel()) * element;
  const double flops = pictures * static_cast<double>(row.flops);

  if (row.type == "BatchNorm2d") return {.forward = {flops, in}, .backward = {2 * flops, 3 * in}, .inference = {}};
  if (row.params == 0) {
    // Max-pooling also writes, and reads in backward, one byte per output: which input won.
    const double winners = row.type == "MaxPool2d" ? out / element : 0;
    return {.forward = {flops, in + out + winners}, .backward = {flops, in + out + winners}, .inference = {flops, in + out}};
  }
  const auto parameters = static_cast<double>(row.params);
  const double weights = parameters * element, gradients = parameters * static_cast<double>(dtype_size(accumulator_dtype(dtype)));
  const Work forward{flops, in + out + weights};
  const Work backward = first ? Work{flops, in + out + gradients} : Work{2 * flops, 2 * in + out + weights + gradients};
  return {.forward = forward, .backward = backward, .inference = forward};
}

LayerCost separable_cost(const LayerRow& depthwise, const LayerRow& pointwise, std::int64_t batch, DType dtype, bool first) {
  const LayerCost one = layer_cost(depthwise, batch, dtype, false), other = layer_cost(pointwise, batch, dtype, false);
  const double element = static_cast<double>(dtype_size(dtype)), pictures = static_cast<double>(batch);
  const double in = pictures * static_cast<double>(depthwise.input_shape.numel()) * element;
  const double between = pictures * static_cast<double>(depthwise.output_shape.numel()) * element;
  const Work forward{one.forward.flops + other.forward.flops, one.forward.bytes + other.forward.bytes - 2 * between};
  // On the way back the two layers touch `between` three times: its values are read, its gradient is written and read.
  Work backward{one.forward.flops + one.backward.flops + other.backward.flops, one.backward.bytes + other.backward.bytes - 3 * between};
  if (first) backward = {backward.flops - one.forward.flops, backward.bytes - in};
  return {.forward = forward, .backward = backward, .inference = forward};
}

LayerCost pooled_cost(const LayerRow& convolution, const LayerRow& pool, std::int64_t batch, DType dtype, bool first) {
  const LayerCost one = layer_cost(convolution, batch, dtype, first), other = layer_cost(pool, batch, dtype, false);
  const double between = static_cast<double>(batch * convolution.output_shape.numel()) * static_cast<double>(dtype_size(dtype));
  const auto together = [&](Work LayerCost::*work) {
    return Work{(one.*work).flops + (other.*work).flops, (one.*work).bytes + (other.*work).bytes - 2 * between};
  };
  return {.forward = together(&LayerCost::forward), .backward = together(&LayerCost::backward), .inference = together(&LayerCost::inference)};
}

double least_seconds(const Work& work, double flops_rate, double bytes_rate) {
  if (work.bytes <= 0) return 0;
  return std::max(work.flops / flops_rate, work.bytes / bytes_rate);
}

bool compute_bound(const Work& work, double flops_rate, double bytes_rate) { return work.flops / flops_rate > work.bytes / bytes_rate; }

}  // namespace sepia::tools
