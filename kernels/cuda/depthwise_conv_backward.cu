// Depthwise convolution, backward: grad_x, grad_weight and grad_bias in one kernel (formula and shapes: kernels/depthwise_conv.h).
// Read depthwise_conv.cu first: the tiles, the ring of rows and the walk down a strip are the same.
//
//   grad_x[n, h, w, c]   = mask * sum_{r, s} grad_y[n, (h + padding - r) / stride, (w + padding - s) / stride, c] * weight[r, s, c]
//   grad_weight[r, s, c] = sum_{n, h, w} act(x)[n, h, w, c] * grad_y[n, (h + padding - r) / stride, (w + padding - s) / stride, c]
//   grad_bias[c]         = sum_{n, p, q} grad_y[n, p, q, c]                             (terms whose division has a remainder are left out)
//
// Seen from x the two sums need the same nine values of grad_y, and x itself only at (h, w). So grad_y is staged with a halo, x
// without one, and each element of both is read once for all three gradients. The ReLU's mask is not stored anywhere: act(x) is
// computed again by the same function as in the forward pass, and the ReLU was closed exactly where act(x) <= 0.
//
// Cost: x and grad_y are read once, grad_x is written once (and read once to be added to); 18 multiply-adds for an element of x. Memory
// bandwidth is the bound. grad_x `=` or `+=` by accumulate_x, the others by accumulate_weight; bf16: the gradient is rounded, then added
// in float. Deterministic: a thread adds up its own columns of a strip, the block adds its threads in order, and a second kernel
// (detail/partials.cuh) adds the blocks in order.
//
// Mapping, 3x3 with padding 1: a thread has four channels and the columns 2j, 2j+1 of x.
//   stride 1: row i of grad_y, columns 2j-1 .. 2j+2, is read once. Taps r = 0 complete row i-1 of grad_x, r = 1 add to row i, r = 2 begin
//             row i+1; the filter's gradients need act(x) of the rows i-1, i, i+1, which the thread keeps.
//   stride 2: a pixel of x meets one, two or four taps, by its parity. A thread takes the pixels (2i, 2i+1) x (2j, 2j+1) at once, which
//             need grad_y at (i, i+1) x (j, j+1) and use each of the nine taps once: no parity is ever tested.
//
//   blocks at batch 32   128x128x32 s2   64x64x64 s2   32x32x128 s2   125x125x128   63x63x256   32x32x728   16x16x728   8x8x1536
//   fp32                 576             640           384            768           1024        736         736         1536
//   bf16                 576             192           128            768           384         256         128         768
#include "kernels/cuda/detail/depthwise_any.cuh"
#include "kernels/cuda/detail/depthwise_tile.cuh"
#include "kernels/cuda/detail/partials.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 192;      // but 8 pairs of columns at least: 368 threads for 184 bf16 channels
constexpr int kMostThreads = 384;  // keeps the registers of a thread at 168, so that two blocks of 192 share a multiprocessor
constexpr int kStages = 4;
constexpr int kSums = 10;  // per channel: nine taps and the bias

using Row = ChannelsOfThread;

/// What the kernel is asked for beside its shapes.
struct Wanted {
  bool x_read, grad_x;
  float* partial;  ///< (pieces, kSums, C); null when neither filter nor bias gradients are wanted
};

/// Shared memory: the tile's parameters (floats), a ring of kStages stages of a row of grad_y and kStride rows of x, and two times kStride
/// rows of grad_x, laid out as x, of which one half is stored while the other is computed; in the end every thread's sums. In elements.
/// Thread j's columns are the pixels 2j, 2j+1 of x, and 2j .. 2j+3 of grad_y at stride 1, j and j+1 at stride 2.
struct BackwardLayout {
  TileRow grad_y, x;
  int stage;
  std::size_t bytes;
};

