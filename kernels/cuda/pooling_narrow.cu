// Max pooling with 2x2 windows, stride 2, no padding, on layers with few channels (formulas: kernels/pooling.h), NHWC: simplenet's
// first and third. A pixel of 12 or 48 bytes does not fill sectors of 32 bytes, so threads that went from pixel to pixel would fetch
// each sector twice. Instead a block brings whole rows to shared memory as they lie, by 16-byte accesses.
//
// Cost: forward reads s bytes per element of x and writes s + 1 per element of y; backward reads s + 1 per element of y (2 s + 1
// behind a ReLU) and writes s per element of x. Bound by memory. Deterministic: no element has two writers.
//
// Mapping: a block has one row of windows and the two rows of x under it, which are neighbours in memory. Threads take results side by
// side, beginning at the address of a whole sector; a thread goes on 256 results further by addition, without a division.
#include "kernels/cuda/detail/flat.cuh"
#include "kernels/cuda/detail/max_pool.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/kernels.h"
#include "kernels/cuda/pooling_paths.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;
constexpr int kSector = 32;           // bytes
constexpr int kPixelBytes = 128;      // layers with more channels go straight to memory
constexpr int kRowBytes = 40 * 1024;  // most that a block stages

/// Elements from the last address of a whole sector (in an array of bytes, and so of any larger type) up to `first`.
__device__ __forceinline__ int lead_of(std::int64_t first) {
  return static_cast<int>(first % kSector);
}

/// Brings elements [first, first + count) of an array of `total` to shared memory, aligned groups of 16 bytes at a time.
template <class T>
__device__ void stage_row(T* shared, const T* array, std::int64_t first, int count, std::int64_t total) {
  constexpr int N = kPerLoad<T>;
  const FlatGroups<N> flat{total, 0};
  for (int i = static_cast<int>(threadIdx.x) * N; i < count; i += kThreads * N) store_vector<N>(shared + i, flat.load(array, first + i));
}
__device__ void stage_bytes(std::uint8_t* shared, const std::uint8_t* array, std::int64_t first, int count, std::int64_t total) {
  for (int i = static_cast<int>(threadIdx.x) * 16; i < count; i += kThreads * 16) {
    if (first + i + 16 <= total) {
      *reinterpret_cast<uint4*>(shared + i) = *reinterpret_cast<const uint4*>(array + first + i);
    } else {
      for (int k = 0; first + i + k < total; ++k) shared[i + k] = array[first + i + k];
    }
  }
}

/// Element number -> (pixel of the row, channel), kept up while a thread advances by kThreads * V elements.
template <int V>
struct Cursor {
  int pixel, channel, pixel_step, channel_step, channels;

  /// `element` may be up to kSector below zero.
  __device__ __forceinline__ Cursor(int element, int channels) : channels(channels) {
    const unsigned up = static_cast<unsigned>(element + kSector * channels), c = static_cast<unsigned>(channels);
    pixel = static_cast<int>(up / c) - kSector;
    channel = static_cast<int>(up % c);
    pixel_step = static_cast<int>(kThreads * V / c);
    channel_step = static_cast<int>(kThreads * V % c);
  }
  __device__ __forceinline__ void advance() {
    pixel += pixel_step;
    channel += channel_step;
    if (channel >= channels) {
      channel -= channels;
      ++pixel;
    }
  }
};

template <class T>
__global__ void __launch_bounds__(kThreads) max_pool_forward_narrow_kernel(MaxPoolForward<T> a) {
  __shared__ float scale[kPixelBytes / sizeof(T)], shift[kPixelBytes / sizeof(T)];
  T* rows = dynamic_shared<T>();
  const int channels = static_cast<int>(a.shape.channels), width = static_cast<int>(a.shape.width);
  const int out_h = static_cast<int>(a.shape.out_height()), out_w = static_cast<int>(a.shape.out_width());
  const int n = static_cast<int>(blockIdx.x) / out_h, p = static_cast<int>(blockIdx.x) - n * out_h;
  const std::int64_t first_x = (n * a.shape.height + 2 * p) * width * channels,
                     first_y = static_cast<std::int64_t>(blockIdx.x) * out_w * channels;
  const int lead_x = lead_of(first_x), lead_y = lead_of(first_y);
  stage_row(rows, a.x, first_x - lead_x, lead_x + 2 * width * channels, a.shape.batch * a.shape.height * width * channels);
  if (a.prologue.scale && static_cast<int>(threadIdx.x) < channels) {
    scale[threadIdx.x] = a.prologue.scale[threadIdx.x];
    shift[threadIdx.x] = a.prologue.shift[threadIdx.x];
  }
  __syncthreads();
  int i = static_cast<int>(threadIdx.x) - lead_y;
  Cursor<1> at(i, channels);
  for (; i < out_w * channels; i += kThreads, at.advance()) {
    if (i < 0) continue;
    ChannelPrologue prologue{.relu_after = a.prologue.relu};
    if (a.prologue.scale) prologue = {scale[at.channel], shift[at.channel], a.prologue.relu};
    const T* x = rows + lead_x + 2 * at.pixel * channels + at.channel;
    Contest<1> contest;
    contest.begin(Floats<1>{prologue.value(to_float(x[0]))}, 0);
#pragma unroll
    for (int tap = 1; tap < 4; ++tap) {
      contest.offer(Floats<1>{prologue.value(to_float(x[(tap / 2 * width + tap % 2) * channels]))}, tap);
    }
    a.y[first_y + i] = from_float<T>(contest.best[0]);
    if (a.index) a.index[first_y + i] = static_cast<std::uint8_t>(contest.winner[0]);
  }
}

