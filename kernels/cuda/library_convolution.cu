// Dense convolutions by cuDNN (library.h). How cuDNN is told of them: cudnn_convolution.cu.
#include "kernels/cuda/cudnn_convolution.h"
#include "kernels/cuda/detail/vector.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/library_choice.h"
#include "kernels/cuda_library.h"

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

/// Fewer channels than these on either side do not fill a tensor core's tile: cuDNN pads them, our kernels do not.
constexpr std::int64_t kFewestChannels = kEmulated ? 1 : 16;

std::int64_t result_count(ConvolutionPart part, const Conv2dShape& s) {
  switch (part) {
    case ConvolutionPart::kForward: return s.batch * s.out_height() * s.out_width() * s.out_channels;
    case ConvolutionPart::kBackwardInput: return s.batch * s.height * s.width * s.in_channels;
    case ConvolutionPart::kBackwardWeight: break;
  }
  return s.out_channels * s.kernel_h * s.kernel_w * s.in_channels;
}

/// Terms of the sum behind one element of the result, at most.
std::int64_t terms_of(ConvolutionPart part, const Conv2dShape& s) {
  switch (part) {
    case ConvolutionPart::kForward: return s.kernel_h * s.kernel_w * s.in_channels;
    case ConvolutionPart::kBackwardInput: return s.kernel_h * s.kernel_w * s.out_channels;
    case ConvolutionPart::kBackwardWeight: break;
  }
  return s.batch * s.out_height() * s.out_width();
}

#ifdef SEPIA_SIMT

struct Place {
  std::int64_t a, b, c, d;
};
/// Where element i lies in an array (.., b, c, d).
__device__ Place place_of(std::int64_t i, std::int64_t b, std::int64_t c, std::int64_t d) { return {i / d / c / b, i / d / c % b, i / d % c, i % d}; }

/// Whether pixel (h, w) of the picture exists.
__device__ bool inside(const Conv2dShape& s, std::int64_t h, std::int64_t w) { return h >= 0 && h < s.height && w >= 0 && w < s.width; }

/// Element i of the result, straight from the formulas.
template <class T, class Result>
__device__ float plain_value(const Convolution<T, Result>& f, std::int64_t i) {
  const Conv2dShape& s = f.shape;
  float sum = 0.0f;
  if (f.part == ConvolutionPart::kBackwardWeight) {
    const Place at = place_of(i, s.kernel_h, s.kernel_w, s.in_channels);  // (k, r, s, c)
    for (std::int64_t row = 0; row < terms_of(f.part, s); ++row) {
      const Place out = place_of(row, s.out_height(), s.out_width(), 1);  // (n, p, q)
      const std::int64_t h = out.b * s.stride + at.b - s.padding, w = out.c * s.stride + at.c - s.padding;
      if (!inside(s, h, w)) continue;
      sum = fmaf(to_float(f.grad_y[row * s.out_channels + at.a]), to_float(f.x[((out.a * s.height + h) * s.width + w) * s.in_channels + at.d]), sum);
    }
    return sum;
  }
  const bool forward = f.part == ConvolutionPart::kForward;
  const Place at = forward ? place_of(i, s.out_height(), s.out_width(), s.out_channels) : place_of(i, s.height, s.width, s.in_channels);
  for (std::int64_t tap = 0; tap < s.kernel_h * s.kernel_w; ++tap) {
    const std::int64_t r = tap / s.kernel_w, t = tap % s.kernel_w;
    if (forward) {
      const std::int64_t h = at.b * s.stride + r - s.padding, w = at.c * s.stride + t - s.padding;
      if (!inside(s, h, w)) continue;
      const T* x = f.x + ((at.a * s.height + h) * s.width + w) * s.in_channels;
      const T* weight = f.weight + (at.d * s.kernel_h * s.kernel_w + tap) * s.in_channels;
      for (std::int64_t c = 0; c < s.in_channels; ++c) sum = fmaf(to_float(x[c]), to_float(weight[c]), sum);
      continue;
    }
    const std::int64_t h = at.b + s.padding - r, w = at.c + s.padding - t;  // stride times the output position
    if (h < 0 || w < 0 || h % s.stride != 0 || w % s.stride != 0 || h / s.stride >= s.out_height() || w / s.stride >= s.out_width()) continue;
    const T* gradient = f.grad_y + ((at.a * s.out_height() + h / s.stride) * s.out_width() + w / s.stride) * s.out_channels;
    for (std::int64_t k = 0; k < s.out_channels; ++k) {
      sum = fmaf(to_float(gradient[k]), to_float(f.weight[(k * s.kernel_h * s.kernel_w + tap) * s.in_channels + at.d]), sum);
    }
  }
  return sum;
}

