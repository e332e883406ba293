// Depthwise convolution for any filter, stride, padding and number of channels: a thread for each result, straight from the formulas of
// kernels/depthwise_conv.h. Neighbouring threads have neighbouring channels; elements that several taps read are left to the cache, so
// these kernels ask for far more bytes than the tiled ones. No layer of the networks comes here. Deterministic.
#pragma once

#include <cuda_runtime.h>

#include "kernels/cuda/detail/convert.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/partials.cuh"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/depthwise_conv.h"

namespace sepia::kernels::cuda::detail {

inline constexpr int kAnyThreads = 256;

/// Blocks along a row of columns x channels, rows, images.
inline dim3 any_grid(std::int64_t columns, std::int64_t channels, std::int64_t rows, std::int64_t images) {
  return dim3(grid_extent(ceil_div(columns * channels, kAnyThreads)), grid_extent(rows), grid_extent(images));
}

/// The shape in 32 bits: a division of 64-bit numbers is a function call on a GPU.
struct AnyShape {
  int height, width, channels, kernel_h, kernel_w, stride, padding, out_height, out_width;

  explicit AnyShape(const DepthwiseConvShape& s)
      : height(static_cast<int>(s.height)),
        width(static_cast<int>(s.width)),
        channels(static_cast<int>(s.channels)),
        kernel_h(static_cast<int>(s.kernel_h)),
        kernel_w(static_cast<int>(s.kernel_w)),
        stride(static_cast<int>(s.stride)),
        padding(static_cast<int>(s.padding)),
        out_height(static_cast<int>(s.out_height())),
        out_width(static_cast<int>(s.out_width())) {}

  /// Element (0, c) of row h of image n of x; of row p of y or grad_y.
  __device__ std::int64_t x_row(std::int64_t n, int h) const { return (n * height + h) * width * channels; }
  __device__ std::int64_t y_row(std::int64_t n, int p) const { return (n * out_height + p) * out_width * channels; }
};

/// Element i = column * C + c of a row; c from the only division of a thread.
struct AnyPlace {
  int i, column, channel;

  __device__ explicit AnyPlace(int channels)
      : i(static_cast<int>(blockIdx.x * kAnyThreads + threadIdx.x)), column(i / channels), channel(i - column * channels) {}
};

template <class T>
__global__ void __launch_bounds__(kAnyThreads) depthwise_forward_any_kernel(DepthwiseConvForward<T> a, AnyShape s) {
  const AnyPlace at(s.channels);
  if (at.i >= s.out_width * s.channels) return;
  const int n = static_cast<int>(blockIdx.z), p = static_cast<int>(blockIdx.y);
  const int first_h = p * s.stride - s.padding, first_w = at.column * s.stride - s.padding;
  const ChannelPrologue act = channel_prologue(a.prologue, at.channel);
  float sum = a.bias ? a.bias[at.channel] : 0.0f;
  for (int r = 0; r < s.kernel_h; ++r) {
    if (first_h + r < 0 || first_h + r >= s.height) continue;
    const T* const row = a.x + s.x_row(n, first_h + r) + at.channel;
#pragma unroll 1  // a loop unrolled costs more registers than it gains here
    for (int t = 0; t < s.kernel_w; ++t) {
      if (first_w + t < 0 || first_w + t >= s.width) continue;
      sum = fmaf(act.value(to_float(row[(first_w + t) * s.channels])), to_float(a.weight[(r * s.kernel_w + t) * s.channels + at.channel]),
                 sum);
    }
  }
  a.y[s.y_row(n, p) + at.i] = from_float<T>(sum);
}

/// The outputs whose windows cover input h along one axis: first .. last. Output p covers it with tap h + padding - p * stride.
struct Covering {
  int first, last;

