// Stem, ReLU, depthwise and pointwise convolution (kernels/conv2d_separable.h) on the CPU. A thread goes down a strip of a picture: it makes the
// few stem rows that the next depthwise rows need, keeping those that the windows before have in common with them, then the depthwise rows
// in a panel, then their product. All three stay in the second-level cache.
//
// The parts are those of the separate kernels (conv2d_rows.h, depthwise_rows.h, weight_product.h) and give the same bits.
// Cost: reads the pictures and the weights once, writes y once; two strips both make the stem rows at their border.
#include "kernels/conv2d_separable.h"

#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/conv2d_rows.h"
#include "kernels/cpu/depthwise_rows.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_product.h"
#include "kernels/cpu/windows.h"

namespace sepia::kernels::cpu {
namespace {

/// Rows of the stem's output, as far as the windows of the depthwise rows in hand reach.
template <class T>
class StemRows {
 public:
  /// `most`: rows that are asked for at once. To be asked downwards, on one thread.
  StemRows(const Conv2dRows<T>& stem, const DepthwiseConvShape& s, std::int64_t n, std::int64_t most)
      : stem_(stem), n_(n), row_(s.width * s.channels), rows_(scratch_of<T>(Scratch::kInput, most * row_)) {}

  /// Where row 0 of the picture would lie, of which the rows wanted are there: none where windows lie in the padding.
  const T* rows(const Range& wanted) {
    const auto [begin, end] = wanted;
    const std::int64_t kept = std::max<std::int64_t>(std::min(made_, end) - begin, 0);
    if (kept > 0) std::copy_n(rows_ + (begin - first_) * row_, kept * row_, rows_);
    if (begin + kept < end) stem_.run(n_, begin + kept, end, rows_ + kept * row_, Scratch::kRow);
    first_ = begin;
    made_ = end;
    return rows_ - begin * row_;
  }

 private:
  const Conv2dRows<T>& stem_;
  std::int64_t n_, row_;
  T* rows_;
  std::int64_t first_ = 0, made_ = 0;  // the rows [first_, made_) are there
};

// One kernel after the other: where rows are too few for linear_forward to pack weights, it sums in another order.
template <class T>
void forward_of_few_rows(const LaunchContext& context, const Conv2dSeparableForward<T>& args) {
  const DepthwiseConvShape& s = args.separable.shape;
  Conv2dForward<T> stem = args.stem;
  SeparableConvForward<T> separable = args.separable;
  stem.y = scratch_of<T>(Scratch::kInput, s.batch * s.height * s.width * s.channels);
  separable.x = stem.y;
  conv2d_forward(context, stem);
  separable_conv_forward(context, separable);
}

template <class T>
void forward(const LaunchContext& context, const Conv2dSeparableForward<T>& args) {
  // Strips of a picture, so that threads can share one; depthwise rows at once, so that what they need stays in the cache.
  constexpr std::int64_t kStrips = 4, kLeastRows = 8, kBytesAtOnce = 1 << 18;
  const SeparableConvForward<T>& separable = args.separable;
  const DepthwiseConvShape& s = separable.shape;
  const std::int64_t height = s.out_height(), width = s.out_width(), out = separable.out_features, row = s.width * s.channels;
  if (s.batch * height * width < kFewestPackedRows) return forward_of_few_rows(context, args);
  const std::int64_t strip = std::max(kLeastRows, pieces_of(height, kStrips)), strips = pieces_of(height, strip);
  const std::int64_t at_once = std::clamp<std::int64_t>(kBytesAtOnce / static_cast<std::int64_t>(sizeof(T)) / (row * s.stride), 1, strip);
  const WindowAxis vertical{s.height, height, s.kernel_h, s.stride, s.padding};
  const Conv2dRows<T> stem(args.stem, Scratch::kShared);
  const WeightProduct<T> product({separable.pointwise_weight, s.channels, out, true});
  parallel_for(s.batch * strips, [&](std::int64_t piece) {
    const std::int64_t n = piece / strips, first = piece % strips * strip, last = std::min(height, first + strip);
    StemRows<T> stem_rows(stem, s, n, (at_once - 1) * s.stride + s.kernel_h);
    DepthwiseConvForward<T> depthwise{s, nullptr, separable.prologue, separable.depthwise_weight, separable.depthwise_bias, nullptr};
    T* panel = scratch_of<T>(Scratch::kPanel, at_once * width * s.channels);
    for (std::int64_t begin = first; begin < last; begin += at_once) {
      const std::int64_t end = std::min(last, begin + at_once);
      depthwise.x = stem_rows.rows(vertical.inputs_of(begin, end));
      depthwise_conv_rows(depthwise, 0, begin, end, panel);
      product.run((end - begin) * width, panel, 0, out, separable.pointwise_bias, separable.y + (n * height + begin) * width * out, out);
    }
  });
}

}  // namespace

void conv2d_separable_forward(const LaunchContext& context, const Conv2dSeparableForward<float>& args) { forward(context, args); }
void conv2d_separable_forward(const LaunchContext& context, const Conv2dSeparableForward<bf16>& args) { forward(context, args); }

}  // namespace sepia::kernels::cpu
