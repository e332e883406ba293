// Depthwise convolution and the pointwise product behind it (kernels/separable_conv.h) on the CPU: a band of depthwise output rows is
// made in a panel that stays in the second-level cache, and is multiplied at once. The depthwise output never reaches memory.
//
// Both halves are those of the separate kernels (depthwise_rows.h, weight_product.h) and give the same bits.
// Cost: reads x and the weights once, writes y once; 2 R S C + 2 C O FLOP an output position, bound by the product from 64 channels on.
#include "kernels/separable_conv.h"

#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/depthwise_rows.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_product.h"

namespace sepia::kernels::cpu {
namespace {

// One kernel after the other, as the separate ones would: where rows are too few to pack weights for, or so few that threads share them by
// columns of the product and each would have to make all of the depthwise output.
template <class T>
void forward_of_few_rows(const LaunchContext& context, const DepthwiseConvForward<T>& depthwise, const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  const std::int64_t height = s.out_height(), row = s.out_width() * s.channels;
  T* panel = scratch_of<T>(Scratch::kBetween, s.batch * height * row);
  parallel_for(s.batch * height, [&](std::int64_t piece) {
    const std::int64_t p = piece % height;
    depthwise_conv_rows(depthwise, piece / height, p, p + 1, panel + piece * row);
  });
  const LinearShape product{s.batch * height * s.out_width(), s.channels, args.out_features};
  linear_forward(context, LinearForward<T>{product, panel, {}, args.pointwise_weight, args.pointwise_bias, args.y});
}

template <class T>
void forward(const LaunchContext& context, const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  const std::int64_t channels = s.channels, out = args.out_features, height = s.out_height(), width = s.out_width();
  const DepthwiseConvForward<T> depthwise{s, args.x, args.prologue, args.depthwise_weight, args.depthwise_bias, nullptr};
  // Panels are whole output rows of one picture.
  const ProductCut cut(s.batch * height * width, channels, out, width);
  if (s.batch * height * width < kFewestPackedRows || cut.groups > 1) return forward_of_few_rows(context, depthwise, args);
  const WeightProduct<T> product({args.pointwise_weight, channels, out, true});
  const std::int64_t band = std::min(height, cut.panel / std::max<std::int64_t>(width, 1)), bands = pieces_of(height, std::max<std::int64_t>(band, 1));
  parallel_for(s.batch * bands, [&](std::int64_t piece) {
    const std::int64_t n = piece / bands, begin = piece % bands * band, end = std::min(height, begin + band), rows = (end - begin) * width;
    T* panel = scratch_of<T>(Scratch::kPanel, rows * channels);
    depthwise_conv_rows(depthwise, n, begin, end, panel);
    product.run(rows, panel, 0, out, args.pointwise_bias, args.y + (n * height + begin) * width * out, out);
  });
}

}  // namespace

void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<float>& args) { forward(context, args); }
void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<bf16>& args) { forward(context, args); }

}  // namespace sepia::kernels::cpu
