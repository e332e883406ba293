// Dense convolution (kernels/conv2d.h) on the CPU: the choice of path. It looks at the shape only.
#include <algorithm>

#include "kernels/conv2d_separable.h"
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/kernels.h"

namespace sepia::kernels::cpu {
namespace {

// A 1x1 filter without stride and padding is a linear map of rows.
bool pointwise(const Conv2dShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride == 1 && s.padding == 0;
}

LinearShape as_rows(const Conv2dShape& s) {
  return {s.batch * s.height * s.width, s.in_channels, s.out_channels};
}

// Few channels leave vectors of channels empty and matrix products thin; then vectors run along the width.
bool few_channels(const Conv2dShape& s) {
  return s.in_channels <= 24 && s.out_channels <= 32;
}

template <class T>
LinearForward<T> as_linear(const Conv2dForward<T>& args) {
  return {as_rows(args.shape), args.x, args.prologue, args.weight, args.bias, args.y};
}

// Not of a pointwise one. statistics may be null.
template <class T>
void forward_by_windows(const Conv2dForward<T>& args, PieceStatistics* statistics) {
  if (conv2d_has_few_inputs(args.shape)) return conv2d_forward_direct(args, statistics);
  if (few_channels(args.shape)) return conv2d_forward_planar(args);
  conv2d_forward_im2col(args, statistics);
}

template <class T>
void forward(const LaunchContext& context, const Conv2dForward<T>& args) {
  if (pointwise(args.shape)) return linear_forward(context, as_linear(args));
  forward_by_windows(args, nullptr);
}

template <class T>
void forward_statistics(const LaunchContext& context, const Conv2dForwardStatistics<T>& args) {
  const Conv2dShape& s = args.forward.shape;
  if (pointwise(s)) return linear_forward_statistics(context, LinearForwardStatistics<T>{as_linear(args.forward), args.statistics});
  forward_with_statistics(context, {s.batch * s.out_height() * s.out_width(), s.out_channels}, args.forward.y, args.statistics,
                          [&](PieceStatistics* statistics) { forward_by_windows(args.forward, statistics); });
}

template <class T>
void backward_input(const LaunchContext& context, const Conv2dBackwardInput<T>& args) {
  if (pointwise(args.shape)) {
    return linear_backward_input(context,
                                 LinearBackwardInput<T>{as_rows(args.shape), args.grad_y, args.weight, args.x, args.prologue, args.grad_x, args.accumulate});
  }
  const Conv2dShape& s = args.shape;
  if (few_channels(s) && s.stride == 1 && s.padding < std::min(s.kernel_h, s.kernel_w)) return conv2d_backward_input_planar(args);
  conv2d_backward_input_im2col(args);
}

template <class T>
void backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<T>& args) {
  if (pointwise(args.shape)) {
    return linear_backward_weight(
        context, LinearBackwardWeight<T>{as_rows(args.shape), args.x, args.prologue, args.grad_y, args.grad_weight, args.grad_bias, args.accumulate});
  }
  if (conv2d_has_few_inputs(args.shape)) return conv2d_backward_weight_direct(args);
  if (few_channels(args.shape)) return conv2d_backward_weight_planar(args);
  conv2d_backward_weight_im2col(args);
}

}  // namespace

void conv2d_forward(const LaunchContext& context, const Conv2dForward<float>& args) { forward(context, args); }
void conv2d_forward(const LaunchContext& context, const Conv2dForward<bf16>& args) { forward(context, args); }
void conv2d_forward_statistics(const LaunchContext& context, const Conv2dForwardStatistics<float>& args) {
  forward_statistics(context, args);
}
void conv2d_forward_statistics(const LaunchContext& context, const Conv2dForwardStatistics<bf16>& args) {
  forward_statistics(context, args);
}
void conv2d_backward_input(const LaunchContext& context, const Conv2dBackwardInput<float>& args) { backward_input(context, args); }
void conv2d_backward_input(const LaunchContext& context, const Conv2dBackwardInput<bf16>& args) { backward_input(context, args); }
void conv2d_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<float>& args) { backward_weight(context, args); }
void conv2d_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<bf16>& args) { backward_weight(context, args); }

}  // namespace sepia::kernels::cpu