/// V neighbouring elements of a pixel at a time.
template <int V, class T>
__global__ void __launch_bounds__(kThreads) max_pool_backward_narrow_kernel(MaxPoolBackward<T> a, int staged) {
  T* gradients = dynamic_shared<T>();
  T* values = gradients + staged;
  auto* winners = reinterpret_cast<std::uint8_t*>(a.relu ? values + staged : values);
  const int channels = static_cast<int>(a.shape.channels), width = static_cast<int>(a.shape.width),
            height = static_cast<int>(a.shape.height);
  const int out_h = static_cast<int>(a.shape.out_height()), out_w = static_cast<int>(a.shape.out_width());
  const int pairs = (height + 1) / 2, n = static_cast<int>(blockIdx.x) / pairs, p = static_cast<int>(blockIdx.x) - n * pairs;
  const std::int64_t first_x = (static_cast<std::int64_t>(n) * height + 2 * p) * width * channels;
  const std::int64_t first_y = (static_cast<std::int64_t>(n) * out_h + p) * out_w * channels;
  const int lead_x = lead_of(first_x), lead_y = lead_of(first_y);
  const bool has_windows = p < out_h;
  if (has_windows) {
    const int count = lead_y + out_w * channels;
    const std::int64_t total = a.shape.batch * out_h * out_w * channels;
    stage_row(gradients, a.grad_y, first_y - lead_y, count, total);
    if (a.relu) stage_row(values, a.y, first_y - lead_y, count, total);
    stage_bytes(winners, a.index, first_y - lead_y, count, total);
  }
  __syncthreads();
  const int row = width * channels, count = (2 * p + 1 < height ? 2 : 1) * row;
  int i = static_cast<int>(threadIdx.x) * V - lead_x, top = 1;
  Cursor<V> at(i, channels);
  for (; i < count; i += kThreads * V, at.advance()) {
    if (at.pixel >= width) {  // a row is at least as long as a step: this happens once
      at.pixel -= width;
      top = 0;
    }
    if (i < 0) continue;
    Floats<V> gradient{};
    if (has_windows && at.pixel / 2 < out_w) {
      const int window = lead_y + at.pixel / 2 * channels + at.channel, tap = (top ? 0 : 2) + at.pixel % 2;
      const Floats<V> g = load_vector<V>(gradients + window);
      int winner[V];
      load_winners(winners + window, winner);
      Floats<V> y{};
      if (a.relu) y = load_vector<V>(values + window);
#pragma unroll
      for (int k = 0; k < V; ++k) gradient[k] = winner[k] == tap && !(a.relu && y[k] <= 0.0f) ? g[k] : 0.0f;
    }
    put_vector<V>(a.grad_x + first_x + i, gradient, a.accumulate);
  }
}

/// Elements of one output row as they are staged: with what comes before it in its sector, and to the end of a 16-byte access.
std::int64_t staged_outputs(const MaxPoolShape& shape) {
  return ceil_div(shape.out_width() * shape.channels + kSector, kSector) * kSector;
}

}  // namespace

template <class T>
bool is_narrow(const MaxPoolShape& shape, std::initializer_list<const void*> buffers) {
  const std::int64_t pixel = shape.channels * static_cast<std::int64_t>(sizeof(T)), row = shape.width * shape.channels;
  for (const void* buffer : buffers) {
    if (reinterpret_cast<std::uintptr_t>(buffer) % kSector != 0) return false;
  }
  return pixel % kSector != 0 && pixel <= kPixelBytes && row >= 2 * kThreads && 2 * pixel * shape.width <= kRowBytes &&
         shape.batch * shape.height < (1 << 30);
}

template <class T>
void max_pool_forward_narrow(const LaunchContext& context, const MaxPoolForward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t elements = 2 * s.width * s.channels + 2 * kSector;
  launch(max_pool_forward_narrow_kernel<T>, dim3(grid_extent(s.batch * s.out_height())), kThreads,
         static_cast<std::size_t>(elements) * sizeof(T), stream_of(context), a);
}

template <class T>
void max_pool_backward_narrow(const LaunchContext& context, const MaxPoolBackward<T>& a) {
  const MaxPoolShape& s = a.shape;
  const std::int64_t staged = staged_outputs(s), bytes = staged * ((a.relu ? 2 : 1) * static_cast<std::int64_t>(sizeof(T)) + 1);
  launch(s.channels % 2 == 0 ? max_pool_backward_narrow_kernel<2, T> : max_pool_backward_narrow_kernel<1, T>,
         dim3(grid_extent(s.batch * ceil_div(s.height, 2))), kThreads, static_cast<std::size_t>(bytes), stream_of(context), a,
         static_cast<int>(staged));
}

SEPIA_INSTANTIATE(max_pool_forward_narrow, MaxPoolForward)
SEPIA_INSTANTIATE(max_pool_backward_narrow, MaxPoolBackward)
template bool is_narrow<float>(const MaxPoolShape&, std::initializer_list<const void*>);
template bool is_narrow<bf16>(const MaxPoolShape&, std::initializer_list<const void*>);

}  // namespace sepia::kernels::cuda