template <int kStride, class T>
BackwardLayout backward_layout(const DepthwiseTiling& t) {
  const TileRow grad_y = tile_row<T>(kStride == 1 ? 2 * t.pairs + 2 : t.pairs + 1, t.chunks, kStride == 1);
  const TileRow x = tile_row<T>(2 * t.pairs, t.chunks, true);
  const int stage = grad_y.size + kStride * x.size;
  const std::size_t rows = (kStages * stage + 2 * kStride * x.size) * sizeof(T), sums = kSums * t.groups * t.pairs * sizeof(Row);
  return {grad_y, x, stage, StagedParameters::bytes(x.width) + std::max(rows, sums)};
}

/// What a thread keeps in registers whatever the stride.
struct ThreadSums {
  Row weight[9], grad_weight[9], grad_bias, scale, shift;
  bool relu_after;
  float floor;                       ///< of act: 0 with a ReLU, -infinity without
  bool first_inside, second_inside;  ///< whether columns 2j, 2j+1 are in the image

  __device__ __forceinline__ void start(const float* parameters, int width, bool relu, int first_column, int image_width) {
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) {
      weight[tap] = load_channels(parameters + tap * width);
      grad_weight[tap] = Row{};
    }
    scale = load_channels(parameters + StagedParameters::kScale * width);
    shift = load_channels(parameters + StagedParameters::kShift * width);
    grad_bias = Row{};
    floor = relu ? 0.0f : -INFINITY;
    relu_after = relu;
    first_inside = first_column < image_width;
    second_inside = first_column + 1 < image_width;
  }

  /// act(x) at columns 2j and 2j+1, zero outside: `row` is the first one's place, `plane` leads to the second's.
  template <class T>
  __device__ __forceinline__ void load_act(const T* row, int plane, Row (&act)[2]) const {
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      const Row x = load_channels(row + column * plane);
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) act[column][k] = at_least(apply_affine(scale[k], x[k], shift[k]), floor);
    }
    if (second_inside) return;
#pragma unroll
    for (int k = 0; k < kChannelsPerThread; ++k) {
      act[0][k] = first_inside ? act[0][k] : 0.0f;
      act[1][k] = 0.0f;
    }
  }

  /// One tap at one pixel of x: its share of the gradient there, and of the tap's own.
  __device__ __forceinline__ void add_tap(int tap, const Row& grad_y, const Row& act, Row& grad_x) {
#pragma unroll
    for (int k = 0; k < kChannelsPerThread; ++k) {
      grad_x[k] = fmaf(grad_y[k], weight[tap][k], grad_x[k]);
      grad_weight[tap][k] = fmaf(grad_y[k], act[k], grad_weight[tap][k]);
    }
  }

  __device__ __forceinline__ void add_bias(const Row& grad_y) {
#pragma unroll
    for (int k = 0; k < kChannelsPerThread; ++k) grad_bias[k] += grad_y[k];
  }

  /// Stores a finished pixel, zero where the ReLU was closed. relu(a) <= 0 exactly where a <= 0; NaN passes.
  template <class T>
  __device__ __forceinline__ void finish(T* destination, Row grad_x, const Row& act) const {
#pragma unroll
    for (int k = 0; k < kChannelsPerThread; ++k) grad_x[k] = relu_after && act[k] <= 0.0f ? 0.0f : grad_x[k];
    store_vector<kChannelsPerThread>(destination, grad_x);
  }
};

/// Where a thread's pixels lie in the current stage. What is not there is null: grad_y and x stand for zeros then, grad_x is not stored.
template <class T>
struct Stage {
  const T* grad_y;
  const T* x[2];
  T* grad_x[2];
  int grad_y_plane, x_plane, width;  ///< elements from the first plane to the second, and of a pixel
  bool counts;                       ///< stride 1: the row of grad_y is one of this strip's, for the bias
};

template <int kStride>
struct BackwardThread;

template <>
struct BackwardThread<1> : ThreadSums {
  static constexpr int kLead = 2;  ///< stages before the first row of grad_x is complete
  Row above[2]{}, same[2]{};       ///< grad_x of the rows i-1 and i so far
  Row act_above[2]{}, act_same[2]{};

