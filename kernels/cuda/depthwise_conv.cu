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
// shared memory, never again from global. Padding is zero after act, so a column outside is masked, and a row outside is left out.
// What is read twice is the halo: one row above and below a strip, one column beside a tile. Tiles are cut so that this stays
// below 3.5% of all bytes (detail/depthwise_tile.cuh). Blocks of up to 256 threads for a batch of 32 pictures:
//   edgenet 128x128x32 s2: 320   64x64x64 s2: 192 (fp32)   xception 125x125x128: 512   32x32x728: 416   16x16x728: 416 (bf16: 128)
#include "kernels/cuda/detail/depthwise_any.cuh"
#include "kernels/cuda/detail/depthwise_tile.cuh"
#include "kernels/cuda/detail/shared.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kMaxThreads = 256;   // but 8 pairs of columns at least: 368 threads for 184 bf16 channels
constexpr int kMostThreads = 512;  // keeps the registers of a thread at 128, so that two blocks of 256 share a multiprocessor
constexpr int kStages = 5;

/// Rows of a tile in shared memory. A thread's input columns are the pixels 2j .. 2j + kColumns - 1 of a row of x.
template <int kStride>
struct ForwardRows {
  static constexpr int kOutputs = kStride == 1 ? 2 : 1;  ///< of y, side by side, that a thread computes
  static constexpr int kColumns = kStride == 1 ? 4 : 3;  ///< of x that they need
  TileRow x, y;

  __host__ __device__ constexpr explicit ForwardRows(const DepthwiseTiling& t)
      : x{2 * t.pairs + kColumns - 2, t.chunks, true}, y{kOutputs * t.pairs, t.chunks, kStride == 1} {}
  /// Chunks: the ring, and two rows of y (one is stored while the next one is computed).
  constexpr int chunks() const { return kStages * kStride * x.size() + 2 * y.size(); }
};

/// What a thread keeps in registers on its way down, and what it does with a row of x. Row r of the filter: weight[3 * r + s].
template <int kStride>
struct ForwardThread {
  static constexpr int kOutputs = ForwardRows<kStride>::kOutputs, kColumns = ForwardRows<kStride>::kColumns;
  using Row = Floats<kChannelsPerThread>;

  Row weight[9], scale, shift, bias;
  bool relu_after;
  bool inside[kColumns];  ///< whether the column is one of the image

  /// sum + the taps of filter row r on the columns `act`.
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

  /// act(x) at this thread's columns; `row` is its first pixel's in the first plane.
  template <class T>
  __device__ __forceinline__ void load(const T* row, int plane, int width, Row (&act)[kColumns]) const {
#pragma unroll
    for (int column = 0; column < kColumns; ++column) {
      act[column] = load_vector<kChannelsPerThread>(row + (column & 1) * plane + (column >> 1) * width);
#pragma unroll
      for (int k = 0; k < kChannelsPerThread; ++k) {
        const float value = ChannelPrologue{scale[k], shift[k], relu_after}.value(act[column][k]);
        act[column][k] = inside[column] ? value : 0.0f;
      }
    }
  }
};

