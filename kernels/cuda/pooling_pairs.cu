// Max pooling with 2x2 windows, stride 2, no padding (formulas: kernels/pooling.h), NHWC: simplenet's, on layers whose pixels fill whole
// sectors of 32 bytes. No two windows share a pixel, so every thread reads what only it needs.
//
// Cost: forward reads s bytes per element of x and writes s + 1 per element of y; backward reads s + 1 per element of y (2 s + 1
// behind a ReLU) and writes s per element of x. Bound by memory. Deterministic: no element has two writers.
//
// Mapping: a thread has a group of N channels and kWindows windows, one row of the block apart; all their loads are issued first. The
// odd last row or column of x belongs to no window: forward leaves it alone, and backward gives its pixels to windows beyond the edge,
// which hold nothing.
#include "kernels/cuda/detail/max_pool.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/pooling_paths.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;
constexpr int kWindows = 2;

/// Windows (of rows x columns per picture) in the order of memory, by 32-bit arithmetic.
struct WindowGrid {
  unsigned rows, columns, count;

  static WindowGrid of(std::int64_t batch, std::int64_t rows, std::int64_t columns) {
    return {static_cast<unsigned>(rows), static_cast<unsigned>(columns), grid_extent(batch * rows * columns)};
  }
  template <int N>
  dim3 grid(const ChannelTile<N>& tile) const {
    return dim3(grid_extent(ceil_div(count, kWindows * (kThreads / tile.lanes))), tile.tiles());
  }
};

/// Where window i lies: picture n, row p, column q.
struct WindowAt {
  std::int64_t n, p, q;

  __device__ __forceinline__ WindowAt(unsigned i, const WindowGrid& grid) {
    const unsigned row = i / grid.columns, image = row / grid.rows;
    n = image;
    p = row - image * grid.rows;
    q = i - row * grid.columns;
  }
};

/// This thread's k-th window; grid.count or more when there is none.
template <int N>
__device__ __forceinline__ unsigned own_window(const ChannelTile<N>& tile, const WindowGrid& grid, int k) {
  const unsigned in_block = static_cast<unsigned>(kThreads / tile.lanes), own = static_cast<unsigned>(tile.thread_in_lane());
  return own < in_block && tile.channel() < tile.channels ? (blockIdx.x * kWindows + static_cast<unsigned>(k)) * in_block + own
                                                          : grid.count;
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) max_pool_forward_pairs_kernel(MaxPoolForward<T> a, ChannelTile<N> tile, WindowGrid grid) {
  __shared__ typename ChannelTile<N>::Shared shared[2];
  const GroupPrologue<N> prologue = tile.prologue(a.prologue, shared);
  const std::int64_t channels = tile.channels, c = tile.channel();
  Floats<N> taps[kWindows][4];
#pragma unroll
  for (int k = 0; k < kWindows; ++k) {
    const unsigned i = own_window(tile, grid, k);
    if (i >= grid.count) continue;
    const WindowAt at(i, grid);
    const T* x = a.x + ((at.n * a.shape.height + 2 * at.p) * a.shape.width + 2 * at.q) * channels + c;
#pragma unroll
    for (int tap = 0; tap < 4; ++tap) taps[k][tap] = load_vector<N>(x + (tap / 2 * a.shape.width + tap % 2) * channels);
  }
#pragma unroll
  for (int k = 0; k < kWindows; ++k) {
    const unsigned i = own_window(tile, grid, k);
    if (i >= grid.count) continue;
    Contest<N> contest;
    contest.begin(prologue.value(taps[k][0]), 0);
#pragma unroll
    for (int tap = 1; tap < 4; ++tap) contest.offer(prologue.value(taps[k][tap]), tap);
    store_global<N>(a.y + i * channels + c, contest.best);
    if (a.index) store_winners<N>(a.index + i * channels + c, contest.winner);
  }
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) max_pool_backward_pairs_kernel(MaxPoolBackward<T> a, ChannelTile<N> tile, WindowGrid grid) {
  const std::int64_t channels = tile.channels, c = tile.channel(), height = a.shape.height, width = a.shape.width;
  const std::int64_t out_h = a.shape.out_height(), out_w = a.shape.out_width();
  Won<N> windows[kWindows];
#pragma unroll
  for (int k = 0; k < kWindows; ++k) {
    const unsigned i = own_window(tile, grid, k);
    if (i >= grid.count) continue;
    const WindowAt at(i, grid);
    if (at.p < out_h && at.q < out_w)
      windows[k].load(a, ((at.n * out_h + at.p) * out_w + at.q) * channels + c);
    else
      windows[k].clear();
  }
#pragma unroll
  for (int k = 0; k < kWindows; ++k) {
    const unsigned i = own_window(tile, grid, k);
    if (i >= grid.count) continue;
    const WindowAt at(i, grid);
#pragma unroll
    for (int tap = 0; tap < 4; ++tap) {
      const std::int64_t h = 2 * at.p + tap / 2, w = 2 * at.q + tap % 2;
      if (h >= height || w >= width) continue;
      Floats<N> gradient{};
      windows[k].give(tap, gradient);
      put_vector<N>(a.grad_x + ((at.n * height + h) * width + w) * channels + c, gradient, a.accumulate);
    }
  }
}

}  // namespace

bool is_paired(const MaxPoolShape& shape) {
  return shape.kernel == 2 && shape.stride == 2 && shape.padding == 0;
}

template <class T>
void max_pool_forward_pairs(const LaunchContext& context, const MaxPoolForward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const WindowGrid grid = WindowGrid::of(s.batch, s.out_height(), s.out_width());
  with_pool_width<T>(
      s.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(s.channels);
        launch(max_pool_forward_pairs_kernel<n(), T>, grid.grid(tile), kThreads, 0, stream_of(context), a, tile, grid);
      },
      a.x, a.y);
}

template <class T>
void max_pool_backward_pairs(const LaunchContext& context, const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const WindowGrid grid = WindowGrid::of(s.batch, ceil_div(s.height, 2), ceil_div(s.width, 2));
  with_pool_width<T>(
      s.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(s.channels);
        launch(max_pool_backward_pairs_kernel<n(), T>, grid.grid(tile), kThreads, 0, stream_of(context), a, tile, grid);
      },
      a.grad_y, a.y, a.grad_x);
}

SEPIA_INSTANTIATE(max_pool_forward_pairs, MaxPoolForward)
SEPIA_INSTANTIATE(max_pool_backward_pairs, MaxPoolBackward)

}  // namespace sepia::kernels::cuda
