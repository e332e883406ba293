// Which taps of a sliding window lie inside the input, and which windows cover an input: what convolution and pooling share.
#pragma once

#include <algorithm>
#include <cstdint>

namespace sepia::kernels::cpu {

/// Positions begin, begin + 1, ..., end - 1.
struct Range {
  std::int64_t begin, end;
};

/// One axis of a sliding window: output p sees the inputs p * stride - padding + (0 .. kernel - 1).
struct WindowAxis {
  std::int64_t size, outputs, kernel, stride, padding;

  /// Taps of output p that lie inside the input.
  Range taps(std::int64_t p) const {
    const std::int64_t first = p * stride - padding;
    return {std::max<std::int64_t>(0, -first), std::min(kernel, size - first)};
  }
  /// Inputs that the windows of the outputs [begin, end) reach into.
  Range inputs_of(std::int64_t begin, std::int64_t end) const {
    return {std::max<std::int64_t>(0, begin * stride - padding), std::min(size, (end - 1) * stride - padding + kernel)};
  }
  /// Outputs whose window covers input i; i is tap i + padding - p * stride of output p.
  Range outputs_over(std::int64_t i) const {
    const std::int64_t reach = i + padding - kernel + stride;
    return {reach > 0 ? reach / stride : 0, std::min(outputs, (i + padding) / stride + 1)};
  }
  /// Outputs all of whose taps lie inside; may be empty (end <= begin).
  Range whole() const {
    const std::int64_t room = size + padding - kernel;
    return {std::min(outputs, (padding + stride - 1) / stride), room < 0 ? 0 : std::min(outputs, room / stride + 1)};
  }
};

}  // namespace sepia::kernels::cpu
