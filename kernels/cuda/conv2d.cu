// Dense 2-D convolution (formulas: kernels/conv2d.h) as implicit matrix products: the shared kernel in detail/gemm.cuh, whose operands are
// gathered from the pictures on the way to shared memory (WindowSource), so that no im2col matrix is ever written. detail/gemm.cuh has the
// mapping, the tiles and why it is deterministic:
//
//                          result (M, N)             A (M, k)                              B (N, k)
//   conv2d_forward         y ((n, p, q), K)          act(x) at (n, p, q) and tap (r, s, c) weight (K, (r, s, c))
//   conv2d_backward_input  grad_x ((n, h, w), C)     grad_y where tap (r, s) met (h, w)    weight ((r, s, k), C)
//   conv2d_backward_weight grad_weight (K, (r,s,c))  grad_y ((n, p, q), K)                 act(x) at (n, p, q) and tap (r, s, c)
// (grad_bias: the sums of grad_y over its positions.)
//
// With a stride, (h, w) is met by those taps only whose r and s leave the same remainder as h + padding and w + padding. So backward
// input is one product per pair of remainders, each a convolution of stride 1 with its share of the taps: no product with zero.
// Cost: 2 N P Q K R S C FLOP each; the R S reads of a pixel come from L1 and L2, memory sees x, y and weight about once.
// A convolution of 1 x 1, stride 1, without padding is the linear map of all pixels and is handed to it; few channels in bf16 have kernels
// of their own (conv2d_narrow.cu). Without bias, prologue and mask a convolution goes to cuDNN where it agrees with ours: library.h.
#include "kernels/cuda/conv2d_paths.h"
#include "kernels/cuda/detail/gemm_launch.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/library.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

void check_shape(const Conv2dShape& s) {
  check_size(s.batch * s.height * s.width * s.in_channels);
  check_size(s.batch * s.out_height() * s.out_width() * s.out_channels);
  check_size(s.out_channels * s.kernel_h * s.kernel_w * s.in_channels);
}

bool pointwise(const Conv2dShape& s) {
  return s.kernel_h == 1 && s.kernel_w == 1 && s.stride == 1 && s.padding == 0;
}
LinearShape as_linear(const Conv2dShape& s) {
  return {s.batch * s.height * s.width, s.in_channels, s.out_channels};
}
std::int64_t positions(const Conv2dShape& s) {
  return s.batch * s.out_height() * s.out_width();
}
std::int64_t filter_size(const Conv2dShape& s) {
  return s.kernel_h * s.kernel_w * s.in_channels;
}

/// x as the matrix (output position, tap).
template <class T>
WindowSource<T, 1> windows_of(const Conv2dShape& s, const T* x) {
  WindowSource<T, 1> windows{};
  windows.base = x;
  windows.batch = static_cast<int>(s.batch);
  windows.height = static_cast<int>(s.height), windows.width = static_cast<int>(s.width),
  windows.channels = static_cast<int>(s.in_channels);
  windows.positions_h = static_cast<int>(s.out_height()), windows.positions_w = static_cast<int>(s.out_width());
  windows.taps_h = static_cast<int>(s.kernel_h), windows.taps_w = static_cast<int>(s.kernel_w);
  windows.stride = static_cast<int>(s.stride);
  windows.padding_h = windows.padding_w = static_cast<int>(s.padding);
  return windows;
}

/// One direction (rows or columns) of the pixels whose index + padding leaves `remainder` when divided by the stride, and of their taps:
/// pixel first + stride i is met by tap remainder + stride j of output position i + shift - j.
struct Remainder {
  int first, count, shift;
  int tap, taps;

  Remainder(std::int64_t extent, std::int64_t kernel, std::int64_t stride, std::int64_t padding, std::int64_t remainder)
      : first(static_cast<int>(((remainder - padding) % stride + stride) % stride)),
        count(static_cast<int>(std::max<std::int64_t>(0, ceil_div(extent - first, stride)))),
        shift(static_cast<int>((first + padding) / stride)),
        tap(static_cast<int>(remainder)),
        taps(static_cast<int>(std::max<std::int64_t>(0, ceil_div(kernel - remainder, stride)))) {}
};

/// grad_x at the pixels of one pair of remainders.
template <class T>
void backward_input_part(const LaunchContext& context, const Conv2dBackwardInput<T>& a, const Remainder& h, const Remainder& w) {
  const auto& s = a.shape;
  WindowSource<T, -1> outputs{};
  outputs.base = a.grad_y;
  outputs.batch = static_cast<int>(s.batch);
  outputs.height = static_cast<int>(s.out_height()), outputs.width = static_cast<int>(s.out_width()),
  outputs.channels = static_cast<int>(s.out_channels);
  outputs.positions_h = h.count, outputs.positions_w = w.count;
  outputs.taps_h = h.taps, outputs.taps_w = std::max(1, w.taps);
  outputs.stride = 1;
  outputs.padding_h = -h.shift, outputs.padding_w = -w.shift;

  FilterSource<T> filters{};
  filters.base = a.weight + (h.tap * s.kernel_w + w.tap) * s.in_channels;
  filters.out_channels = static_cast<int>(s.out_channels), filters.in_channels = static_cast<int>(s.in_channels);
  filters.taps_h = h.taps, filters.taps_w = std::max(1, w.taps);
  filters.filter_pitch = static_cast<int>(filter_size(s));
  filters.tap_pitch_h = static_cast<int>(s.stride * s.kernel_w * s.in_channels);
  filters.tap_pitch_w = static_cast<int>(s.stride * s.in_channels);

  auto out = gemm_output<T>(a.grad_x, s.batch * h.count * w.count, s.in_channels, nullptr, a.accumulate, a.prologue.relu ? a.x : nullptr,
                            a.prologue);
  out.place = {static_cast<int>(s.stride), h.first, w.first, h.count, w.count, static_cast<int>(s.height), static_cast<int>(s.width)};
  const auto problem = gemm_problem<T>(outputs, filters, static_cast<std::int64_t>(h.taps) * w.taps * s.out_channels, out);
  gemm_backward_input(context, problem, fits_vectors<T>(s.out_channels, a.grad_y), fits_vectors<T>(s.in_channels, a.weight));
}

