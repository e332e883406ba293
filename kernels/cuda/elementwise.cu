// Element-wise kernels (formulas: kernels/elementwise.h). All stream: each element is read once and written once, by 16-byte
// accesses wherever the channels and the pointers allow it, so memory bandwidth is the bound. Deterministic: no element has two writers.
//
//   op                    bytes moved per element (of s bytes each)
//   affine_relu_forward   2 s            affine_relu_backward  3 s (without a ReLU 2 s), s more to add
//   add_forward           3 s            accumulate_into       2 s, s more to add
// (images_to_input: elementwise_images.cu.)
//
// Mapping: a thread takes kRowsPerThread groups of N neighbouring elements, two or four at a time: all their loads first, then the
// arithmetic and the stores. Which groups, and how the numbers of a pending affine reach it: detail/row_tiles.cuh.
#include "kernels/cuda/detail/row_tiles.cuh"
#include "kernels/cuda/kernels.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

template <class Walk, class T>
__global__ void __launch_bounds__(kWalkThreads) affine_relu_forward_kernel(AffineReluForward<T> a, Walk walk) {
  constexpr int N = Walk::N, kInFlight = groups_in_flight(1);
  __shared__ typename Walk::Shared shared;
  const GroupPrologue<N> prologue = walk.prologue(a.prologue, shared);
  const auto place = walk.place();
#pragma unroll
  for (int pass = 0; pass < kRowsPerThread; pass += kInFlight) {
    Floats<N> x[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (place.has(pass + k)) x[k] = walk.load(a.x, place.element(pass + k));
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (place.has(pass + k)) walk.store(a.y, place.element(pass + k), prologue.value(x[k]));
    }
  }
}

template <bool kAdd, class Walk, class T>
__global__ void __launch_bounds__(kWalkThreads) affine_relu_backward_kernel(AffineReluBackward<T> a, Walk walk) {
  constexpr int N = Walk::N, kInFlight = groups_in_flight(kAdd ? 3 : 2);
  __shared__ typename Walk::Shared shared;
  const GroupPrologue<N> prologue = walk.prologue(a.prologue, shared);
  const auto place = walk.place();
#pragma unroll
  for (int pass = 0; pass < kRowsPerThread; pass += kInFlight) {
    Floats<N> gradient[kInFlight], x[kInFlight], before[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
      gradient[k] = walk.load(a.grad_y, place.element(pass + k));
      x[k] = walk.load(a.x, place.element(pass + k));
      if constexpr (kAdd) before[k] = walk.load(a.grad_x, place.element(pass + k));
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
#pragma unroll
      for (int i = 0; i < N; ++i) {
        const float passed = prologue.channel(i).passes(x[k][i]) ? gradient[k][i] : 0.0f;
        gradient[k][i] = kAdd ? before[k][i] + passed : passed;
      }
      walk.store(a.grad_x, place.element(pass + k), gradient[k]);
    }
  }
}

template <class Walk, class T>
__global__ void __launch_bounds__(kWalkThreads) add_forward_kernel(AddForward<T> a, Walk walk) {
  constexpr int N = Walk::N, kInFlight = groups_in_flight(2);
  __shared__ typename Walk::Shared shared_a, shared_b;
  const GroupPrologue<N> prologue_a = walk.prologue(a.prologue_a, shared_a);
  const GroupPrologue<N> prologue_b = walk.prologue(a.prologue_b, shared_b);
  const auto place = walk.place();
#pragma unroll
  for (int pass = 0; pass < kRowsPerThread; pass += kInFlight) {
    Floats<N> x[kInFlight], other[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
      x[k] = walk.load(a.a, place.element(pass + k));
      other[k] = walk.load(a.b, place.element(pass + k));
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
      Floats<N> sum = prologue_a.value(x[k]);
      const Floats<N> added = prologue_b.value(other[k]);
#pragma unroll
      for (int i = 0; i < N; ++i) sum[i] += added[i];
      walk.store(a.y, place.element(pass + k), sum);
    }
  }
}

template <bool kAdd, int N, class T>
__global__ void __launch_bounds__(kWalkThreads) accumulate_into_kernel(const T* source, T* destination, FlatWalk<N> walk) {
  constexpr int kInFlight = groups_in_flight(kAdd ? 2 : 1);
  const auto place = walk.place();
#pragma unroll
  for (int pass = 0; pass < kRowsPerThread; pass += kInFlight) {
    Floats<N> values[kInFlight], before[kInFlight];
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
      values[k] = walk.load(source, place.element(pass + k));
      if constexpr (kAdd) before[k] = walk.load(destination, place.element(pass + k));
    }
#pragma unroll
    for (int k = 0; k < kInFlight; ++k) {
      if (!place.has(pass + k)) continue;
      if constexpr (kAdd) {
#pragma unroll
        for (int i = 0; i < N; ++i) values[k][i] += before[k][i];
      }
      walk.store(destination, place.element(pass + k), values[k]);
    }
  }
}

}  // namespace

template <class T>
void affine_relu_forward(const LaunchContext& context, const AffineReluForward<T>& a) {
  if (a.rows * a.channels == 0) return;
  with_walk<T>(
      a.rows, a.channels, a.prologue.scale != nullptr,
      [&]<class Walk>(const Walk& walk) {
        launch(affine_relu_forward_kernel<Walk, T>, walk.grid(), kWalkThreads, 0, stream_of(context), a, walk);
      },
      a.x, a.y);
}

template <class T>
void affine_relu_backward(const LaunchContext& context, const AffineReluBackward<T>& a) {
  if (a.rows * a.channels == 0) return;
  if (!a.prologue.relu) return accumulate_into(context, AccumulateInto<T>{a.rows * a.channels, a.grad_y, a.grad_x, a.accumulate});
  with_walk<T>(
      a.rows, a.channels, a.prologue.scale != nullptr,
      [&]<class Walk>(const Walk& walk) {
        const auto kernel =
            a.accumulate == Accumulate::kAdd ? affine_relu_backward_kernel<true, Walk, T> : affine_relu_backward_kernel<false, Walk, T>;
        launch(kernel, walk.grid(), kWalkThreads, 0, stream_of(context), a, walk);
      },
      a.x, a.grad_y, a.grad_x);
}

template <class T>
void add_forward(const LaunchContext& context, const AddForward<T>& a) {
  if (a.rows * a.channels == 0) return;
  with_walk<T>(
      a.rows, a.channels, a.prologue_a.scale || a.prologue_b.scale,
      [&]<class Walk>(const Walk& walk) { launch(add_forward_kernel<Walk, T>, walk.grid(), kWalkThreads, 0, stream_of(context), a, walk); },
      a.a, a.b, a.y);
}

template <class T>
void accumulate_into(const LaunchContext& context, const AccumulateInto<T>& a) {
  if (a.count == 0) return;
  with_flat_groups<kPerLoad<T>>(
      a.count,
      [&]<int N>(const FlatGroups<N>& flat) {
        const FlatWalk<N> walk{flat};
        const auto kernel = a.accumulate == Accumulate::kAdd ? accumulate_into_kernel<true, N, T> : accumulate_into_kernel<false, N, T>;
        launch(kernel, walk.grid(), kWalkThreads, 0, stream_of(context), a.source, a.destination, walk);
      },
      a.source, a.destination);
}

SEPIA_INSTANTIATE(affine_relu_forward, AffineReluForward)
SEPIA_INSTANTIATE(affine_relu_backward, AffineReluBackward)
SEPIA_INSTANTIATE(add_forward, AddForward)
SEPIA_INSTANTIATE(accumulate_into, AccumulateInto)

}  // namespace sepia::kernels::cuda
