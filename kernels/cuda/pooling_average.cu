// Global average pooling (formulas: kernels/pooling.h). x (N, positions, C), y (N, C).
//
// Cost: forward reads x once, backward writes grad_x once and, behind a ReLU, reads x once; bound by memory. Both write with `=` (or
// `+=` where asked), and sums are added by a fixed tree, so results are the same to the bit every time.
//
// Mapping: a block has one picture and a tile of few channels (64 bytes of a pixel: two sectors), so that even small layers fill the
// GPU; its threads go down the positions side by side. The per-channel numbers are fetched once per block.
#include "kernels/cuda/detail/channel_tile.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;
constexpr int kInFlight = 4;  // positions that a thread loads before it uses the first

/// 64 bytes of channels, or as many as there are.
template <int N, class T>
ChannelTile<N> narrow_tile(std::int64_t channels) {
  constexpr int kLanes = 64 / (N * static_cast<int>(sizeof(T)));
  return ChannelTile<N>::of(channels, kLanes < ChannelTile<N>::kMostLanes ? kLanes : ChannelTile<N>::kMostLanes);
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) global_avg_pool_forward_kernel(GlobalAvgPoolForward<T> a, ChannelTile<N> tile) {
  __shared__ typename ChannelTile<N>::Shared shared[2];
  __shared__ float sums[N][kThreads];
  const GroupPrologue<N> prologue = tile.prologue(a.prologue, shared);
  const int step = kThreads / tile.lanes, own = tile.thread_in_lane();
  const std::int64_t c = tile.channel();
  const bool active = own < step && c < a.channels;
  Floats<N> sum{};
  const T* x = a.x + static_cast<std::int64_t>(blockIdx.x) * a.positions * a.channels + c;
  for (std::int64_t i = own; active && i < a.positions; i += kInFlight * step) {
    Floats<N> values[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (i + k * step < a.positions) values[k] = load_vector<N>(x + (i + k * step) * a.channels);
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (i + k * step >= a.positions) continue;
#pragma unroll
      for (int j = 0; j < N; ++j) sum[j] += prologue.channel(j).value(values[k][j]);
    }
  }
#pragma unroll
  for (int j = 0; j < N; ++j) sums[j][threadIdx.x] = sum[j];
  // The threads of a group fold onto the first of them, in halves.
  int half = 1;
  while (2 * half < step) half *= 2;
  for (; half > 0; half /= 2) {
    __syncthreads();
    if (own < half && own + half < step) {
#pragma unroll
      for (int j = 0; j < N; ++j) sums[j][threadIdx.x] += sums[j][threadIdx.x + half * tile.lanes];
    }
  }
  if (own != 0 || !active) return;
#pragma unroll
  for (int j = 0; j < N; ++j) sum[j] = sums[j][threadIdx.x] / static_cast<float>(a.positions);
  store_global<N>(a.y + static_cast<std::int64_t>(blockIdx.x) * a.channels + c, sum);
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) global_avg_pool_backward_kernel(GlobalAvgPoolBackward<T> a, ChannelTile<N> tile) {
  __shared__ typename ChannelTile<N>::Shared shared[2], shared_share;
  const std::int64_t n = blockIdx.x;
  tile.stage(shared_share, [&](std::int64_t c) { return to_float(a.grad_y[n * a.channels + c]) / static_cast<float>(a.positions); });
  __syncthreads();
  const GroupPrologue<N> prologue = tile.prologue(a.prologue, shared);
  const int step = kThreads / tile.lanes, own = tile.thread_in_lane();
  const std::int64_t c = tile.channel();
  if (own >= step || c >= a.channels) return;
  const Floats<N> share = tile.staged(shared_share);
  const bool add = a.accumulate == Accumulate::kAdd;
  const std::int64_t image = n * a.positions * a.channels + c;
  for (std::int64_t i = own; i < a.positions; i += kInFlight * step) {
    Floats<N> x[kInFlight], before[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      const std::int64_t at = image + (i + k * step) * a.channels;
      if (i + k * step >= a.positions) continue;
      if (a.prologue.relu) x[k] = load_vector<N>(a.x + at);
      if (add) before[k] = load_vector<N>(a.grad_x + at);
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      const std::int64_t at = image + (i + k * step) * a.channels;
      if (i + k * step >= a.positions) continue;
      Floats<N> gradient;
#pragma unroll
      for (int j = 0; j < N; ++j) {
        gradient[j] = !a.prologue.relu || prologue.channel(j).passes(x[k][j]) ? share[j] : 0.0f;
        if (add) gradient[j] += before[k][j];
      }
      store_global<N>(a.grad_x + at, gradient);
    }
  }
}

}  // namespace

template <class T>
void global_avg_pool_forward(const LaunchContext& context, const GlobalAvgPoolForward<T>& a) {
  if (a.batch * a.channels == 0) return;
  with_vector_width<T>(
      a.channels,
      [&](auto n) {
        const auto tile = narrow_tile<n(), T>(a.channels);
        launch(global_avg_pool_forward_kernel<n(), T>, dim3(grid_extent(a.batch), tile.tiles()), kThreads, 0, stream_of(context), a, tile);
      },
      a.x, a.y);
}

template <class T>
void global_avg_pool_backward(const LaunchContext& context, const GlobalAvgPoolBackward<T>& a) {
  if (a.batch * a.positions * a.channels == 0) return;
  with_vector_width<T>(
      a.channels,
      [&](auto n) {
        const auto tile = narrow_tile<n(), T>(a.channels);
        launch(global_avg_pool_backward_kernel<n(), T>, dim3(grid_extent(a.batch), tile.tiles()), kThreads, 0, stream_of(context), a, tile);
      },
      a.x, a.grad_x);
}

SEPIA_INSTANTIATE(global_avg_pool_forward, GlobalAvgPoolForward)
SEPIA_INSTANTIATE(global_avg_pool_backward, GlobalAvgPoolBackward)

}  // namespace sepia::kernels::cuda
