// Element-wise kernels (formulas: kernels/elementwise.h). All stream: each element is read once and written once, by 16-byte
// accesses wherever the channels and the pointers allow it, so memory bandwidth is the bound. Deterministic: no element has two writers.
//
//   op                    bytes moved per element (of s bytes each)
//   affine_relu_forward   2 s            affine_relu_backward  3 s (without a ReLU 2 s), s more to add
//   add_forward           3 s            accumulate_into       2 s, s more to add
//   images_to_input       1 + s
//
// Mapping: thread i takes the i-th group of N neighbouring elements. Channels are the fastest axis and N divides their number, so a
// group lies in one row and its channels follow from its index.
#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

constexpr int kThreads = 256;

/// Blocks for one thread per group of N elements.
template <int N>
dim3 grid_for(std::int64_t count) {
  return dim3(grid_extent(ceil_div(count, static_cast<std::int64_t>(N) * kThreads)));
}

/// First element of this thread's group.
template <int N>
__device__ __forceinline__ std::int64_t first_element() {
  return (static_cast<std::int64_t>(blockIdx.x) * kThreads + threadIdx.x) * N;
}

/// act(x) of N neighbouring channels that start at c.
template <int N, class T>
__device__ __forceinline__ Floats<N> activated(const T* x, const Prologue<T>& prologue, std::int64_t c) {
  Floats<N> values = load_vector<N>(x);
#pragma unroll
  for (int i = 0; i < N; ++i) values[i] = channel_prologue(prologue, c + i).value(values[i]);
  return values;
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) affine_relu_forward_kernel(AffineReluForward<T> a) {
  const std::int64_t i = first_element<N>();
  if (i >= a.rows * a.channels) return;
  store_vector<N>(a.y + i, activated<N>(a.x + i, a.prologue, i % a.channels));
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) affine_relu_backward_kernel(AffineReluBackward<T> a) {
  const std::int64_t i = first_element<N>();
  if (i >= a.rows * a.channels) return;
  Floats<N> gradient = load_vector<N>(a.grad_y + i);
  if (a.prologue.relu) {
    const Floats<N> x = load_vector<N>(a.x + i);
    const std::int64_t c = i % a.channels;
#pragma unroll
    for (int k = 0; k < N; ++k) gradient[k] = channel_prologue(a.prologue, c + k).passes(x[k]) ? gradient[k] : 0.0f;
  }
  put_vector<N>(a.grad_x + i, gradient, a.accumulate);
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) add_forward_kernel(AddForward<T> a) {
  const std::int64_t i = first_element<N>();
  if (i >= a.rows * a.channels) return;
  const std::int64_t c = i % a.channels;
  Floats<N> sum = activated<N>(a.a + i, a.prologue_a, c);
  const Floats<N> b = activated<N>(a.b + i, a.prologue_b, c);
#pragma unroll
  for (int k = 0; k < N; ++k) sum[k] += b[k];
  store_vector<N>(a.y + i, sum);
}

template <int N, class T>
__global__ void __launch_bounds__(kThreads) accumulate_into_kernel(AccumulateInto<T> a) {
  const std::int64_t i = first_element<N>();
  if (i >= a.count) return;
  put_vector<N>(a.destination + i, load_vector<N>(a.source + i), a.accumulate);
}

/// One channel: y = scale * byte + shift, computed on the host in double.
struct PixelMap {
  float scale[3], shift[3];
};

template <class T>
__global__ void __launch_bounds__(kThreads) images_to_input_kernel(const std::uint8_t* __restrict__ pixels, PixelMap map, T* __restrict__ y, std::int64_t count) {
  // Four bytes in, four elements out: 3 channels and 4 elements meet every 12, so the channel follows from the index.
  const std::int64_t i = first_element<4>();
  if (i >= count) return;
  const int c = static_cast<int>(i % 3);
  if (i + 4 <= count) {
    const uchar4 bytes = *reinterpret_cast<const uchar4*>(pixels + i);
    const float values[4] = {static_cast<float>(bytes.x), static_cast<float>(bytes.y), static_cast<float>(bytes.z), static_cast<float>(bytes.w)};
    Floats<4> result;
#pragma unroll
    for (int k = 0; k < 4; ++k) result[k] = apply_affine(map.scale[(c + k) % 3], values[k], map.shift[(c + k) % 3]);
    store_vector<4>(y + i, result);
  } else {
    for (int k = 0; i + k < count; ++k) y[i + k] = from_float<T>(apply_affine(map.scale[(c + k) % 3], static_cast<float>(pixels[i + k]), map.shift[(c + k) % 3]));
  }
}

}  // namespace

template <class T>
void affine_relu_forward(const LaunchContext& context, const AffineReluForward<T>& a) {
  const std::int64_t count = a.rows * a.channels;
  if (count == 0) return;
  with_vector_width<T>(a.channels, [&](auto n) {
    launch(affine_relu_forward_kernel<n(), T>, grid_for<n()>(count), kThreads, 0, stream_of(context), a);
  }, a.x, a.y);
}

template <class T>
void affine_relu_backward(const LaunchContext& context, const AffineReluBackward<T>& a) {
  const std::int64_t count = a.rows * a.channels;
  if (count == 0) return;
  with_vector_width<T>(a.channels, [&](auto n) {
    launch(affine_relu_backward_kernel<n(), T>, grid_for<n()>(count), kThreads, 0, stream_of(context), a);
  }, a.x, a.grad_y, a.grad_x);
}

template <class T>
void add_forward(const LaunchContext& context, const AddForward<T>& a) {
  const std::int64_t count = a.rows * a.channels;
  if (count == 0) return;
  with_vector_width<T>(a.channels, [&](auto n) {
    launch(add_forward_kernel<n(), T>, grid_for<n()>(count), kThreads, 0, stream_of(context), a);
  }, a.a, a.b, a.y);
}

template <class T>
void accumulate_into(const LaunchContext& context, const AccumulateInto<T>& a) {
  if (a.count == 0) return;
  with_vector_width<T>(a.count, [&](auto n) {
    launch(accumulate_into_kernel<n(), T>, grid_for<n()>(a.count), kThreads, 0, stream_of(context), a);
  }, a.source, a.destination);
}

template <class T>
void images_to_input(const LaunchContext& context, const ImagesToInput<T>& a) {
  const std::int64_t count = a.batch * a.height * a.width * 3;
  if (count == 0) return;
  PixelMap map;
  for (int c = 0; c < 3; ++c) {
    map.scale[c] = static_cast<float>(1 / (255 * a.std[c]));
    map.shift[c] = static_cast<float>(-a.mean[c] / a.std[c]);
  }
  launch(images_to_input_kernel<T>, grid_for<4>(count), kThreads, 0, stream_of(context), a.pixels, map, a.y, count);
}

SEPIA_INSTANTIATE(affine_relu_forward, AffineReluForward)
SEPIA_INSTANTIATE(affine_relu_backward, AffineReluBackward)
SEPIA_INSTANTIATE(add_forward, AddForward)
SEPIA_INSTANTIATE(accumulate_into, AccumulateInto)
SEPIA_INSTANTIATE(images_to_input, ImagesToInput)

}  // namespace sepia::kernels::cuda
