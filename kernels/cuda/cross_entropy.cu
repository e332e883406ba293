// Softmax and cross-entropy (formulas: kernels/cross_entropy.h). x, y, logits (N, K), labels (N).
//
// Cost: every array is read or written once or twice and is small (a batch of rows, a few classes): these kernels are bound by their
// launch. All sums in float by fixed trees: deterministic.
//
// Mapping: a warp has a row, its lanes go over the classes. Cross-entropy takes one block, so that the sum over the rows and the total of
// the class weights need no second kernel: warp w has rows w, w + kWarps, ... .
#include "kernels/cuda/detail/convert.cuh"
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/reduce.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256, kWarps = kThreads / kWarpSize;

__device__ __forceinline__ int own_lane() {
  return static_cast<int>(threadIdx.x) % kWarpSize;
}
__device__ __forceinline__ int own_warp() {
  return static_cast<int>(threadIdx.x) / kWarpSize;
}

__device__ __forceinline__ float warp_max(float value) {
#pragma unroll
  for (int distance = kWarpSize / 2; distance > 0; distance /= 2) value = fmaxf(value, __shfl_xor_sync(kAllLanes, value, distance));
  return value;
}

/// The largest element of a row and sum_k exp(z[k] - largest), the same in all lanes of the warp.
struct RowSum {
  float largest, sum;
};

template <class T>
__device__ RowSum row_sum(const T* z, std::int64_t classes) {
  RowSum row{-INFINITY, 0};
  for (std::int64_t k = own_lane(); k < classes; k += kWarpSize) row.largest = fmaxf(row.largest, to_float(z[k]));
  row.largest = warp_max(row.largest);
  for (std::int64_t k = own_lane(); k < classes; k += kWarpSize) row.sum += expf(to_float(z[k]) - row.largest);
  row.sum = warp_sum(row.sum);
  return row;
}

template <class T>
__device__ void write_softmax(const T* z, std::int64_t classes, const RowSum& row, T* y) {
  for (std::int64_t k = own_lane(); k < classes; k += kWarpSize) y[k] = from_float<T>(expf(to_float(z[k]) - row.largest) / row.sum);
}

template <class T>
__global__ void __launch_bounds__(kThreads) softmax_forward_kernel(SoftmaxForward<T> a) {
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * kWarps + own_warp();
  if (n >= a.rows) return;
  const T* x = a.x + n * a.classes;
  write_softmax(x, a.classes, row_sum(x, a.classes), a.y + n * a.classes);
}

template <class T>
__global__ void __launch_bounds__(kThreads) softmax_backward_kernel(SoftmaxBackward<T> a) {
  const std::int64_t n = static_cast<std::int64_t>(blockIdx.x) * kWarps + own_warp();
  if (n >= a.rows) return;
  const T* y = a.y + n * a.classes;
  const T* g = a.grad_y + n * a.classes;
  float dot = 0;
  for (std::int64_t k = own_lane(); k < a.classes; k += kWarpSize) dot = fmaf(to_float(g[k]), to_float(y[k]), dot);
  dot = warp_sum(dot);
  for (std::int64_t k = own_lane(); k < a.classes; k += kWarpSize) {
    put(a.grad_x[n * a.classes + k], to_float(y[k]) * (to_float(g[k]) - dot), a.accumulate);
  }
}

/// w[k] t[n, k] for a row's label: class weight times smoothed target.
struct Targets {
  const float* class_weights;  // null: 1
  float on, off;               // the target of the label's class, of every other class

  static Targets of(const float* class_weights, double smoothing, std::int64_t classes) {
    const double off = smoothing / static_cast<double>(classes);
    return {class_weights, static_cast<float>(1 - smoothing + off), static_cast<float>(off)};
  }
  __device__ __forceinline__ float class_weight(std::int64_t k) const { return class_weights ? class_weights[k] : 1.0f; }
  __device__ __forceinline__ float weighted(std::int64_t k, std::int64_t label) const { return class_weight(k) * (k == label ? on : off); }
};

