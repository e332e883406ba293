// Depthwise convolution, forward (formula and shapes: kernels/depthwise_conv.h; Chollet 2017, "Xception"). NHWC: x (N, H, W, C),
// weight (R, S, C), y (N, P, Q, C).
//
//   y[n, p, q, c] = bias[c] + sum_{r, s} act(x)[n, p*stride + r - padding, q*stride + s - padding, c] * weight[r, s, c]
//
// Cost: x is read once and y written once; 9 multiply-adds for an element of y are far below what a GPU can do in that time, so
// memory bandwidth is the bound. Writes `=`. Deterministic: every element of y has one thread, which adds its taps in a fixed order.
//
// Mapping, 3x3 with padding 1 (all layers of the networks). A block has one image, a channel tile (128 bytes of a pixel as a rule), a
// tile of columns and a strip of rows, and walks down the strip. kStages stages of input rows lie in a ring in shared memory, filled by
// asynchronous copies several rows ahead: while one row is computed the next ones are on their way, with few threads.
//
//        global x --cp.async--> ring of rows --> registers --> finished row of y in shared memory --16-byte stores--> global y
//
//   stride 1: a thread computes y at columns (2j, 2j+1) from the input columns 2j-1 .. 2j+2. Each input row is read once and adds to
//             three rows of y: taps r = 2 complete the row above, r = 1 the same row, r = 0 begin the row below.
//   stride 2: a thread computes y at column j from the input columns 2j-1, 2j, 2j+1, and takes two input rows at a time: row 2p adds
//             its taps r = 1 to row p; row 2p+1 completes row p with r = 2 and begins row p+1 with r = 0. No tap is ever tested for parity.
// So a thread keeps nine weights of four channels and one or two rows of sums, and reads a stored element of x 1.5 to 2 times from
// shared memory, never again from global. Padding is zero after act: threads at the border mask columns, and a row outside is zeros.
// What is read twice is the halo: one row above and below a strip, one column beside a tile. Tiles are cut so that this and the filters,
// which every block reads, stay below 4% of all bytes (detail/depthwise_tile.cuh).
//
//   blocks at batch 32   128x128x32 s2   64x64x64 s2   32x32x128 s2   125x125x128   63x63x256   32x32x728   16x16x728   8x8x1536
//   fp32                 320             192           256            768           768         736         736         1536
//   bf16                 320             128           128            512           512         256         128         768
#include "kernels/cuda/detail/depthwise_any.cuh"
#include "kernels/cuda/detail/depthwise_tile.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;      // but 8 pairs of columns at least: 368 threads for 184 bf16 channels
constexpr int kMostThreads = 512;  // keeps the registers of a thread at 128, so that two blocks of 256 share a multiprocessor
constexpr int kStages = 5;

/// What a thread computes and reads: kOutputs neighbouring columns of y from kColumns neighbouring columns of x, which are the pixels
/// 2j .. 2j + kColumns - 1 of a row of x in shared memory.
template <int kStride>
inline constexpr int kOutputs = kStride == 1 ? 2 : 1;
template <int kStride>
inline constexpr int kColumns = kStride == 1 ? 4 : 3;

/// Shared memory: the tile's parameters (floats), a ring of kStages times kStride rows of x, and two rows of y, of which one is stored
/// while the next one is computed. In elements.
struct ForwardLayout {
  TileRow x, y;
  int stage;
  std::size_t bytes;
};

template <int kStride, class T>
ForwardLayout forward_layout(const DepthwiseTiling& t) {
  const TileRow x = tile_row<T>(2 * t.pairs + kColumns<kStride> - 2, t.chunks, true);
  const TileRow y = tile_row<T>(kOutputs<kStride> * t.pairs, t.chunks, kStride == 1);
  const int stage = kStride * x.size;
  return {x, y, stage, StagedParameters::bytes(x.width) + (kStages * stage + 2 * y.size) * sizeof(T)};
}

/// What a thread keeps in registers on its way down, and what it does with a row of x. Row r of the filter: weight[3 * r + s].
template <int kStride>
struct ForwardThread {
  static constexpr int kOutputs = cuda::kOutputs<kStride>, kColumns = cuda::kColumns<kStride>;
  using Row = ChannelsOfThread;

  Row weight[9], scale, shift, bias[kOutputs];
  float floor;            ///< of act: 0 with a ReLU, -infinity without
  bool inside[kColumns];  ///< whether the column is one of the image
  bool at_border;         ///< not all are

