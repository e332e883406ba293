// Batch normalisation (formulas: kernels/batch_norm.h; Ioffe and Szegedy 2015). x, grad_y, grad_x (M, C), all else (C) in float.
//
//   kernel              bytes moved per element (of s bytes each)
//   statistics          s          mean and variance
//   backward_sums       2 s        sum_g and sum_g_xhat
//   backward_input      3 s        grad_x = scale * (g - sum_g / M - (x - mean) * inv_std * sum_g_xhat / M); s more to add
//     frozen            2 s        grad_x = scale * g
//   affine              -          scale, shift, inv_std: a thread for each channel
//
// All stream: memory bandwidth is the bound. Statistics, sums and affine write `=`; grad_x is written or added. Deterministic: sums are
// added in an order that the shape alone decides.
//
// Mapping (detail/row_cut.cuh): a block has a tile of channels and a piece of the rows; a thread has N neighbouring channels (16 bytes
// where the channels allow it) and every blockDim.y-th row of the piece, several loads at a time. Some 1,000 blocks, fewer for small M.
//
// Variance. E[x^2] - E[x]^2 cancels. So each thread takes as its centre the mean of the first rows it loads, and sums d = x - centre and
// d^2, which are small: mean = centre + sum d / n, M2 = sum d^2 - (sum d)^2 / n. Threads, then blocks, are merged by the formula of Chan,
// Golub and LeVeque (1983) for any number of groups:  mean = sum n_i mean_i / sum n_i,  M2 = sum M2_i + sum n_i (mean_i - mean)^2.
// A matrix of one piece needs no second kernel.
#include "kernels/cuda/detail/partials.cuh"
#include "kernels/cuda/detail/row_cut.cuh"
#include "kernels/cuda/detail/workspace.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = kRowCutThreads;
constexpr int kMergeRows = 16;

/// Where the statistics of each channel go; `unbiased` may be null.
template <class A>
struct StatisticsOutput {
  A *mean, *variance, *unbiased;

  __device__ __forceinline__ void write(int c, std::int64_t rows, float its_mean, float m2) const {
    const auto count = static_cast<float>(rows);
    mean[c] = its_mean;
    variance[c] = m2 / count;
    if (unbiased) unbiased[c] = m2 / (rows > 1 ? static_cast<float>(rows - 1) : count);
  }
};

/// partial[piece][0][c] = mean, partial[piece][1][c] = M2 of the piece's rows; the only piece goes to `whole`.
template <int N, class T>
__global__ void __launch_bounds__(kThreads)
    statistics_kernel(const T* x, RowCut cut, float* partial, StatisticsOutput<Accumulator<T>> whole) {
  __shared__ ThreadSums<N> of_thread;
  const CutPlace<N> place(cut);
  const std::int64_t step = static_cast<std::int64_t>(blockDim.y) * cut.channels;
  Floats<N> centre{}, sum{}, squares{};
  int count = 0;
  std::int64_t row = place.begin + threadIdx.y;
  for (const T* source = x + row * cut.channels + place.channel; row < place.end;
       row += kBatch<N> * blockDim.y, source += kBatch<N> * step) {
    Floats<N> values[kBatch<N>];
#pragma unroll
    for (int b = 0; b < kBatch<N>; ++b) {
      if (row + b * blockDim.y < place.end) values[b] = load_vector<N>(source + b * step);
    }
    if (count == 0) {
#pragma unroll
      for (int b = 0; b < kBatch<N>; ++b) {
        if (row + b * blockDim.y >= place.end) continue;
        ++count;
#pragma unroll
        for (int k = 0; k < N; ++k) centre[k] += values[b][k];
      }
#pragma unroll
      for (int k = 0; k < N; ++k) centre[k] /= static_cast<float>(count);
      count = 0;
    }
#pragma unroll
    for (int b = 0; b < kBatch<N>; ++b) {
      if (row + b * blockDim.y >= place.end) continue;
      ++count;
#pragma unroll
      for (int k = 0; k < N; ++k) {
        const float d = values[b][k] - centre[k];
        sum[k] += d;
        squares[k] = fmaf(d, d, squares[k]);
      }
    }
  }
  const float share = count > 0 ? 1.0f / static_cast<float>(count) : 0.0f;
#pragma unroll
  for (int k = 0; k < N; ++k) {
    const float mean_of_d = sum[k] * share;
    centre[k] += mean_of_d;
    squares[k] = relu(fmaf(-mean_of_d, sum[k], squares[k]));  // rounding must not leave a variance below zero; NaN stays
  }
  const int row_of_sums = static_cast<int>(threadIdx.y) * cut.tile_floats;
  TileChannels<N>::store(cut, of_thread.first + row_of_sums, centre);
  TileChannels<N>::store(cut, of_thread.second + row_of_sums, squares);
  __syncthreads();

  const int thread_rows = static_cast<int>(blockDim.y),
            length = static_cast<int>(min(cut.rows, place.begin + cut.piece_rows) - place.begin);
  const int least = length / thread_rows, with_one_more = length - least * thread_rows;  // rows of thread row y: one more in the first few
  for_tile_channels<N>(cut, [&](int channel, int i) {
    float mean = 0.0f, m2 = 0.0f;
    for (int y = 0; y < thread_rows; ++y)
      mean += static_cast<float>(least + (y < with_one_more)) * of_thread.first[y * cut.tile_floats + i];
    mean /= static_cast<float>(length);
    for (int y = 0; y < thread_rows; ++y) {
      const float delta = of_thread.first[y * cut.tile_floats + i] - mean;
      m2 += fmaf(static_cast<float>(least + (y < with_one_more)) * delta, delta, of_thread.second[y * cut.tile_floats + i]);
    }
    if (cut.pieces == 1) return whole.write(channel, cut.rows, mean, m2);
    float* const destination = partial + static_cast<std::int64_t>(blockIdx.y) * 2 * cut.channels + channel;
    destination[0] = mean;
    destination[cut.channels] = m2;
  });
}