template <class T>
void forward(const LaunchContext& context, const Conv2dForward<T>& a) {
  if (conv2d_narrow_forward(context, a)) return;
  const auto& s = a.shape;
  const int taps = static_cast<int>(filter_size(s));
  auto problem = gemm_problem<T>(windows_of(s, a.x), MatrixSource<T>{a.weight, static_cast<int>(s.out_channels), taps, taps}, taps,
                                 gemm_output<T>(a.y, positions(s), s.out_channels, a.bias, Accumulate::kWrite));
  problem.prologue_a = a.prologue;
  gemm_forward(context, problem, fits_vectors<T>(s.in_channels, a.x, a.weight, a.prologue.scale, a.prologue.shift));
}

template <class T>
void backward_input(const LaunchContext& context, const Conv2dBackwardInput<T>& a) {
  const auto& s = a.shape;
  for (std::int64_t u = 0; u < s.stride; ++u) {
    for (std::int64_t v = 0; v < s.stride; ++v) {
      backward_input_part(context, a, Remainder(s.height, s.kernel_h, s.stride, s.padding, u),
                          Remainder(s.width, s.kernel_w, s.stride, s.padding, v));
    }
  }
}

template <class T>
void backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<T>& a) {
  if (conv2d_narrow_backward_weight(context, a)) return;
  const auto& s = a.shape;
  const MatrixSource<T> gradient{a.grad_y, static_cast<int>(positions(s)), static_cast<int>(s.out_channels),
                                 static_cast<int>(s.out_channels)};
  auto problem = gemm_problem<T>(gradient, windows_of(s, a.x), positions(s),
                                 gemm_output<T>(a.grad_weight, s.out_channels, filter_size(s), nullptr, a.accumulate));
  problem.prologue_b = a.prologue;
  gemm_backward_weight(context, problem, a.grad_bias, fits_vectors<T>(s.out_channels, a.grad_y),
                       fits_vectors<T>(s.in_channels, a.x, a.prologue.scale, a.prologue.shift));
}

}  // namespace

template <class T>
void conv2d_forward(const LaunchContext& context, const Conv2dForward<T>& a) {
  if (pointwise(a.shape)) return linear_forward<T>(context, {as_linear(a.shape), a.x, a.prologue, a.weight, a.bias, a.y});
  check_shape(a.shape);
  if (a.bias || !a.prologue.identity()) return forward(context, a);
  compute_convolution(context, Convolution<T, T>{ConvolutionPart::kForward, a.shape, a.x, a.weight, nullptr, a.y, Accumulate::kWrite},
                      [&] { forward(context, a); });
}

template <class T>
void conv2d_backward_input(const LaunchContext& context, const Conv2dBackwardInput<T>& a) {
  if (pointwise(a.shape)) {
    return linear_backward_input<T>(context, {as_linear(a.shape), a.grad_y, a.weight, a.x, a.prologue, a.grad_x, a.accumulate});
  }
  check_shape(a.shape);
  if (a.prologue.relu) return backward_input(context, a);
  compute_convolution(context, Convolution<T, T>{ConvolutionPart::kBackwardInput, a.shape, nullptr, a.weight, a.grad_y, a.grad_x, a.accumulate},
                      [&] { backward_input(context, a); });
}

template <class T>
void conv2d_backward_weight(const LaunchContext& context, const Conv2dBackwardWeight<T>& a) {
  if (pointwise(a.shape)) {
    return linear_backward_weight<T>(context, {as_linear(a.shape), a.x, a.prologue, a.grad_y, a.grad_weight, a.grad_bias, a.accumulate});
  }
  check_shape(a.shape);
  if (a.grad_bias || !a.prologue.identity()) return backward_weight(context, a);
  compute_convolution(context,
                      Convolution<T, float>{ConvolutionPart::kBackwardWeight, a.shape, a.x, nullptr, a.grad_y, a.grad_weight, a.accumulate},
                      [&] { backward_weight(context, a); });
}

SEPIA_INSTANTIATE(conv2d_forward, Conv2dForward)
SEPIA_INSTANTIATE(conv2d_backward_input, Conv2dBackwardInput)
SEPIA_INSTANTIATE(conv2d_backward_weight, Conv2dBackwardWeight)

}  // namespace sepia::kernels::cuda