template <int kStride, class T>
__global__ void __launch_bounds__(kMostThreads) forward_3x3_kernel(DepthwiseConvForward<T> a, DepthwiseTiling tiling) {
  using Thread = ForwardThread<kStride>;
  constexpr int kOutputs = Thread::kOutputs, kColumns = Thread::kColumns;
  constexpr int kLead = kStride == 1 ? 2 : 1;  // stages before the first row of y is complete
  const int height = static_cast<int>(a.shape.height), width = static_cast<int>(a.shape.width),
            channels = static_cast<int>(a.shape.channels);
  const int out_height = (height - 1) / kStride + 1, out_width = (width - 1) / kStride + 1;
  const DepthwiseBlock<T> block(tiling, channels, out_height);
  const ForwardRows<kStride> rows(tiling);
  const int first_output = block.column_tile * tiling.pairs * kOutputs, first_column = first_output * kStride - 1;

  float* const parameters = dynamic_shared<float>();
  T* const ring = reinterpret_cast<T*>(parameters + StagedParameters::kRows * block.width);
  const int row_size = rows.x.size() * kPerLoad<T>, stage_size = kStride * row_size, out_size = rows.y.size() * kPerLoad<T>;
  T* const finished = ring + kStages * stage_size;

  // Stage k holds the kStride rows of x from first_row*stride - kStride + k*stride. At stride 2 the first row of stage 0 is not needed.
  const int stages = block.end_row - block.first_row + kLead;
  const T* const image = a.x + static_cast<std::int64_t>(block.image) * height * width * channels;
  int fetched = 0, fetch_slot = 0;
  const auto fetch_stage = [&] {
    if (fetched < stages) {
#pragma unroll
      for (int i = 0; i < kStride; ++i) {
        const int row = (block.first_row - 1 + fetched) * kStride + i;
        if (row < 0 || row >= height || (kStride == 2 && i == 0 && fetched == 0)) continue;
        block.fetch(ring + fetch_slot * stage_size + i * row_size, rows.x, image + static_cast<std::int64_t>(row) * width * channels,
                    first_column, width, channels, true);
      }
    }
    commit_copies();
    ++fetched;
    fetch_slot = fetch_slot + 1 == kStages ? 0 : fetch_slot + 1;
  };
  for (int k = 0; k < kStages - 1; ++k) fetch_stage();

  StagedParameters::stage(parameters, block, channels, a.weight, a.prologue, a.bias);
  __syncthreads();
  Thread thread;
  const float* const own = parameters + block.lane_channel();
#pragma unroll
  for (int tap = 0; tap < 9; ++tap) thread.weight[tap] = load_vector<kChannelsPerThread>(own + tap * block.width);
  thread.scale = load_vector<kChannelsPerThread>(own + StagedParameters::kScale * block.width);
  thread.shift = load_vector<kChannelsPerThread>(own + StagedParameters::kShift * block.width);
  thread.bias = load_vector<kChannelsPerThread>(own + StagedParameters::kBias * block.width);
  thread.relu_after = a.prologue.relu;
  const int j = static_cast<int>(threadIdx.y);
#pragma unroll
  for (int column = 0; column < kColumns; ++column) {
    thread.inside[column] = static_cast<unsigned>(first_column + 2 * j + column) < static_cast<unsigned>(width);
  }

  // Sums of the rows of y that are under way: `next` gets taps r = 1 from the next stage on (stride 2: is the row to complete),
  // `after` (stride 1) has its taps r = 0 only.
  Floats<kChannelsPerThread> next[kOutputs], after[kOutputs], act[kColumns], y[kOutputs], bias[kOutputs];
#pragma unroll
  for (int output = 0; output < kOutputs; ++output) next[output] = after[output] = bias[output] = thread.bias;
  const int own_pixel = j * block.width + block.lane_channel(), plane = rows.x.plane() * kPerLoad<T>,
            out_plane = rows.y.plane() * kPerLoad<T>;
  T* const y_image = a.y + static_cast<std::int64_t>(block.image) * out_height * out_width * channels;
  const auto store_finished = [&](int row) {
    block.put(finished + (row & 1) * out_size, rows.y, y_image + static_cast<std::int64_t>(row) * out_width * channels, first_output,
              out_width, channels, Accumulate::kWrite);
  };

  int slot = 0;
  for (int k = 0; k < stages; ++k) {
    wait_for_copies<kStages - 2>();
    __syncthreads();  // stage k has landed for all, and stage k - 1 and the last finished row may be overwritten
    fetch_stage();
    const int p = block.first_row + k - kLead;  // the row of y that this stage completes
    if (k > kLead) store_finished(p - 1);

    const T* const stage = ring + slot * stage_size + own_pixel;
    const int first = (block.first_row - 1 + k) * kStride, last = first + kStride - 1;  // rows of x in this stage
    if (kStride == 1) {
      if (first >= 0 && first < height) {
        thread.load(stage, plane, block.width, act);
        thread.add_taps(2, act, next, y);
        thread.add_taps(1, act, after, next);
        thread.add_taps(0, act, bias, after);
      } else {
#pragma unroll
        for (int output = 0; output < kOutputs; ++output) {
          y[output] = next[output];
          next[output] = after[output];
          after[output] = bias[output];
        }
      }
    } else {
      if (k > 0) {
        thread.load(stage, plane, block.width, act);
        thread.add_taps(1, act, next, y);
      }
#pragma unroll
      for (int output = 0; output < kOutputs; ++output) next[output] = bias[output];
      if (last >= 0 && last < height) {
        thread.load(stage + row_size, plane, block.width, act);
        if (k > 0) thread.add_taps(2, act, y, y);
        thread.add_taps(0, act, bias, next);
      }
    }
    if (k >= kLead) {
#pragma unroll
      for (int output = 0; output < kOutputs; ++output) {
        store_vector<kChannelsPerThread>(finished + (p & 1) * out_size + own_pixel + output * out_plane, y[output]);
      }
    }
    slot = slot + 1 == kStages ? 0 : slot + 1;
  }
  __syncthreads();
  store_finished(block.end_row - 1);
}

template <int kStride, class T>
void launch_3x3(const LaunchContext& context, const DepthwiseConvForward<T>& a) {
  // One more strip reads two rows of x again at stride 1 (of x + y = 2 x), one of 2 P rows at stride 2 (of 5/4 x).
  const DepthwiseTiling tiling = depthwise_tiling<T>(a.shape, kMaxThreads, kStride == 1 ? 1.0 : 0.4);
  const std::size_t parameters = StagedParameters::kRows * static_cast<std::size_t>(tiling.chunks) * kPerLoad<T> * sizeof(float);
  launch(forward_3x3_kernel<kStride, T>, tiling.grid(), tiling.block(), parameters + 16 * ForwardRows<kStride>(tiling).chunks(),
         stream_of(context), a, tiling);
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