/// The sum over the block's thread rows of a value of each lane, in order; the same in all rows. All must call.
__device__ __forceinline__ float sum_of_rows(float (&of_row)[kMergeRows][32], float value) {
  of_row[threadIdx.y][threadIdx.x] = value;
  __syncthreads();
  float sum = 0.0f;
#pragma unroll
  for (int k = 0; k < kMergeRows; ++k) sum += of_row[k][threadIdx.x];
  __syncthreads();
  return sum;
}

/// Merges the pieces of 32 channels. Thread row y takes the pieces y, y + kMergeRows, ... and reads each once: the first one's mean is
/// its centre, as in the pieces themselves.
template <class A>
__global__ void __launch_bounds__(32 * kMergeRows) merge_pieces_kernel(const float* partial, RowCut cut, StatisticsOutput<A> whole) {
  __shared__ float of_row[kMergeRows][32];
  const int c = static_cast<int>(blockIdx.x * 32 + threadIdx.x), first = static_cast<int>(threadIdx.y);
  const std::int64_t row = 2 * static_cast<std::int64_t>(cut.channels);
  const bool active = c < cut.channels;
  const int pieces = active ? cut.pieces : 0;
  const float centre = first < pieces ? partial[first * row + c] : 0.0f;
  float count = 0.0f, sum = 0.0f, m2 = 0.0f;
  for (int piece = first; piece < pieces; piece += kMergeRows) {
    const auto rows =
        static_cast<float>(min(static_cast<std::int64_t>(cut.piece_rows), cut.rows - static_cast<std::int64_t>(piece) * cut.piece_rows));
    const float d = (piece == first ? centre : partial[piece * row + c]) - centre;
    count += rows;
    sum = fmaf(rows, d, sum);
    m2 += fmaf(rows * d, d, partial[piece * row + cut.channels + c]);
  }
  const float mean_of_d = count > 0.0f ? sum / count : 0.0f, own_mean = centre + mean_of_d;
  m2 = relu(fmaf(-mean_of_d, sum, m2));
  const float mean = sum_of_rows(of_row, count * own_mean) / static_cast<float>(cut.rows), delta = own_mean - mean;
  m2 = sum_of_rows(of_row, fmaf(count * delta, delta, m2));
  if (threadIdx.y == 0 && active) whole.write(c, cut.rows, mean, m2);
}

template <class A>
__global__ void __launch_bounds__(kThreads) affine_kernel(int channels, const A* mean, const A* variance, const A* gamma, const A* beta,
                                                          float eps, A* scale, A* shift, A* inv_std) {
  const int c = static_cast<int>(blockIdx.x) * kThreads + static_cast<int>(threadIdx.x);
  if (c >= channels) return;
  const float inverse = 1.0f / sqrtf(variance[c] + eps), factor = gamma[c] * inverse;
  inv_std[c] = inverse;
  scale[c] = factor;
  shift[c] = beta[c] - mean[c] * factor;
}

