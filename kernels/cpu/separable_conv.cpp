// Depthwise convolution and the pointwise product behind it (kernels/separable_conv.h) on the CPU: a band of depthwise output rows is
// made in a panel that stays in the second-level cache, and is multiplied at once. The depthwise output never reaches memory, neither on
// the way there nor for the gradient of the pointwise weights; its own gradient does not either: a thread goes down a picture, makes a band of
// gradient rows by the product and takes the depthwise convolution back over the input rows that these complete.
//
// Both halves are those of the separate kernels (depthwise_rows.h, weight_product.h) and give the same bits.
// Cost: reads x and the weights once, writes y once; 2 R S C + 2 C O FLOP an output position, bound by the product from 64 channels on.
#include "kernels/separable_conv.h"

#include <algorithm>

#include "engine/base/parallel_for.h"
#include "kernels/cpu/depthwise_rows.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/row_statistics.h"
#include "kernels/cpu/scratch.h"
#include "kernels/cpu/weight_gradient.h"
#include "kernels/cpu/weight_product.h"
#include "kernels/cpu/windows.h"

namespace sepia::kernels::cpu {
namespace {

// The pointwise convolution as a linear map of rows.
template <class T>
LinearShape as_rows(const T& args) {
  const DepthwiseConvShape& s = args.shape;
  return {s.batch * s.out_height() * s.out_width(), s.channels, args.out_features};
}

template <class T, class Args>
DepthwiseConvForward<T> depthwise_of(const Args& args) {
  return {args.shape, args.x, args.prologue, args.depthwise_weight, args.depthwise_bias, nullptr};
}

// Output rows [first, first + count) of the depthwise convolution, counted through all pictures, to `out`. On the calling thread.
template <class T>
void depthwise_rows(const DepthwiseConvForward<T>& depthwise, std::int64_t first, std::int64_t count, T* out) {
  const std::int64_t height = depthwise.shape.out_height(), row = depthwise.shape.out_width() * depthwise.shape.channels;
  for (std::int64_t end = first + count; first < end;) {
    const std::int64_t n = first / height, begin = first % height, rows = std::min(height - begin, end - first);
    depthwise_conv_rows(depthwise, n, begin, begin + rows, out);
    out += rows * row;
    first += rows;
  }
}

// All of the depthwise output, by all threads.
template <class T>
const T* depthwise_output(const DepthwiseConvForward<T>& depthwise) {
  const DepthwiseConvShape& s = depthwise.shape;
  const std::int64_t rows = s.batch * s.out_height(), row = s.out_width() * s.channels;
  T* output = scratch_of<T>(Scratch::kBetween, rows * row);
  parallel_for(rows, [&](std::int64_t p) { depthwise_rows(depthwise, p, 1, output + p * row); });
  return output;
}

// One kernel after the other, as the separate ones would: where rows are too few to pack weights for, or so few that threads share them by
// columns of the product and each would have to make all of the depthwise output.
template <class T>
void forward_of_few_rows(const LaunchContext& context, const SeparableConvForward<T>& args) {
  const T* between = depthwise_output(depthwise_of<T>(args));
  linear_forward(context, LinearForward<T>{as_rows(args), between, {}, args.pointwise_weight, args.pointwise_bias, args.y});
}

// statistics may be null.
template <class T>
void forward(const LaunchContext& context, const SeparableConvForward<T>& args, PieceStatistics* statistics) {
  const DepthwiseConvShape& s = args.shape;
  const std::int64_t channels = s.channels, out = args.out_features, height = s.out_height(), width = s.out_width();
  const DepthwiseConvForward<T> depthwise = depthwise_of<T>(args);
  // Panels are whole output rows of one picture.
  const ProductCut cut(s.batch * height * width, channels, out, width);
  if (s.batch * height * width < kFewestPackedRows || cut.groups > 1) return forward_of_few_rows(context, args);
  const WeightProduct<T> product({args.pointwise_weight, channels, out, true});
  const std::int64_t band = std::min(height, cut.panel / std::max<std::int64_t>(width, 1)), bands = pieces_of(height, std::max<std::int64_t>(band, 1));
  if (statistics) statistics->start(s.batch * bands);
  parallel_for(s.batch * bands, [&](std::int64_t piece) {
    const std::int64_t n = piece / bands, begin = piece % bands * band, end = std::min(height, begin + band), rows = (end - begin) * width;
    T* panel = scratch_of<T>(Scratch::kPanel, rows * channels);
    depthwise_conv_rows(depthwise, n, begin, end, panel);
    T* const y = args.y + (n * height + begin) * width * out;
    product.run(rows, panel, 0, out, args.pointwise_bias, y, out);
    if (statistics) statistics->add(piece, rows, y);
  });
}

template <class T>
void forward_statistics(const LaunchContext& context, const SeparableConvForwardStatistics<T>& args) {
  const LinearShape s = as_rows(args.forward);
  forward_with_statistics(context, {s.rows, s.out_features}, args.forward.y, args.statistics,
                          [&](PieceStatistics* statistics) { forward(context, args.forward, statistics); });
}

// The gradient at the depthwise output of a picture, a few rows at a time: those that the next input rows need.
template <class T>
class GradientBand {
 public:
  GradientBand(const SeparableConvBackwardInput<T>& args, const WeightProduct<T>& product) : args_(args), product_(product), s_(args.depthwise.convolution.shape) {
    band_ = std::clamp<std::int64_t>(rows_of_panel(std::max(s_.channels, args.out_features)) / s_.out_width(), 1, s_.out_height());
  }