/// sum_n w[label_n], the same in all threads of the block.
__device__ __forceinline__ float total_weight(const std::int32_t* labels, std::int64_t rows, const Targets& targets) {
  float total = 0;
  for (std::int64_t n = threadIdx.x; n < rows; n += kThreads) total += targets.class_weight(labels[n]);
  return block_sum<kThreads>(total);
}

template <class T>
__global__ void __launch_bounds__(kThreads) cross_entropy_forward_kernel(CrossEntropyForward<T> a, Targets targets) {
  float loss = 0;  // of this lane's classes, over the rows of its warp
  for (std::int64_t n = own_warp(); n < a.rows; n += kWarps) {
    const T* z = a.logits + n * a.classes;
    const RowSum row = row_sum(z, a.classes);
    write_softmax(z, a.classes, row, a.probabilities + n * a.classes);
    const float log_sum = row.largest + logf(row.sum);
    for (std::int64_t k = own_lane(); k < a.classes; k += kWarpSize) {
      const float weight = targets.weighted(k, a.labels[n]);
      if (weight != 0.0f) loss += weight * (log_sum - to_float(z[k]));  // a class that is not asked for may have p = 0
    }
  }
  loss = block_sum<kThreads>(loss);
  const float total = total_weight(a.labels, a.rows, targets);
  if (threadIdx.x == 0) *a.loss = loss / total;
}

template <class T>
__global__ void __launch_bounds__(kThreads) cross_entropy_backward_kernel(CrossEntropyBackward<T> a, Targets targets) {
  const float factor = *a.grad_loss / total_weight(a.labels, a.rows, targets);
  for (std::int64_t n = own_warp(); n < a.rows; n += kWarps) {
    const std::int64_t label = a.labels[n];
    float row_weight = 0;
    for (std::int64_t k = own_lane(); k < a.classes; k += kWarpSize) row_weight += targets.weighted(k, label);
    row_weight = warp_sum(row_weight);
    for (std::int64_t k = own_lane(); k < a.classes; k += kWarpSize) {
      const std::int64_t i = n * a.classes + k;
      put(a.grad_logits[i], factor * (to_float(a.probabilities[i]) * row_weight - targets.weighted(k, label)), a.accumulate);
    }
  }
}

}  // namespace

template <class T>
void softmax_forward(const LaunchContext& context, const SoftmaxForward<T>& a) {
  if (a.rows == 0) return;
  launch(softmax_forward_kernel<T>, dim3(grid_extent(ceil_div(a.rows, kWarps))), kThreads, 0, stream_of(context), a);
}

template <class T>
void softmax_backward(const LaunchContext& context, const SoftmaxBackward<T>& a) {
  if (a.rows == 0) return;
  launch(softmax_backward_kernel<T>, dim3(grid_extent(ceil_div(a.rows, kWarps))), kThreads, 0, stream_of(context), a);
}

template <class T>
void cross_entropy_forward(const LaunchContext& context, const CrossEntropyForward<T>& a) {
  launch(cross_entropy_forward_kernel<T>, 1, kThreads, 0, stream_of(context), a, Targets::of(a.class_weights, a.smoothing, a.classes));
}

template <class T>
void cross_entropy_backward(const LaunchContext& context, const CrossEntropyBackward<T>& a) {
  if (a.rows == 0) return;
  launch(cross_entropy_backward_kernel<T>, 1, kThreads, 0, stream_of(context), a, Targets::of(a.class_weights, a.smoothing, a.classes));
}

SEPIA_INSTANTIATE(softmax_forward, SoftmaxForward)
SEPIA_INSTANTIATE(softmax_backward, SoftmaxBackward)
SEPIA_INSTANTIATE(cross_entropy_forward, CrossEntropyForward)
SEPIA_INSTANTIATE(cross_entropy_backward, CrossEntropyBackward)

}  // namespace sepia::kernels::cuda