/// partial[piece][0][c] = sum g, partial[piece][1][c] = sum g * x_hat; the only piece's are the results. x enters as its deviation from
/// the mean, so that nothing cancels.
template <int N, class T>
__global__ void __launch_bounds__(kThreads) backward_sums_kernel(BatchNormBackwardSums<T> a, RowCut cut, float* partial) {
  __shared__ ThreadSums<N> of_thread;
  const CutPlace<N> place(cut);
  for_tile_channels<N>(cut, [&](int channel, int i) { of_thread.first[i] = a.mean[channel]; });
  __syncthreads();
  const Floats<N> mean = place.active ? TileChannels<N>::load(cut, of_thread.first) : Floats<N>{};
  __syncthreads();

  const std::int64_t step = static_cast<std::int64_t>(blockDim.y) * cut.channels;
  Floats<N> sum{}, sum_of_products{};
  std::int64_t row = place.begin + threadIdx.y;
  for (std::int64_t i = row * cut.channels + place.channel; row < place.end; row += kBatch<N> / 2 * blockDim.y, i += kBatch<N> / 2 * step) {
    Floats<N> x[kBatch<N> / 2], g[kBatch<N> / 2];
#pragma unroll
    for (int b = 0; b < kBatch<N> / 2; ++b) {
      if (row + b * blockDim.y >= place.end) continue;
      x[b] = load_vector<N>(a.x + i + b * step);
      g[b] = load_vector<N>(a.grad_y + i + b * step);
    }
#pragma unroll
    for (int b = 0; b < kBatch<N> / 2; ++b) {
      if (row + b * blockDim.y >= place.end) continue;
#pragma unroll
      for (int k = 0; k < N; ++k) {
        sum[k] += g[b][k];
        sum_of_products[k] = fmaf(g[b][k], x[b][k] - mean[k], sum_of_products[k]);
      }
    }
  }
  const int row_of_sums = static_cast<int>(threadIdx.y) * cut.tile_floats;
  TileChannels<N>::store(cut, of_thread.first + row_of_sums, sum);
  TileChannels<N>::store(cut, of_thread.second + row_of_sums, sum_of_products);
  __syncthreads();
  for_tile_channels<N>(cut, [&](int channel, int i) {
    float total = 0.0f, total_of_products = 0.0f;
    for (int y = 0; y < static_cast<int>(blockDim.y); ++y) {
      total += of_thread.first[y * cut.tile_floats + i];
      total_of_products += of_thread.second[y * cut.tile_floats + i];
    }
    total_of_products *= a.inv_std[channel];
    if (cut.pieces == 1) {
      a.sum_g[channel] = total;
      a.sum_g_xhat[channel] = total_of_products;
      return;
    }
    float* const destination = partial + static_cast<std::int64_t>(blockIdx.y) * 2 * cut.channels + channel;
    destination[0] = total;
    destination[cut.channels] = total_of_products;
  });
}

/// grad_x; kFrozen: x and the sums are not read.
template <int N, bool kFrozen, class T>
__global__ void __launch_bounds__(kThreads) backward_input_kernel(BatchNormBackwardInput<T> a, RowCut cut) {
  enum { kScale, kMean, kOffset, kSlope, kCoefficients };
  alignas(16) __shared__ float shared[kCoefficients][kTileCapacity<N> / 8];
  const CutPlace<N> place(cut);
  const float count = static_cast<float>(cut.rows);
  for_tile_channels<N>(cut, [&](int channel, int i) {
    shared[kScale][i] = a.scale[channel];
    if (kFrozen) return;
    shared[kMean][i] = a.mean[channel];
    shared[kOffset][i] = a.sum_g[channel] / count;
    shared[kSlope][i] = a.inv_std[channel] * (a.sum_g_xhat[channel] / count);
  });
  __syncthreads();
  if (!place.active) return;
  const Floats<N> scale = TileChannels<N>::load(cut, shared[kScale]);
  Floats<N> mean{}, offset{}, slope{};
  if (!kFrozen) {
    mean = TileChannels<N>::load(cut, shared[kMean]);
    offset = TileChannels<N>::load(cut, shared[kOffset]);
    slope = TileChannels<N>::load(cut, shared[kSlope]);
  }
  const std::int64_t step = static_cast<std::int64_t>(blockDim.y) * cut.channels;
  std::int64_t row = place.begin + threadIdx.y;
  for (std::int64_t i = row * cut.channels + place.channel; row < place.end; row += kBatch<N> / 2 * blockDim.y, i += kBatch<N> / 2 * step) {
    Floats<N> x[kBatch<N> / 2], g[kBatch<N> / 2];
#pragma unroll
    for (int b = 0; b < kBatch<N> / 2; ++b) {
      if (row + b * blockDim.y >= place.end) continue;
      g[b] = load_vector<N>(a.grad_y + i + b * step);
      if (!kFrozen) x[b] = load_vector<N>(a.x + i + b * step);
    }
#pragma unroll
    for (int b = 0; b < kBatch<N> / 2; ++b) {
      if (row + b * blockDim.y >= place.end) continue;
#pragma unroll
      for (int k = 0; k < N; ++k) {
        if (!kFrozen) g[b][k] -= fmaf(x[b][k] - mean[k], slope[k], offset[k]);
        g[b][k] *= scale[k];
      }
      put_vector<N>(a.grad_x + i + b * step, g[b], a.accumulate);
    }
  }
}

