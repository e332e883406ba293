// Dense convolution (kernels/conv2d.h) on the CPU: the choice of path. It looks at the shape only.
#include "kernels/cpu/conv2d_paths.h"
#include "kernels/cpu/kernels.h"

namespace sepia::kernels::cpu {
namespace {

// A 1x1 filter without stride and padding is a linear map of rows.
bool pointwise(const Conv2dShape& s) { return s.kernel_h == 1 && s.kernel_w == 1 && s.stride == 1 && s.padding == 0; }

LinearShape as_rows(const Conv2dShape& s) { return {s.batch * s.height * s.width, s.in_channels, s.out_channels}; }

}  // namespace

void conv2d_forward(const LaunchContext& context, const Conv2dForward<float>& args) {
  if (pointwise(args.shape)) return linear_forward(context, {as_rows(args.shape), args.x, args.prologue, args.weight, args.bias, args.y});
  conv2d_forward_im2col(args);
}

void conv2d_backward_input(const LaunchContext& context, const Conv2dBackwardInput<float>& args) {
  if (pointwise(args.shape)) {
    return linear_backward_input(context,
                                 {as_rows(args.shape), args.grad_y, args.weight, args.x, args.prologue, args.grad_x, args.accumulate});
  }
  conv2d_backward_input_im2col(args);
}

void conv2d_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<float>& args) {
  if (pointwise(args.shape)) {
    return linear_backward_weight(context, {as_rows(args.shape), args.x, args.prologue, args.grad_y, args.grad_weight, args.grad_bias,
                                            args.accumulate});
  }
  conv2d_backward_weight_im2col(args);
}

}  // namespace sepia::kernels::cpu