  /// Stage: row i of grad_y, row i+1 of x, row i-1 of grad_x.
  template <class T>
  __device__ __forceinline__ void step(const Stage<T>& stage) {
    Row act_below[2]{}, below[2]{};
    if (stage.x[0]) load_act(stage.x[0], stage.x_plane, act_below);
    if (stage.grad_y) {
#pragma unroll
      for (int i = 0; i < 4; ++i) {  // column 2j - 1 + i
        const Row grad_y = load_channels(stage.grad_y + (i & 1) * stage.grad_y_plane + (i >> 1) * stage.width);
#pragma unroll
        for (int column = 0; column < 2; ++column) {
          const int s = column + 2 - i;  // column w of x meets column w + 1 - s of grad_y at tap s
          if (s < 0 || s > 2) continue;
          add_tap(0 + s, grad_y, act_above[column], above[column]);
          add_tap(3 + s, grad_y, act_same[column], same[column]);
          add_tap(6 + s, grad_y, act_below[column], below[column]);
        }
        if (stage.counts && (i == 1 || i == 2)) add_bias(grad_y);
      }
    }
#pragma unroll
    for (int column = 0; column < 2; ++column) {
      if (stage.grad_x[0]) finish(stage.grad_x[0] + column * stage.x_plane, above[column], act_above[column]);
      above[column] = same[column];
      same[column] = below[column];
      act_above[column] = act_same[column];
      act_same[column] = act_below[column];
    }
  }
};

template <>
struct BackwardThread<2> : ThreadSums {
  static constexpr int kLead = 1;
  Row grad_y_above[2]{};  ///< grad_y at (i, j) and (i, j+1)

  /// Stage: row i+1 of grad_y, rows 2i and 2i+1 of x and of grad_x. The first stage brings row i of grad_y only.
  template <class T>
  __device__ __forceinline__ void step(const Stage<T>& stage) {
    Row grad_y[2][2]{};
#pragma unroll
    for (int j = 0; j < 2; ++j) {
      grad_y[0][j] = grad_y_above[j];
      if (stage.grad_y) grad_y[1][j] = load_channels(stage.grad_y + j * stage.width);
      grad_y_above[j] = grad_y[1][j];
    }
    add_bias(grad_y[0][0]);  // zero in the first stage
#pragma unroll
    for (int row = 0; row < 2; ++row) {
      Row act[2]{}, grad_x[2]{};
      if (stage.x[row]) load_act(stage.x[row], stage.x_plane, act);
#pragma unroll
      for (int r = 0; r < 3; ++r) {
        if ((r != 1) != (row == 1)) continue;  // even rows of x meet tap r = 1 only, odd rows r = 0 (from row i+1) and r = 2 (from row i)
#pragma unroll
        for (int s = 0; s < 3; ++s) {  // and columns likewise
          const int column = s == 1 ? 0 : 1;
          add_tap(3 * r + s, grad_y[r == 0][s == 0], act[column], grad_x[column]);
        }
      }
#pragma unroll
      for (int column = 0; column < 2; ++column) {
        if (stage.grad_x[row]) finish(stage.grad_x[row] + column * stage.x_plane, grad_x[column], act[column]);
      }
    }
  }
};

/// The block's sums over its threads of a row, in order of the columns, to partial (kSums, C). All threads must call.
__device__ inline void store_partial(const ThreadSums& sums, float* shared, float* partial, const DepthwiseBlock& block, int channels) {
  const int x = static_cast<int>(threadIdx.x), y = static_cast<int>(threadIdx.y), groups = static_cast<int>(blockDim.x),
            pairs = static_cast<int>(blockDim.y);
#pragma unroll
  for (int i = 0; i < kSums; ++i) {
    store_vector<kChannelsPerThread>(shared + ((y * kSums + i) * groups + x) * kChannelsPerThread,
                                     i < 9 ? sums.grad_weight[i] : sums.grad_bias);
  }
  __syncthreads();
  if (block.lane_channel() >= block.channels) return;
  for (int i = y; i < kSums; i += pairs) {
    Row total{};
    for (int j = 0; j < pairs; ++j) {
      const Row one = load_channels(shared + ((j * kSums + i) * groups + x) * kChannelsPerThread);
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) total[k] += one[k];
    }
    store_vector<kChannelsPerThread>(partial + i * channels + block.channel + block.lane_channel(), total);
  }
}