  __device__ Covering(int h, int kernel, int stride, int padding, int outputs) {
    const int ahead = h + padding, before = ahead - kernel + 1;
    first = before > 0 ? (before + stride - 1) / stride : 0;
    last = min(ahead / stride, outputs - 1);
  }
};

template <class T>
__global__ void __launch_bounds__(kAnyThreads) depthwise_backward_input_any_kernel(DepthwiseConvBackward<T> a, AnyShape s) {
  const AnyPlace at(s.channels);
  if (at.i >= s.width * s.channels) return;
  const int n = static_cast<int>(blockIdx.z), h = static_cast<int>(blockIdx.y), w = at.column;
  const Covering rows(h, s.kernel_h, s.stride, s.padding, s.out_height), columns(w, s.kernel_w, s.stride, s.padding, s.out_width);
  float sum = 0.0f;
  for (int p = rows.first; p <= rows.last; ++p) {
    const int r = h + s.padding - p * s.stride;
    const T* const row = a.grad_y + s.y_row(n, p) + at.channel;
    for (int q = columns.first; q <= columns.last; ++q) {
      const int t = w + s.padding - q * s.stride;
      sum = fmaf(to_float(row[q * s.channels]), to_float(a.weight[(r * s.kernel_w + t) * s.channels + at.channel]), sum);
    }
  }
  const std::int64_t i = s.x_row(n, h) + at.i;
  if (a.prologue.relu && !channel_prologue(a.prologue, at.channel).passes(to_float(a.x[i]))) sum = 0.0f;
  put(a.grad_x[i], sum, a.accumulate_x);
}

/// partial[piece][tap][c]: the sum over the rows of y that belong to the piece; the last tap is the bias. Blocks of 32 channels; thread
/// row y takes the columns y, y + 8, ...
template <class T>
__global__ void __launch_bounds__(kAnyThreads)
    depthwise_backward_weight_any_kernel(DepthwiseConvBackward<T> a, AnyShape s, float* partial, int piece_rows, int pieces_of_image) {
  constexpr int kRows = kAnyThreads / 32;
  __shared__ float of_row[kRows][32];
  const int lane = static_cast<int>(threadIdx.x), row = static_cast<int>(threadIdx.y), c = static_cast<int>(blockIdx.x) * 32 + lane;
  const int tap = static_cast<int>(blockIdx.y), r = tap / s.kernel_w, t = tap - r * s.kernel_w;
  const int n = static_cast<int>(blockIdx.z) / pieces_of_image, strip = static_cast<int>(blockIdx.z) - n * pieces_of_image;
  const bool is_bias = tap + 1 == static_cast<int>(gridDim.y), wanted = is_bias ? a.grad_bias != nullptr : a.grad_weight != nullptr;
  float sum = 0.0f;
  if (c < s.channels && wanted) {
    const ChannelPrologue act = channel_prologue(a.prologue, c);
    for (int p = strip * piece_rows; p < min(s.out_height, (strip + 1) * piece_rows); ++p) {
      const int h = p * s.stride + r - s.padding;
      if (!is_bias && (h < 0 || h >= s.height)) continue;
      const T* const grad_y = a.grad_y + s.y_row(n, p) + c;
      for (int q = row; q < s.out_width; q += kRows) {
        const float g = to_float(grad_y[q * s.channels]);
        const int w = q * s.stride + t - s.padding;
        if (is_bias)
          sum += g;
        else if (w >= 0 && w < s.width)
          sum = fmaf(g, act.value(to_float(a.x[s.x_row(n, h) + w * s.channels + c])), sum);
      }
    }
  }
  of_row[row][lane] = sum;
  __syncthreads();
  if (row > 0 || c >= s.channels) return;
#pragma unroll
  for (int k = 1; k < kRows; ++k) sum += of_row[k][lane];
  partial[(static_cast<std::int64_t>(blockIdx.z) * gridDim.y + tap) * s.channels + c] = sum;
}

template <class T>
void depthwise_forward_any(const LaunchContext& context, const DepthwiseConvForward<T>& a) {
  const auto& s = a.shape;
  launch(depthwise_forward_any_kernel<T>, any_grid(s.out_width(), s.channels, s.out_height(), s.batch), kAnyThreads, 0, stream_of(context),
         a, AnyShape(s));
}

template <class T>
void depthwise_backward_any(const LaunchContext& context, const DepthwiseConvBackward<T>& a) {
  const auto& s = a.shape;
  if (a.grad_x) {
    launch(depthwise_backward_input_any_kernel<T>, any_grid(s.width, s.channels, s.height, s.batch), kAnyThreads, 0, stream_of(context), a,
           AnyShape(s));
  }
  if (!a.grad_weight && !a.grad_bias) return;
  constexpr std::int64_t kPieceColumns = 1024;  // elements of one channel that a piece adds up
  const std::int64_t piece_rows = ceil_div(kPieceColumns, s.out_width()), pieces_of_image = ceil_div(s.out_height(), piece_rows);
  const std::int64_t taps = s.kernel_h * s.kernel_w, pieces = s.batch * pieces_of_image;
  float* const partial = scratch<float>(context, pieces * (taps + 1) * s.channels);
  launch(depthwise_backward_weight_any_kernel<T>, dim3(grid_extent(ceil_div(s.channels, 32)), grid_extent(taps + 1), grid_extent(pieces)),
         dim3(32, kAnyThreads / 32), 0, stream_of(context), a, AnyShape(s), partial, static_cast<int>(piece_rows),
         static_cast<int>(pieces_of_image));
  sum_partials(context, {partial, pieces, static_cast<int>((taps + 1) * s.channels), static_cast<int>(taps * s.channels), a.grad_weight,
                         a.grad_bias, a.accumulate_weight});
}

}  // namespace sepia::kernels::cuda::detail