  __device__ __forceinline__ ForwardThread(const float* parameters, int width, bool relu, int first_column, int image_width)
      : floor(relu ? 0.0f : -INFINITY), at_border(first_column < 0 || first_column + kColumns > image_width) {
#pragma unroll
    for (int tap = 0; tap < 9; ++tap) weight[tap] = load_channels(parameters + tap * width);
    scale = load_channels(parameters + StagedParameters::kScale * width);
    shift = load_channels(parameters + StagedParameters::kShift * width);
#pragma unroll
    for (int output = 0; output < kOutputs; ++output) bias[output] = load_channels(parameters + StagedParameters::kBias * width);
#pragma unroll
    for (int column = 0; column < kColumns; ++column)
      inside[column] = static_cast<unsigned>(first_column + column) < static_cast<unsigned>(image_width);
  }

  /// act(x) at this thread's columns of a row: `row` is its first pixel's place. Zero in the padding: left, right, and if !row_inside.
  template <class T>
  __device__ __forceinline__ void load(const T* row, int plane, int width, bool row_inside, Row (&act)[kColumns]) const {
    if (!row_inside) {
#pragma unroll
      for (int column = 0; column < kColumns; ++column) act[column] = Row{};
      return;
    }
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
      const Row x = load_channels(row + (column & 1) * plane + (column >> 1) * width);
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) act[column][k] = at_least(apply_affine(scale[k], x[k], shift[k]), floor);
    }
    if (!at_border) return;
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) act[column][k] = inside[column] ? act[column][k] : 0.0f;
    }
  }

  /// result = sum + the taps of filter row r on the columns `act`.
  __device__ __forceinline__ void add_taps(int r, const Row (&act)[kColumns], const Row (&sum)[kOutputs], Row (&result)[kOutputs]) const {
#pragma unroll
    for (int output = 0; output < kOutputs; ++output) {
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) {
        float total = sum[output][k];
#pragma unroll
        for (int s = 0; s < 3; ++s) total = fmaf(act[output + s][k], weight[3 * r + s][k], total);
        result[output][k] = total;
      }
    }
  }
};