template <int kStride, class T>
__global__ void __launch_bounds__(kMostThreads)
    backward_3x3_kernel(DepthwiseConvBackward<T> a, DepthwiseTiling tiling, BackwardLayout layout, Wanted wanted) {
  constexpr int kLead = BackwardThread<kStride>::kLead;
  const int height = static_cast<int>(a.shape.height), width = static_cast<int>(a.shape.width);
  const int channels = static_cast<int>(a.shape.channels);
  const int out_height = (height - 1) / kStride + 1, out_width = (width - 1) / kStride + 1;
  const DepthwiseBlock block(tiling, kPerLoad<T>, channels, out_height);
  const int first_column = block.column_tile * tiling.pairs * 2, first_out_column = kStride == 1 ? first_column - 1 : first_column / 2;

  float* const parameters = dynamic_shared<float>();
  T* const ring = reinterpret_cast<T*>(parameters + StagedParameters::kRows * block.width);
  T* const finished = ring + kStages * layout.stage;

  // Stage k brings row p = first_row - (1 at stride 1) + k of grad_y and kStride rows of x from h = (first_row - 1 + k) * kStride on (+ 1
  // at stride 1); of x those of this strip only, which are first_row * kStride .. end_row * kStride - 1 and exist.
  const RowMover<T> grad_y_mover(tiling, block, layout.grad_y, first_out_column, out_width, channels);
  const RowMover<T> x_mover(tiling, block, layout.x, first_column, width, channels);
  const int begin_x = block.first_row * kStride, end_x = min(height, block.end_row * kStride),
            end_grad_y = min(out_height, block.end_row + 1);
  const int first_p = block.first_row - (kStride == 1 ? 1 : 0), first_h = kStride == 1 ? block.first_row : begin_x - 2;
  const int x_row_size = width * channels, grad_y_row_size = out_width * channels;
  int fetch_p = first_p, fetch_h = first_h;
  const T* grad_y_source =
      a.grad_y + (static_cast<std::int64_t>(block.image) * out_height + fetch_p) * grad_y_row_size + grad_y_mover.global;
  const T* x_source = a.x + (static_cast<std::int64_t>(block.image) * height + fetch_h) * x_row_size + x_mover.global;
  RingPlace<T> fetch_place(ring, kStages, layout.stage);
  const auto fetch_stage = [&] {
    if (fetch_p >= 0 && fetch_p < end_grad_y) grad_y_mover.fetch(fetch_place.at + grad_y_mover.shared, grad_y_source);
    ++fetch_p;
    grad_y_source += grad_y_row_size;
#pragma unroll
    for (int i = 0; i < kStride; ++i) {
      if (wanted.x_read && fetch_h >= begin_x && fetch_h < end_x) {
        x_mover.fetch(fetch_place.at + layout.grad_y.size + i * layout.x.size + x_mover.shared, x_source);
      }
      ++fetch_h;
      x_source += x_row_size;
    }
    commit_copies();
    fetch_place.advance();
  };
#pragma unroll 1
  for (int k = 0; k < kStages - 1; ++k) fetch_stage();
  grad_y_mover.clear_outside(ring, kStages, layout.stage);
#pragma unroll
  for (int i = 0; i < kStride; ++i) x_mover.clear_outside(ring + layout.grad_y.size + i * layout.x.size, kStages, layout.stage);
  StagedParameters::stage(parameters, block, channels, a.weight, a.prologue, static_cast<const float*>(nullptr));
  __syncthreads();

  const int j = static_cast<int>(threadIdx.y), own_pixel = j * block.width + block.lane_channel();
  BackwardThread<kStride> thread;
  thread.start(parameters + block.lane_channel(), block.width, a.prologue.relu, first_column + 2 * j, width);

  T* destination = a.grad_x + (static_cast<std::int64_t>(block.image) * height + begin_x) * x_row_size + x_mover.global;
  int stored_h = begin_x;
  const auto store_finished = [&](int k) {  // the rows of grad_x that stage k has completed
    if (!wanted.grad_x) return;
#pragma unroll
    for (int i = 0; i < kStride; ++i) {
      if (stored_h < end_x) x_mover.put(finished + (kStride * (k & 1) + i) * layout.x.size + x_mover.shared, destination, a.accumulate_x);
      ++stored_h;
      destination += x_row_size;
    }
  };

  RingPlace<T> place(ring, kStages, layout.stage);
  const int stages = block.end_row - block.first_row + kLead;
  for (int k = 0, p = first_p, h = first_h; k < stages; ++k, ++p, h += kStride) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // stage k has landed for all, and stage k - 1 and the finished rows before the last may be overwritten
    fetch_stage();
    if (k > kLead) store_finished(k - 1);
    Stage<T> stage{.grad_y = p >= 0 && p < out_height ? place.at + own_pixel : nullptr,
                   .grad_y_plane = layout.grad_y.plane,
                   .x_plane = layout.x.plane,
                   .width = block.width,
                   .counts = p >= block.first_row && p < block.end_row};
#pragma unroll
    for (int i = 0; i < kStride; ++i) {
      stage.x[i] =
          wanted.x_read && h + i >= begin_x && h + i < end_x ? place.at + layout.grad_y.size + i * layout.x.size + own_pixel : nullptr;
      stage.grad_x[i] = wanted.grad_x && k >= kLead ? finished + (kStride * (k & 1) + i) * layout.x.size + own_pixel : nullptr;
    }
    place.advance();
    thread.step(stage);
  }
  __syncthreads();
  store_finished(stages - 1);
  if (!wanted.partial) return;
  __syncthreads();
  const std::int64_t piece = static_cast<std::int64_t>(block.image) * gridDim.y + blockIdx.y;
  store_partial(thread, reinterpret_cast<float*>(ring), wanted.partial + piece * kSums * channels, block, channels);
}

