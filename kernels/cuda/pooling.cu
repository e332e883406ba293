// Max pooling and global average pooling (formulas: kernels/pooling.h), NHWC.
//
//   op                        bytes moved (activations of s bytes; x (N, H, W, C), y (N, P, Q, C))          bound by
//   max_pool_forward          s per x, s + 1 per y                                                        memory
//   max_pool_backward         s + 1 per y (2 s + 1 behind a ReLU), s per x (2 s to add)                    memory
//   global_avg_pool_forward   s per x                     global_avg_pool_backward  s per x, 2 s with a ReLU
//
// This file holds the kernels for any window and chooses; the layers of our networks go to pooling_pairs.cu (2x2, stride 2),
// pooling_narrow.cu (the same, few channels) and pooling_overlapping.cu (3x3, stride 2, padding 1). Backward gathers: each element of
// grad_x asks the windows that cover it. So nothing is added atomically, and results are the same to the bit every time.
//
// Mapping of the general kernels: a thread has one pixel (of y forward, of x backward) and a group of N channels. Windows that
// overlap find their pixels in the cache.
#include "kernels/cuda/detail/max_pool.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/pooling_paths.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;

/// Threads of a block share `lanes` groups of channels; blockIdx.x counts blocks of pixels, blockIdx.y tiles of channels.
template <int N>
dim3 grid_of_pixels(const ChannelTile<N>& tile, std::int64_t pixels) {
  return dim3(grid_extent(ceil_div(pixels, kThreads / tile.lanes)), tile.tiles());
}

/// This thread's pixel; `pixels` or more when it has none.
template <int N>
__device__ __forceinline__ std::int64_t own_pixel(const ChannelTile<N>& tile, std::int64_t pixels) {
  const int in_block = kThreads / tile.lanes;
  if (tile.thread_in_lane() >= in_block || tile.channel() >= tile.channels) return pixels;
  return static_cast<std::int64_t>(blockIdx.x) * in_block + tile.thread_in_lane();
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) max_pool_forward_any_kernel(MaxPoolForward<T> a, ChannelTile<N> tile) {
  __shared__ typename ChannelTile<N>::Shared shared[2];
  const GroupPrologue<N> prologue = tile.prologue(a.prologue, shared);
  const MaxPoolShape s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), pixels = s.batch * out_h * out_w;
  const std::int64_t pixel = own_pixel(tile, pixels), c = tile.channel();
  if (pixel >= pixels) return;
  const std::int64_t row = pixel / out_w, q = pixel - row * out_w, n = row / out_h, p = row - n * out_h;
  Contest<N> contest;
  bool begun = false;
  for (int r = 0; r < s.kernel; ++r) {
    const std::int64_t h = p * s.stride + r - s.padding;
    if (h < 0 || h >= s.height) continue;
    for (int t = 0; t < s.kernel; ++t) {
      const std::int64_t w = q * s.stride + t - s.padding;
      if (w < 0 || w >= s.width) continue;
      const Floats<N> values = prologue.value(load_vector<N>(a.x + ((n * s.height + h) * s.width + w) * s.channels + c));
      const int tap = r * static_cast<int>(s.kernel) + t;
      if (begun)
        contest.offer(values, tap);
      else
        contest.begin(values, tap);
      begun = true;
    }
  }
  if (!begun) {  // a window of padding alone
#pragma unroll
    for (int i = 0; i < N; ++i) contest.best[i] = minus_infinity(), contest.winner[i] = 255;
  }
  const std::int64_t at = pixel * s.channels + c;
  store_global<N>(a.y + at, contest.best);
  if (a.index) store_winners<N>(a.index + at, contest.winner);
}

/// The windows along one axis that cover `position`: first and last.
struct Covering {
  std::int64_t first, last;

  __device__ __forceinline__ static Covering of(std::int64_t position, const MaxPoolShape& s, std::int64_t outputs) {
    const std::int64_t end = position + s.padding, begin = end - s.kernel + 1;
    const std::int64_t first = begin <= 0 ? 0 : (begin + s.stride - 1) / s.stride, last = end / s.stride;
    return {first, last < outputs ? last : outputs - 1};
  }
};

template <int N, class T>
__global__ void __launch_bounds__(kThreads) max_pool_backward_any_kernel(MaxPoolBackward<T> a, ChannelTile<N> tile) {
  const MaxPoolShape s = a.shape;
  const std::int64_t out_h = s.out_height(), out_w = s.out_width(), pixels = s.batch * s.height * s.width;
  const std::int64_t pixel = own_pixel(tile, pixels), c = tile.channel();
  if (pixel >= pixels) return;
  const std::int64_t row = pixel / s.width, w = pixel - row * s.width, n = row / s.height, h = row - n * s.height;
  const Covering rows = Covering::of(h, s, out_h), columns = Covering::of(w, s, out_w);
  Floats<N> sum{};
  for (std::int64_t p = rows.first; p <= rows.last; ++p) {
    for (std::int64_t q = columns.first; q <= columns.last; ++q) {
      const std::int64_t r = h + s.padding - p * s.stride, t = w + s.padding - q * s.stride;
      Won<N> window;
      window.load(a, ((n * out_h + p) * out_w + q) * s.channels + c);
      window.give(static_cast<int>(r * s.kernel + t), sum);
    }
  }
  put_vector<N>(a.grad_x + pixel * s.channels + c, sum, a.accumulate);
}

}  // namespace

template <class T>
void max_pool_forward_any(const LaunchContext& context, const MaxPoolForward<T>& a) {
  const MaxPoolShape& s = a.shape;
  with_pool_width<T>(
      s.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(s.channels);
        launch(max_pool_forward_any_kernel<n(), T>, grid_of_pixels(tile, s.batch * s.out_height() * s.out_width()), kThreads, 0,
               stream_of(context), a, tile);
      },
      a.x, a.y);
}

template <class T>
void max_pool_backward_any(const LaunchContext& context, const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  with_pool_width<T>(
      s.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(s.channels);
        launch(max_pool_backward_any_kernel<n(), T>, grid_of_pixels(tile, s.batch * s.height * s.width), kThreads, 0, stream_of(context), a,
               tile);
      },
      a.grad_y, a.y, a.grad_x);
}

template <class T>
void max_pool_forward(const LaunchContext& context, const MaxPoolForward<T>& a) {
  const MaxPoolShape& s = a.shape;
  if (s.batch * s.out_height() * s.out_width() * s.channels == 0) return;
  if (is_overlapping(s)) return max_pool_forward_overlapping(context, a);
  if (!is_paired(s)) return max_pool_forward_any(context, a);
  if (is_narrow<T>(s, {a.x, a.y, a.index})) return max_pool_forward_narrow(context, a);
  max_pool_forward_pairs(context, a);
}

template <class T>
void max_pool_backward(const LaunchContext& context, const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  if (s.batch * s.height * s.width * s.channels == 0) return;
  if (is_overlapping(s)) return max_pool_backward_overlapping(context, a);
  if (!is_paired(s)) return max_pool_backward_any(context, a);
  if (is_narrow<T>(s, {a.grad_y, a.index, a.y, a.grad_x})) return max_pool_backward_narrow(context, a);
  max_pool_backward_pairs(context, a);
}

SEPIA_INSTANTIATE(max_pool_forward, MaxPoolForward)
SEPIA_INSTANTIATE(max_pool_backward, MaxPoolBackward)

}  // namespace sepia::kernels::cuda
