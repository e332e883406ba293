// Convolution with few channels, ReLU and 2x2 max pooling (kernels/conv2d_pool.h) on the CPU: the planar convolution (correlate.h), whose
// planes are pooled while they are in cache, so that a quarter of the numbers is rounded, put in NHWC order and written. Backward spreads the
// pooled gradient over the planes that the planar kernels read.
//
// Both ways the arithmetic is that of the separate kernels, in the same order: the same bits.
// Cost: the FLOP of the convolution; bound by arithmetic.
#include "kernels/conv2d_pool.h"

#include <algorithm>
#include <type_traits>

#include "kernels/cpu/conv2d_planar.h"
#include "kernels/cpu/kernels.h"
#include "kernels/cpu/pooled_planes.h"

namespace sepia::kernels::cpu {
namespace {

template <class T>
void forward(const Conv2dPoolForward<T>& args) {
  PlanarConv conv = forward_correlation(args.shape);
  const std::int64_t height = conv.out_height / 2, row = conv.out_width / 2 * conv.out_channels;
  conv.out_height = 2 * height;  // an odd last row belongs to no window
  const InputRows<T> input(args);
  correlate(Correlation<T>{
      .conv = conv,
      .filters = forward_filters(args.shape, args.weight),
      .bias = args.bias,
      .rows_at_once = 2,
      .load = [&](const Band& band, const PlaneLayout& layout, float* planes) { load_pictures(conv, input, band, layout, planes); },
      .finish =
          [&](const Band& band, const PlaneLayout& layout, const float* planes) {
            const std::int64_t at = (band.picture * height + band.first / 2) * row;
            store_pooled_planes(conv, layout, planes, band.rows, args.relu, args.y + at, args.index ? args.index + at : nullptr);
          }});
}

template <class T>
PooledGradient<T> gradient_of(const Conv2dPoolBackward<T>& args, std::int64_t picture) {
  const std::int64_t height = args.shape.out_height() / 2, width = args.shape.out_width() / 2, channels = args.shape.out_channels;
  const std::int64_t at = picture * height * width * channels;
  return {args.grad_y + at, args.index + at, args.relu ? args.y + at : nullptr, height, width, channels};
}

template <class T>
void backward_weight(const Conv2dPoolBackward<T>& args) {
  const Conv2dBackwardWeight<T> weight{args.shape, args.x, args.prologue, nullptr, args.grad_weight, args.grad_bias, args.accumulate_weight, args.pixels};
  planar_backward_weight<T>(weight, [&](const Band& band, const PlaneLayout& layout, T* planes) {
    std::fill_n(planes, args.shape.out_channels * layout.out_plane, T{});
    load_unpooled<T>(gradient_of(args, band.picture), band.first, band.rows, {planes, layout.pitch, layout.out_plane});
  });
}

template <class T>
void backward_input(const Conv2dPoolBackward<T>& args) {
  const PlanarConv conv = backward_correlation(args.shape);
  const Conv2dBackwardInput<T> input{args.shape, nullptr, args.weight, args.x, args.prologue, args.grad_x, args.accumulate_x};
  planar_backward_input<T>(input, [&](const Band& band, const PlaneLayout& layout, float* planes) {
    const std::int64_t first = band.first - conv.pad_h, count = band.rows - 1 + conv.kernel_h;
    const PlaneRows<float> rows{planes + conv.pad_w, layout.pitch, layout.plane};
    std::fill_n(planes, layout.input_floats(planes_of_pairs<T>(conv) ? conv.in_channels / 2 : conv.in_channels), 0.0F);
    if constexpr (std::is_same_v<T, float>) load_unpooled<T>(gradient_of(args, band.picture), first, count, rows);
    else load_unpooled_pairs(gradient_of(args, band.picture), first, count, rows);
  });
}

template <class T>
void backward(const Conv2dPoolBackward<T>& args) {
  if (args.grad_weight) backward_weight(args);
  if (args.grad_x) backward_input(args);
}

}  // namespace

void conv2d_pool_forward(const LaunchContext&, const Conv2dPoolForward<float>& args) { forward(args); }
void conv2d_pool_forward(const LaunchContext&, const Conv2dPoolForward<bf16>& args) { forward(args); }
void conv2d_pool_backward(const LaunchContext&, const Conv2dPoolBackward<float>& args) { backward(args); }
void conv2d_pool_backward(const LaunchContext&, const Conv2dPoolBackward<bf16>& args) { backward(args); }

}  // namespace sepia::kernels::cpu
