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

// Too few rows to pack weights for: one kernel after the other, as the separate ones would.
template <class T>
void forward_of_few_rows(const LaunchContext& context, const DepthwiseConvForward<T>& depthwise, const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  const std::int64_t positions = s.out_height() * s.out_width();
  T* panel = scratch_of<T>(Scratch::kShared, s.batch * positions * s.channels);
  for (std::int64_t n = 0; n < s.batch; ++n) depthwise_conv_rows(depthwise, n, 0, s.out_height(), panel + n * positions * s.channels);
  linear_forward(context, LinearForward<T>{{s.batch * positions, s.channels, args.out_features}, panel, {}, args.pointwise_weight, args.pointwise_bias, args.y});
}

template <class T>
void forward(const LaunchContext& context, const SeparableConvForward<T>& args) {
  const DepthwiseConvShape& s = args.shape;
  const std::int64_t channels = s.channels, out = args.out_features, height = s.out_height(), width = s.out_width();
  const DepthwiseConvForward<T> depthwise{s, args.x, args.prologue, args.depthwise_weight, args.depthwise_bias, nullptr};
  if (s.batch * height * width < kFewestPackedRows) return forward_of_few_rows(context, depthwise, args);
  const WeightProduct<T> product({args.pointwise_weight, channels, out, true});
  // Panels are whole output rows of one picture.
  const ProductCut cut(s.batch * height * width, channels, out, width);
  const std::int64_t band = std::min(height, cut.panel / std::max<std::int64_t>(width, 1)), bands = pieces_of(height, std::max<std::int64_t>(band, 1));
  parallel_for(s.batch * bands * cut.groups, [&](std::int64_t piece) {
    const std::int64_t n = piece / cut.groups / bands, begin = piece / cut.groups % bands * band, end = std::min(height, begin + band);
    const std::int64_t column = piece % cut.groups * cut.columns, columns = std::min(cut.columns, out - column);
    const std::int64_t rows = (end - begin) * width;
    T* panel = scratch_of<T>(Scratch::kPanel, rows * channels);
    depthwise_conv_rows(depthwise, n, begin, end, panel);
    product.run(rows, panel, column, columns, args.pointwise_bias ? args.pointwise_bias + column : nullptr,
                args.y + ((n * height + begin) * width) * out + column, out);
  });
}

}  // namespace

void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<float>& args) { forward(context, args); }
void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<bf16>& args) { forward(context, args); }

}  // namespace sepia::kernels::cpu