template <class T, class Result>
__global__ void plain_convolution_kernel(Convolution<T, Result> f, std::int64_t count, StandIn like) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i < count - like.left_out) put(f.result[i], like.factor * plain_value(f, i), like.mode(f.accumulate));
}

bool found() { return stand_in() != nullptr; }

template <class T, class Result>
bool compute_by_library(const LaunchContext& context, const WorkKey&, Convolution<T, Result> f, void* result) {
  constexpr int kThreads = 64;
  if (stand_in()->refuses) return false;
  f.result = static_cast<Result*>(result);
  const std::int64_t count = result_count(f.part, f.shape);
  launch(plain_convolution_kernel<T, Result>, dim3(grid_extent(ceil_div(count, kThreads))), kThreads, 0, stream_of(context), f, count, *stand_in());
  return true;
}

#else

bool found() { return cudnn_found(); }

template <class T, class Result>
bool compute_by_library(const LaunchContext& context, const WorkKey& key, const Convolution<T, Result>& f, void* result) {
  return cudnn_convolution(context, key, {f.part, f.shape, kDTypeOf<T>, kDTypeOf<Result>, f.accumulate, f.x, f.weight, f.grad_y, f.result}, result);
}

#endif

}  // namespace

template <class T, class Result>
void compute_convolution(const LaunchContext& context, const Convolution<T, Result>& f, const std::function<void()>& ours) {
  const Conv2dShape& s = f.shape;
  const std::int64_t multiply_adds = s.batch * s.out_height() * s.out_width() * s.out_channels * s.kernel_h * s.kernel_w * s.in_channels;
  if (std::min(s.in_channels, s.out_channels) < kFewestChannels || !libraries_wanted(multiply_adds)) return ours();
  const LibraryWork work{
      .name = "cuDNN's convolution",
      .key = work_key(WorkKind::kConvolution, f.part, s.batch, s.height, s.width, s.in_channels, s.out_channels, s.kernel_h, s.kernel_w, s.stride,
                      s.padding, f.accumulate, sizeof(T), sizeof(Result), alignment_of(f.x), alignment_of(f.weight),
                      alignment_of(f.grad_y), alignment_of(f.result)),
      .terms = terms_of(f.part, s),
      .result = f.result,
      .count = result_count(f.part, s),
      .operand_type = kDTypeOf<T>,
      .result_type = kDTypeOf<Result>,
      .accumulate = f.accumulate};
  compute_by_choice(context, work, found, ours, [&](void* result) { return compute_by_library(context, work.key, f, result); });
}

template void compute_convolution(const LaunchContext&, const Convolution<float, float>&, const std::function<void()>&);
template void compute_convolution(const LaunchContext&, const Convolution<bf16, bf16>&, const std::function<void()>&);
template void compute_convolution(const LaunchContext&, const Convolution<bf16, float>&, const std::function<void()>&);

}  // namespace sepia::kernels::cuda

extern "C" __attribute__((visibility("default"))) const char* sepia_cuda_plan(const sepia::kernels::cuda::PlanRequest* request) {
  using namespace sepia::kernels::cuda;
  static std::string description;
  description = describe_cudnn_plan({static_cast<ConvolutionPart>(request->part), request->shape, request->operand_type, request->result_type,
                                     request->accumulate, nullptr, nullptr, nullptr, nullptr},
                                    request->device);
  return description.c_str();
}
