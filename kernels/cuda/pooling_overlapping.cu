// Max pooling with 3x3 windows, stride 2, padding 1 (formulas: kernels/pooling.h), NHWC: xception's. Neighbouring windows share a row or
// a column of pixels; read naively, x would come 2.25 times (backward: grad_y 4 times).
//
// Cost: forward reads s bytes per element of x and writes s + 1 per element of y; backward reads s + 1 per element of y (2 s + 1
// behind a ReLU) and writes s per element of x; both a few percent more at the borders of tiles. Bound by memory. Deterministic: no
// element has two writers.
//
// Mapping: a block has a tile of channels, a span of columns of windows and a strip of kStrip rows of windows; a thread has one column
// and N channels, and walks down.
//   forward   Window (p, q) covers rows 2p-1 .. 2p+1. Per step a thread loads the pixels (2p, 2q), (2p, 2q+1), (2p+1, 2q), (2p+1, 2q+1);
//             column 2q-1 comes from its left neighbour through shared memory, and row 2p-1 is the bottom row of the step
//             before, of which the winner alone is kept.
//   backward  The pixels (2p, 2q) .. (2p+1, 2q+1) belong to windows (p, q), (p, q+1), (p+1, q), (p+1, q+1): a thread loads (p+1, q), gets
//             (p+1, q+1) from its right neighbour and has kept the others from the step before.
// The loads of the next step are under way while this one is computed. Exchange through shared memory is double-buffered: one barrier
// a step.
#include "kernels/cuda/detail/max_pool.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/pooling_paths.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kMostThreads = 512, kLeastThreads = 256;
constexpr int kStrip = 32;

/// How windows are cut into blocks.
struct Strips {
  int rows, columns;  // of windows in a picture
  int columns_in_block, spans, strips;

  template <int N>
  static Strips of(const MaxPoolShape& s, const ChannelTile<N>& tile) {
    const int rows = static_cast<int>(s.out_height()), columns = static_cast<int>(s.out_width()), most = kMostThreads / tile.lanes;
    const int in_block = columns < most ? columns : most;
    return {rows, columns, in_block, static_cast<int>(ceil_div(columns, in_block)), static_cast<int>(ceil_div(rows, kStrip))};
  }
  template <int N>
  dim3 grid(const MaxPoolShape& s, const ChannelTile<N>& tile) const {
    return dim3(grid_extent(s.batch * strips * spans), tile.tiles());
  }
  template <int N>
  unsigned threads(const ChannelTile<N>& tile) const {
    const int used = static_cast<int>(ceil_div(tile.lanes * columns_in_block, 32)) * 32;
    return static_cast<unsigned>(used < kLeastThreads ? kLeastThreads : used);
  }
};

/// Where a thread stands: its column of windows, its channel and the rows of windows [begin, end) of its block.
template <int N>
struct Post {
  int n, q, begin, end;
  std::int64_t c;
  bool active, first, last;  // first, last: of the block's columns

  __device__ __forceinline__ Post(const Strips& cut, const ChannelTile<N>& tile) {
    const int block = static_cast<int>(blockIdx.x), strip_of_all = block / cut.spans, own = tile.thread_in_lane();
    n = strip_of_all / cut.strips;
    begin = (strip_of_all - n * cut.strips) * kStrip;
    end = begin + kStrip < cut.rows ? begin + kStrip : cut.rows;
    q = (block - strip_of_all * cut.spans) * cut.columns_in_block + own;
    c = tile.channel();
    active = own < cut.columns_in_block && q < cut.columns && c < tile.channels;
    first = own == 0;
    last = own == cut.columns_in_block - 1;
  }
};

/// N elements as they lie in memory: what waits for its step in as few registers as possible.
template <int N, class T>
struct Raw {
  Word<N* static_cast<int>(sizeof(T))> word;

  __device__ __forceinline__ void load(const T* source) { word = *reinterpret_cast<const decltype(word)*>(source); }
  __device__ __forceinline__ void store(T* destination) const { *reinterpret_cast<decltype(word)*>(destination) = word; }
  __device__ __forceinline__ Floats<N> floats() const {
    Packed<T, N> packed;
    __builtin_memcpy(&packed, &word, sizeof(word));
    Floats<N> values;
#pragma unroll
    for (int i = 0; i < N; ++i) values[i] = to_float(packed.v[i]);
    return values;
  }
};

/// What a step of the forward pass reads: rows 2p and 2p+1, columns 2q-1 (where no neighbour has it), 2q and 2q+1.
template <int N, class T>
struct Pixels {
  Raw<N, T> left[2], middle[2], right[2];
};