  /// The way back of input rows [begin, end) of picture n, its sums added to `sums`.
  void take_back(std::int64_t n, std::int64_t begin, std::int64_t end, float* sums) {
    const WindowAxis vertical{s_.height, s_.out_height(), s_.kernel_h, s_.stride, s_.padding};
    const std::int64_t width = s_.out_width(), row = width * s_.channels, last = vertical.outputs_over(end - 1).end;
    T* rows = scratch_of<T>(Scratch::kPanel, (band_ + s_.kernel_h) * row);
    std::int64_t first = vertical.outputs_over(begin).begin, made = first;  // the band holds output rows [first, made)
    while (begin < end) {
      if (made < last) {
        const std::int64_t needed = std::min(vertical.outputs_over(begin).begin, made), next = std::min(last, made + band_);
        std::copy(rows + (needed - first) * row, rows + (made - first) * row, rows);
        first = needed;
        product_.run((next - made) * width, args_.grad_y + (n * s_.out_height() + made) * width * args_.out_features, 0, s_.channels, nullptr,
                     rows + (made - first) * row, s_.channels);
        made = next;
      }
      std::int64_t done = begin;
      while (done < end && vertical.outputs_over(done).end <= made) ++done;
      depthwise_conv_backward_rows(args_.depthwise, n, begin, done, {rows, first}, sums);
      begin = done;
    }
  }

 private:
  const SeparableConvBackwardInput<T>& args_;
  const WeightProduct<T>& product_;
  const DepthwiseConvShape& s_;
  std::int64_t band_;  // output rows of a product
};

// Pieces of work are pictures, or strips of input rows where there are few and they are high: two strips both make the output rows at their
// border.
template <class T>
void backward_input(const LaunchContext& context, const SeparableConvBackwardInput<T>& args) {
  constexpr std::int64_t kPieces = 8, kFewestPieces = 4, kLeastRows = 16;
  const DepthwiseConvShape& s = args.depthwise.convolution.shape;
  const LinearShape linear{s.batch * s.out_height() * s.out_width(), s.channels, args.out_features};
  const std::int64_t wanted = pieces_of(kPieces, std::max<std::int64_t>(s.batch, 1)), strip = std::max(kLeastRows, pieces_of(s.height, wanted));
  const std::int64_t strips = pieces_of(s.height, strip), pieces = s.batch * strips;
  if (pieces < kFewestPieces || linear.rows < kFewestPackedRows || !depthwise_backward_in_rows(s)) {
    DepthwiseConvBackwardSums<T> depthwise = args.depthwise;
    T* grad_u = scratch_of<T>(Scratch::kBetween, linear.rows * s.channels);
    linear_backward_input(context, LinearBackwardInput<T>{linear, args.grad_y, args.pointwise_weight, nullptr, {}, grad_u, Accumulate::kWrite});
    depthwise.convolution.grad_y = grad_u;
    return depthwise_conv_backward_sums(context, depthwise);
  }
  const WeightProduct<T> product({args.pointwise_weight, args.out_features, s.channels, false});
  const std::int64_t floats = depthwise_backward_floats(args.depthwise);
  float* sums = scratch(Scratch::kPartials, pieces * floats);
  parallel_for(pieces, [&](std::int64_t piece) {
    const std::int64_t begin = piece % strips * strip;
    float* const own = sums + piece * floats;
    std::fill_n(own, floats, 0.0F);
    GradientBand<T>(args, product).take_back(piece / strips, begin, std::min(s.height, begin + strip), own);
  });
  depthwise_backward_combine(args.depthwise, sums, pieces);
}

template <class T>
void backward_weight(const LaunchContext& context, const SeparableConvBackwardWeight<T>& args) {
  const LinearShape s = as_rows(args);
  const DepthwiseConvForward<T> depthwise = depthwise_of<T>(args);
  // Panels are whole output rows, of all outputs: groups would each have to make them.
  constexpr std::int64_t kFewestChunks = 4;
  const std::int64_t width = args.shape.out_width();
  const WeightCut cut(s, args.grad_pointwise_bias != nullptr, width, 1);
  if (s.rows < kFewestPackedRows || cut.chunks.count < kFewestChunks) {
    return linear_backward_weight(context, LinearBackwardWeight<T>{s, depthwise_output(depthwise), {}, args.grad_y, args.grad_pointwise_weight,
                                                                   args.grad_pointwise_bias, args.accumulate});
  }
  weight_gradient(WeightGradient<T>{s, args.grad_y, args.grad_pointwise_weight, args.grad_pointwise_bias, args.accumulate}, cut,
                  [&](std::int64_t first, std::int64_t rows) {
                    T* panel = scratch_of<T>(Scratch::kPanel, rows * s.in_features);
                    depthwise_rows(depthwise, first / width, rows / width, panel);
                    return panel;
                  });
}

}  // namespace

void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<float>& args) {
  forward(context, args, nullptr);
}
void separable_conv_forward(const LaunchContext& context, const SeparableConvForward<bf16>& args) {
  forward(context, args, nullptr);
}
void separable_conv_forward_statistics(const LaunchContext& context, const SeparableConvForwardStatistics<float>& args) {
  forward_statistics(context, args);
}
void separable_conv_forward_statistics(const LaunchContext& context, const SeparableConvForwardStatistics<bf16>& args) {
  forward_statistics(context, args);
}
void separable_conv_backward_input(const LaunchContext& context, const SeparableConvBackwardInput<float>& args) { backward_input(context, args); }
void separable_conv_backward_input(const LaunchContext& context, const SeparableConvBackwardInput<bf16>& args) { backward_input(context, args); }
void separable_conv_backward_weight(const LaunchContext& context, const SeparableConvBackwardWeight<float>& args) { backward_weight(context, args); }
void separable_conv_backward_weight(const LaunchContext& context, const SeparableConvBackwardWeight<bf16>& args) { backward_weight(context, args); }

}  // namespace sepia::kernels::cpu