/// Two numbers for each piece and channel; null for a matrix of one piece.
float* scratch_for_pieces(const LaunchContext& context, const RowCut& cut) {
  return cut.pieces > 1 ? scratch<float>(context, 2 * static_cast<std::int64_t>(cut.channels) * cut.pieces) : nullptr;
}

}  // namespace

template <class T>
void batch_norm_statistics(const LaunchContext& context, const BatchNormStatistics<T>& a) {
  if (a.shape.channels == 0 || a.shape.rows == 0) return;
  with_vector_width<T>(
      a.shape.channels,
      [&](auto n) {
        const RowCut cut = row_cut<T, n()>(a.shape.rows, a.shape.channels);
        float* const partial = scratch_for_pieces(context, cut);
        const StatisticsOutput<Accumulator<T>> whole{a.mean, a.variance, a.unbiased_variance};
        launch(statistics_kernel<n(), T>, cut.grid(), cut.block(), 0, stream_of(context), a.x, cut, partial, whole);
        if (!partial) return;
        launch(merge_pieces_kernel<Accumulator<T>>, dim3(grid_extent(ceil_div(cut.channels, 32))), dim3(32, kMergeRows), 0,
               stream_of(context), partial, cut, whole);
      },
      a.x);
}

template <class T>
void batch_norm_affine(const LaunchContext& context, const BatchNormAffine<T>& a) {
  if (a.channels == 0) return;
  launch(affine_kernel<Accumulator<T>>, dim3(grid_extent(ceil_div(a.channels, kThreads))), kThreads, 0, stream_of(context), a.channels,
         a.mean, a.variance, a.gamma, a.beta, static_cast<float>(a.eps), a.scale, a.shift, a.inv_std);
}

template <class T>
void batch_norm_backward_sums(const LaunchContext& context, const BatchNormBackwardSums<T>& a) {
  if (a.shape.channels == 0 || a.shape.rows == 0) return;
  with_vector_width<T>(
      a.shape.channels,
      [&](auto n) {
        const RowCut cut = row_cut<T, n()>(a.shape.rows, a.shape.channels);
        float* const partial = scratch_for_pieces(context, cut);
        launch(backward_sums_kernel<n(), T>, cut.grid(), cut.block(), 0, stream_of(context), a, cut, partial);
        if (!partial) return;
        sum_partials(context, {partial, cut.pieces, 2 * cut.channels, cut.channels, a.sum_g, a.sum_g_xhat, Accumulate::kWrite});
      },
      a.x, a.grad_y);
}

template <class T>
void batch_norm_backward_input(const LaunchContext& context, const BatchNormBackwardInput<T>& a) {
  if (a.shape.channels == 0 || a.shape.rows == 0) return;
  const bool frozen = a.sum_g == nullptr;
  with_vector_width<T>(
      a.shape.channels,
      [&](auto n) {
        const RowCut cut = row_cut<T, n()>(a.shape.rows, a.shape.channels);
        const auto kernel = frozen ? backward_input_kernel<n(), true, T> : backward_input_kernel<n(), false, T>;
        launch(kernel, cut.grid(), cut.block(), 0, stream_of(context), a, cut);
      },
      a.x, a.grad_y, a.grad_x);
}

SEPIA_INSTANTIATE(batch_norm_statistics, BatchNormStatistics)
SEPIA_INSTANTIATE(batch_norm_affine, BatchNormAffine)
SEPIA_INSTANTIATE(batch_norm_backward_sums, BatchNormBackwardSums)
SEPIA_INSTANTIATE(batch_norm_backward_input, BatchNormBackwardInput)

}  // namespace sepia::kernels::cuda