template <int N, class T>
__global__ void __launch_bounds__(kMostThreads) max_pool_forward_overlapping_kernel(MaxPoolForward<T> a, ChannelTile<N> tile, Strips cut) {
  __shared__ typename ChannelTile<N>::Shared shared[2];
  alignas(16) __shared__ T exchange[2][2][kMostThreads * N];  // [step][row]: column 2q+1 of every thread
  const GroupPrologue<N> prologue = tile.prologue(a.prologue, shared);
  const Post<N> post(cut, tile);
  const std::int64_t channels = tile.channels, row = a.shape.width * channels;
  const int height = static_cast<int>(a.shape.height);
  const bool has_left = post.q > 0, has_right = 2 * post.q + 1 < a.shape.width;
  const T* x = a.x + (post.n * a.shape.height * a.shape.width + 2 * post.q) * channels + post.c;  // at (row 0, column 2q)

  const auto load = [&](int p) {
    Pixels<N, T> pixels{};
    if (!post.active) return pixels;
#pragma unroll
    for (int r = 0; r < 2; ++r) {
      if (2 * p + r >= height) continue;
      const T* at = x + (2 * p + r) * row;
      pixels.middle[r].load(at);
      if (has_right) pixels.right[r].load(at + channels);
      if (post.first && has_left) pixels.left[r].load(at - channels);
    }
    return pixels;
  };
  /// The winner of a row of three pixels; its taps are 0, 1, 2.
  const auto best_of = [&](const Raw<N, T>& left, const Raw<N, T>& middle, const Raw<N, T>& right) {
    Contest<N> best;
    if (has_left) {
      best.begin(prologue.value(left.floats()), 0);
      best.offer(prologue.value(middle.floats()), 1);
    } else {
      best.begin(prologue.value(middle.floats()), 1);
    }
    if (has_right) best.offer(prologue.value(right.floats()), 2);
    return best;
  };

  Contest<N> top;  // of row 2p-1
  if (post.active && post.begin > 0) {
    const T* at = x + (2 * post.begin - 1) * row;
    Raw<N, T> left{}, middle, right{};
    middle.load(at);
    if (has_left) left.load(at - channels);
    if (has_right) right.load(at + channels);
    top = best_of(left, middle, right);
  }
  Pixels<N, T> next = load(post.begin);
  for (int p = post.begin; p < post.end; ++p) {
    Pixels<N, T> now = next;
#pragma unroll
    for (int r = 0; r < 2; ++r) now.right[r].store(&exchange[p % 2][r][threadIdx.x * N]);
    if (p + 1 < post.end) next = load(p + 1);
    __syncthreads();
    if (!post.active) continue;
    if (!post.first) {
#pragma unroll
      for (int r = 0; r < 2; ++r) now.left[r].load(&exchange[p % 2][r][(threadIdx.x - tile.lanes) * N]);
    }
    const Contest<N> centre = best_of(now.left[0], now.middle[0], now.right[0]);
    Contest<N> window;
    if (p > 0) {
      window = top;
      window.offer(centre, 3);
    } else {
      window = centre;
#pragma unroll
      for (int i = 0; i < N; ++i) window.winner[i] += 3;
    }
    if (2 * p + 1 < height) {
      top = best_of(now.left[1], now.middle[1], now.right[1]);
      window.offer(top, 6);
    }
    const std::int64_t at = ((static_cast<std::int64_t>(post.n) * cut.rows + p) * cut.columns + post.q) * channels + post.c;
    store_global<N>(a.y + at, window.best);
    if (a.index) store_winners<N>(a.index + at, window.winner);
  }
}

/// A window of the backward pass as it lies in memory.
template <int N, class T>
struct RawWon {
  Raw<N, T> gradient, y;
  Raw<N, std::uint8_t> winner;

  __device__ __forceinline__ void load(const MaxPoolBackward<T>& a, std::int64_t at) {
    gradient.load(a.grad_y + at);
    winner.load(a.index + at);
    if (a.relu) y.load(a.y + at);
  }
  __device__ __forceinline__ Won<N> won(bool relu) const {
    Won<N> window;
    window.gradient = gradient.floats();
    std::uint8_t bytes[N];
    __builtin_memcpy(bytes, &winner.word, N);
    const Floats<N> values = y.floats();
#pragma unroll
    for (int i = 0; i < N; ++i) {
      window.winner[i] = bytes[i];
      if (relu && values[i] <= 0.0f) window.gradient[i] = 0.0f;
    }
    return window;
  }
};

