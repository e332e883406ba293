// Some rows of a depthwise convolution, for kernels that go on with them, or have just made them, while they are in the cache.
#pragma once

#include "kernels/depthwise_conv.h"

namespace sepia::kernels::cpu {

/// Rows [begin, end) of picture n, to `out`: (end - begin, out_width, channels). On the calling thread; args.y is not used.
void depthwise_conv_rows(const DepthwiseConvForward<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end, float* out);
void depthwise_conv_rows(const DepthwiseConvForward<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end, bf16* out);

/// Rows of the gradient at a picture's depthwise output, (.., out_width, channels), from output row `first` on.
template <class T>
struct OutputGradient {
  const T* rows;
  std::int64_t first;
};

/// Whether the backward pass of a filter goes row by row: 3x3 with padding 1. Others sum the bias apart, over a whole picture.
constexpr bool depthwise_backward_in_rows(const DepthwiseConvShape& s) {
  return s.kernel_h == 3 && s.kernel_w == 3 && s.padding == 1 && s.stride <= 2;
}

/// Floats of the sums (of the filter, of the bias, of grad_x where args.mean is set) that a piece of the backward pass adds to.
std::int64_t depthwise_backward_floats(const DepthwiseConvBackwardSums<float>& args);
std::int64_t depthwise_backward_floats(const DepthwiseConvBackwardSums<bf16>& args);

/// The backward pass of input rows [begin, end) of picture n, for filters that go row by row: grad_x there, and their share of the sums. grad_y
/// holds the output rows whose windows cover them. On the calling thread; args.convolution.grad_y is not used.
void depthwise_conv_backward_rows(const DepthwiseConvBackwardSums<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                                  const OutputGradient<float>& grad_y, float* sums);
void depthwise_conv_backward_rows(const DepthwiseConvBackwardSums<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end,
                                  const OutputGradient<bf16>& grad_y, float* sums);

/// Adds the sums of all pieces, in order, and leaves them where args wants them. Uses all threads.
void depthwise_backward_combine(const DepthwiseConvBackwardSums<float>& args, const float* sums, std::int64_t pieces);
void depthwise_backward_combine(const DepthwiseConvBackwardSums<bf16>& args, const float* sums, std::int64_t pieces);

}  // namespace sepia::kernels::cpu