template <int kStride, class T>
void launch_3x3(const LaunchContext& context, const DepthwiseConvBackward<T>& a, const Wanted& wanted, const DepthwiseTiling& tiling) {
  const BackwardLayout layout = backward_layout<kStride, T>(tiling);
  launch(backward_3x3_kernel<kStride, T>, tiling.grid(), tiling.block(), layout.bytes, stream_of(context), a, tiling, layout, wanted);
}

}  // namespace

template <class T>
void depthwise_conv_backward(const LaunchContext& context, const DepthwiseConvBackward<T>& a) {
  const auto& s = a.shape;
  const bool sums = a.grad_weight || a.grad_bias;
  if (s.batch * s.out_height() * s.out_width() * s.channels == 0 || (!sums && !a.grad_x)) return;
  if (!depthwise_tiled<T>(s, a.x, a.grad_y, a.grad_x)) return depthwise_backward_any(context, a);
  const double size = sizeof(T), x = size * s.height * s.width, y = size * s.out_height() * s.out_width();
  const double halo = s.stride == 1 ? 2 : 1;  // rows of grad_y that two strips need, columns that two tiles need
  const DepthwiseTiling tiling = depthwise_tiling<T>(
      s, kThreads, kMostThreads,
      {.least = 2 * x + y, .strip = halo * size * s.out_width(), .tile = halo * size * s.out_height(), .block = 9 * size + 8 + 4 * kSums});
  const int count = kSums * static_cast<int>(s.channels);
  const Wanted wanted{.x_read = a.grad_weight || (a.grad_x && a.prologue.relu),
                      .grad_x = a.grad_x != nullptr,
                      .partial = sums ? scratch<float>(context, tiling.pieces() * count) : nullptr};
  s.stride == 1 ? launch_3x3<1>(context, a, wanted, tiling) : launch_3x3<2>(context, a, wanted, tiling);
  if (sums) {
    sum_partials(context, {wanted.partial, tiling.pieces(), count, 9 * static_cast<int>(s.channels), a.grad_weight, a.grad_bias,
                           a.accumulate_weight});
  }
}

SEPIA_INSTANTIATE(depthwise_conv_backward, DepthwiseConvBackward)

}  // namespace sepia::kernels::cuda