template <int kStride, class T>
__global__ void __launch_bounds__(kMostThreads)
    forward_3x3_kernel(DepthwiseConvForward<T> a, DepthwiseTiling tiling, ForwardLayout layout) {
  using Thread = ForwardThread<kStride>;
  constexpr int kOutputs = Thread::kOutputs, kColumns = Thread::kColumns;
  constexpr int kLead = kStride == 1 ? 2 : 1;  // stages before the first row of y is complete
  const int height = static_cast<int>(a.shape.height), width = static_cast<int>(a.shape.width),
            channels = static_cast<int>(a.shape.channels);
  const int out_height = (height - 1) / kStride + 1, out_width = (width - 1) / kStride + 1;
  const DepthwiseBlock block(tiling, kPerLoad<T>, channels, out_height);
  const int first_output = block.column_tile * tiling.pairs * kOutputs, first_column = first_output * kStride - 1;

  float* const parameters = dynamic_shared<float>();
  T* const ring = reinterpret_cast<T*>(parameters + StagedParameters::kRows * block.width);
  T* const finished = ring + kStages * layout.stage;

  // Stage k brings the kStride rows of x from (first_row - 1 + k) * stride on, those of them that are needed and exist.
  const RowMover<T> x_mover(tiling, block, layout.x, first_column, width, channels);
  const int begin_needed = max(0, block.first_row * kStride - 1),
            end_needed = min(height, block.end_row * kStride + (kStride == 1 ? 1 : 0));
  const int x_row_size = width * channels;
  int fetch_row = (block.first_row - 1) * kStride;
  const T* source = a.x + (static_cast<std::int64_t>(block.image) * height + fetch_row) * x_row_size + x_mover.global;
  RingPlace<T> fetch_place(ring + x_mover.shared, kStages, layout.stage);
  const auto fetch_stage = [&] {
#pragma unroll
    for (int i = 0; i < kStride; ++i) {
      if (fetch_row >= begin_needed && fetch_row < end_needed) x_mover.fetch(fetch_place.at + i * layout.x.size, source);
      ++fetch_row;
      source += x_row_size;
    }
    commit_copies();
    fetch_place.advance();
  };
#pragma unroll 1
  for (int k = 0; k < kStages - 1; ++k) fetch_stage();
  x_mover.clear_outside(ring, kStages * kStride, layout.x.size);
  StagedParameters::stage(parameters, block, channels, a.weight, a.prologue, a.bias);
  __syncthreads();

  const int j = static_cast<int>(threadIdx.y), own_pixel = j * block.width + block.lane_channel();
  const Thread thread(parameters + block.lane_channel(), block.width, a.prologue.relu, first_column + 2 * j, width);
  // Sums of rows of y that are under way. Stride 1: `next` has its taps r = 0 and 1, `after` r = 0. Stride 2: `next` has r = 0.
  ChannelsOfThread next[kOutputs], after[kOutputs], act[kColumns], y[kOutputs];
#pragma unroll
  for (int output = 0; output < kOutputs; ++output) next[output] = after[output] = thread.bias[output];

  const RowMover<T> y_mover(tiling, block, layout.y, first_output, out_width, channels);
  const int y_row_size = out_width * channels;
  T* destination = a.y + (static_cast<std::int64_t>(block.image) * out_height + block.first_row) * y_row_size + y_mover.global;
  const auto store_finished = [&](int k) {  // the row of y that stage k has completed
    y_mover.put(finished + (k & 1) * layout.y.size + y_mover.shared, destination, Accumulate::kWrite);
    destination += y_row_size;
  };

  RingPlace<T> place(ring, kStages, layout.stage);
  const int stages = block.end_row - block.first_row + kLead;
  for (int k = 0, row = (block.first_row - 1) * kStride; k < stages; ++k, row += kStride) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // stage k has landed for all, and stage k - 1 and the finished row before the last may be overwritten
    fetch_stage();
    if (k > kLead) store_finished(k - 1);

    const T* const stage = place.at + own_pixel;
    place.advance();
    if constexpr (kStride == 1) {
      thread.load(stage, layout.x.plane, block.width, row >= 0 && row < height, act);
      thread.add_taps(2, act, next, y);
      thread.add_taps(1, act, after, next);
      thread.add_taps(0, act, thread.bias, after);
    } else {
      thread.load(stage, layout.x.plane, block.width, k > 0, act);
      thread.add_taps(1, act, next, y);
      thread.load(stage + layout.x.size, layout.x.plane, block.width, row + 1 >= 0 && row + 1 < height, act);
      thread.add_taps(2, act, y, y);
      thread.add_taps(0, act, thread.bias, next);
    }
    if (k < kLead) continue;
#pragma unroll
    for (int output = 0; output < kOutputs; ++output) {
      store_vector<kChannelsPerThread>(finished + (k & 1) * layout.y.size + own_pixel + output * layout.y.plane, y[output]);
    }
  }
  __syncthreads();
  store_finished(stages - 1);
}

template <int kStride, class T>
void launch_3x3(const LaunchContext& context, const DepthwiseConvForward<T>& a) {
  const auto& s = a.shape;
  const double size = sizeof(T), x = size * s.height * s.width, y = size * s.out_height() * s.out_width();
  constexpr int kHalo = kStride == 1 ? 2 : 1;  // rows of x that two strips need, columns that two tiles need
  const DepthwiseCost cost{.least = x + y, .strip = kHalo * size * s.width, .tile = kHalo * size * s.height, .block = 9 * size + 12};
  const DepthwiseTiling tiling = depthwise_tiling<T>(s, kThreads, kMostThreads, cost);
  const ForwardLayout layout = forward_layout<kStride, T>(tiling);
  launch(forward_3x3_kernel<kStride, T>, tiling.grid(), tiling.block(), layout.bytes, stream_of(context), a, tiling, layout);
}

}  // namespace

template <class T>
void depthwise_conv_forward(const LaunchContext& context, const DepthwiseConvForward<T>& a) {
  const auto& s = a.shape;
  if (s.batch * s.out_height() * s.out_width() * s.channels == 0) return;
  if (!depthwise_tiled<T>(s, a.x, a.y)) return depthwise_forward_any(context, a);
  s.stride == 1 ? launch_3x3<1>(context, a) : launch_3x3<2>(context, a);
}

SEPIA_INSTANTIATE(depthwise_conv_forward, DepthwiseConvForward)

}  // namespace sepia::kernels::cuda