template <int N, class T>
__global__ void __launch_bounds__(kMostThreads)
    max_pool_backward_overlapping_kernel(MaxPoolBackward<T> a, ChannelTile<N> tile, Strips cut) {
  alignas(16) __shared__ T gradients[2][kMostThreads * N];  // [step]: the window of every thread
  alignas(16) __shared__ std::uint8_t winners[2][kMostThreads * N];
  const Post<N> post(cut, tile);
  const std::int64_t channels = tile.channels, row = cut.columns * channels, width = a.shape.width;
  const int height = static_cast<int>(a.shape.height);
  const std::int64_t first_window = (static_cast<std::int64_t>(post.n) * cut.rows * cut.columns + post.q) * channels + post.c;
  const bool has_right = post.q + 1 < cut.columns;

  struct Row {
    Won<N> own, right;
  };
  struct RawRow {
    RawWon<N, T> own, right;  // right: where no neighbour has it
  };
  const auto load = [&](int p) {
    RawRow raw{};
    if (!post.active || p >= cut.rows) return raw;
    raw.own.load(a, first_window + p * row);
    if (post.last && has_right) raw.right.load(a, first_window + p * row + channels);
    return raw;
  };
  /// Row p of windows: the thread's own, and its right neighbour's by exchange. All threads must call.
  const auto exchange = [&](const RawRow& raw, int p) {
    Row windows;
    windows.own = raw.own.won(a.relu);
    store_vector<N>(&gradients[p % 2][threadIdx.x * N], windows.own.gradient);
    store_winners<N>(&winners[p % 2][threadIdx.x * N], windows.own.winner);
    __syncthreads();
    if (!has_right || !post.active) {
      windows.right.clear();
    } else if (post.last) {
      windows.right = raw.right.won(a.relu);
    } else {
      const int neighbour = (static_cast<int>(threadIdx.x) + tile.lanes) * N;
      windows.right.gradient = load_vector<N>(&gradients[p % 2][neighbour]);
      load_winners(&winners[p % 2][neighbour], windows.right.winner);
    }
    if (p >= cut.rows) {
      windows.own.clear();
      windows.right.clear();
    }
    return windows;
  };

  RawRow waiting = load(post.begin);
  RawRow raw = waiting;
  waiting = load(post.begin + 1);
  Row upper = exchange(raw, post.begin);
  for (int p = post.begin; p < post.end; ++p) {
    raw = waiting;
    if (p + 1 < post.end) waiting = load(p + 2);
    const Row lower = exchange(raw, p + 1);
    if (post.active) {
#pragma unroll
      for (int pixel = 0; pixel < 4; ++pixel) {
        const int h = 2 * p + pixel / 2, w = 2 * post.q + pixel % 2;
        if (h >= height || w >= width) continue;
        Floats<N> sum{};
        upper.own.give(4 + pixel / 2 * 3 + pixel % 2, sum);
        if (pixel % 2 == 1) upper.right.give(3 + pixel / 2 * 3, sum);
        if (pixel / 2 == 1) lower.own.give(1 + pixel % 2, sum);
        if (pixel == 3) lower.right.give(0, sum);
        put_vector<N>(a.grad_x + ((static_cast<std::int64_t>(post.n) * height + h) * width + w) * channels + post.c, sum, a.accumulate);
      }
    }
    upper = lower;
  }
}

}  // namespace

bool is_overlapping(const MaxPoolShape& s) {
  return s.kernel == 3 && s.stride == 2 && s.padding == 1 && s.batch * s.height < (1 << 30) && s.width < (1 << 30);
}

template <class T>
void max_pool_forward_overlapping(const LaunchContext& context, const MaxPoolForward<T>& a) {
  with_pool_width<T>(
      a.shape.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(a.shape.channels);
        const Strips cut = Strips::of(a.shape, tile);
        launch(max_pool_forward_overlapping_kernel<n(), T>, cut.grid(a.shape, tile), cut.threads(tile), 0, stream_of(context), a, tile,
               cut);
      },
      a.x, a.y);
}

template <class T>
void max_pool_backward_overlapping(const LaunchContext& context, const MaxPoolBackward<T>& a) {
  with_pool_width<T>(
      a.shape.channels, a.index,
      [&](auto n) {
        const auto tile = ChannelTile<n()>::of(a.shape.channels);
        const Strips cut = Strips::of(a.shape, tile);
        launch(max_pool_backward_overlapping_kernel<n(), T>, cut.grid(a.shape, tile), cut.threads(tile), 0, stream_of(context), a, tile,
               cut);
      },
      a.grad_y, a.y, a.grad_x);
}

SEPIA_INSTANTIATE(max_pool_forward_overlapping, MaxPoolForward)
SEPIA_INSTANTIATE(max_pool_backward_overlapping, MaxPoolBackward)

}  // namespace sepia::kernels::cuda
