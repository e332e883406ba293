// Some output rows of a depthwise convolution, for kernels that go on with them while they are in the cache.
#pragma once

#include "kernels/depthwise_conv.h"

namespace sepia::kernels::cpu {

/// Rows [begin, end) of picture n, to `out`: (end - begin, out_width, channels). On the calling thread; args.y is not used.
void depthwise_conv_rows(const DepthwiseConvForward<float>& args, std::int64_t n, std::int64_t begin, std::int64_t end, float* out);
void depthwise_conv_rows(const DepthwiseConvForward<bf16>& args, std::int64_t n, std::int64_t begin, std::int64_t end, bf16* out);

}  // namespace sepia::kernels::cpu
