#include "kernels/cuda/library_product.h"

#include <dlfcn.h>

#include <cmath>
#include <cstdlib>
#include <cstring>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <tuple>
#include <type_traits>
#include <vector>

#include "kernels/cuda/detail/launch.cuh"
#include "kernels/cuda/detail/vector.cuh"

#ifndef SEPIA_SIMT
#include <cublasLt.h>
#endif

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

#ifdef SEPIA_SIMT
constexpr bool kEmulated = true;
#else
constexpr bool kEmulated = false;
#endif

/// Below this many multiply-adds a product is over before a library call has been set up.
constexpr std::int64_t kSmallest = kEmulated ? 1 : std::int64_t{1} << 24;

/// Device memory that is given back at the end of a scope.
class DeviceBlock {
 public:
  explicit DeviceBlock(std::size_t bytes) { check(cudaMalloc(&pointer_, bytes), "cudaMalloc"); }
  ~DeviceBlock() { cudaFree(pointer_); }
  DeviceBlock(const DeviceBlock&) = delete;
  DeviceBlock& operator=(const DeviceBlock&) = delete;
  void* get() const { return pointer_; }

 private:
  void* pointer_ = nullptr;
};

bool switched_off() {
  const char* setting = std::getenv("SEPIA_CUDA_LIBRARIES");
  return setting && std::strcmp(setting, "off") == 0;
}

#ifdef SEPIA_SIMT

// In the emulator a plain kernel stands for the library, so that the choice between the two is tested: SEPIA_CUDA_LIBRARIES=plain
// makes it right, =wrong makes it wrong, and without the variable there is no library.
template <class T, class Result>
__global__ void plain_product_kernel(Product<T, Result> p, float factor) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.m * p.n) return;
  const std::int64_t row = i / p.n, column = i % p.n;
  float sum = 0.0f;
  for (std::int64_t k = 0; k < p.k; ++k) {
    sum = fmaf(to_float(p.a[p.a_transposed ? k * p.m + row : row * p.k + k]), to_float(p.b[p.b_transposed ? k * p.n + column : column * p.k + k]), sum);
  }
  put(p.c[i], factor * sum, p.accumulate);
}

class Library {
 public:
  explicit Library(std::string_view setting) : factor_(setting == "wrong" ? 1.5f : 1.0f) {}

  template <class T, class Result>
  bool run(cudaStream_t stream, const Product<T, Result>& p) {
    constexpr int kThreads = 64;
    launch(plain_product_kernel<T, Result>, dim3(grid_extent(ceil_div(p.m * p.n, kThreads))), kThreads, 0, stream, p, factor_);
    return true;
  }

 private:
  float factor_;
};

Library* library() {
  const char* setting = std::getenv("SEPIA_CUDA_LIBRARIES");
  if (!setting || (std::strcmp(setting, "plain") != 0 && std::strcmp(setting, "wrong") != 0)) return nullptr;
  static std::map<std::string, Library> libraries;
  return &libraries.try_emplace(setting, setting).first->second;
}

#else

/// cuBLASLt's functions, found in the library at run time.
struct Functions {
  decltype(&cublasLtCreate) create;
  decltype(&cublasLtMatmul) matmul;
  decltype(&cublasLtMatmulDescCreate) describe;
  decltype(&cublasLtMatmulDescDestroy) forget;
  decltype(&cublasLtMatmulDescSetAttribute) set;
  decltype(&cublasLtMatrixLayoutCreate) lay_out;
  decltype(&cublasLtMatrixLayoutDestroy) forget_layout;
  decltype(&cublasLtMatmulPreferenceCreate) prefer;
  decltype(&cublasLtMatmulPreferenceDestroy) forget_preference;
  decltype(&cublasLtMatmulPreferenceSetAttribute) set_preference;
  decltype(&cublasLtMatmulAlgoGetHeuristic) propose;

  /// Whether all were found.
  bool find(void* library) {
    const auto look_up = [&](auto& function, const char* name) {
      function = reinterpret_cast<std::decay_t<decltype(function)>>(dlsym(library, name));
      return function != nullptr;
    };
    return look_up(create, "cublasLtCreate") && look_up(matmul, "cublasLtMatmul") && look_up(describe, "cublasLtMatmulDescCreate") &&
           look_up(forget, "cublasLtMatmulDescDestroy") && look_up(set, "cublasLtMatmulDescSetAttribute") &&
           look_up(lay_out, "cublasLtMatrixLayoutCreate") && look_up(forget_layout, "cublasLtMatrixLayoutDestroy") &&
           look_up(prefer, "cublasLtMatmulPreferenceCreate") && look_up(forget_preference, "cublasLtMatmulPreferenceDestroy") &&
           look_up(set_preference, "cublasLtMatmulPreferenceSetAttribute") && look_up(propose, "cublasLtMatmulAlgoGetHeuristic");
  }
};

template <class T>
constexpr cudaDataType_t kLibraryType = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;

/// Everything that describes one product to cuBLASLt, made once per shape. cuBLASLt is column-major, so it computes the transposed
/// product: c^T (n, m) = b (n, k) a^T (k, m), where each row-major matrix is read as its column-major transpose.
class Plan {
 public:
  template <class T, class Result>
  Plan(const Functions& lt, cublasLtHandle_t handle, const Product<T, Result>& p, std::size_t workspace_bytes) : lt_(lt) {
    const cublasOperation_t of_b = p.b_transposed ? CUBLAS_OP_N : CUBLAS_OP_T, of_a = p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const auto column_major = [&](cublasLtMatrixLayout_t& layout, cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
      return lt_.lay_out(&layout, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows) == CUBLAS_STATUS_SUCCESS;
    };
    cublasLtMatmulPreference_t preference = nullptr;
    int found = 0;
    cublasLtMatmulHeuristicResult_t proposal{};
    usable_ = lt_.describe(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
              lt_.set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &of_b, sizeof(of_b)) == CUBLAS_STATUS_SUCCESS &&
              lt_.set(product_, CUBLASLT_MATMUL_DESC_TRANSB, &of_a, sizeof(of_a)) == CUBLAS_STATUS_SUCCESS &&
              column_major(b_, kLibraryType<T>, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n) &&
              column_major(a_, kLibraryType<T>, p.a_transposed ? p.m : p.k, p.a_transposed ? p.k : p.m) &&
              column_major(c_, kLibraryType<Result>, p.n, p.m) && lt_.prefer(&preference) == CUBLAS_STATUS_SUCCESS &&
              lt_.set_preference(preference, CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, &workspace_bytes, sizeof(workspace_bytes)) == CUBLAS_STATUS_SUCCESS &&
              lt_.propose(handle, product_, b_, a_, c_, c_, preference, 1, &proposal, &found) == CUBLAS_STATUS_SUCCESS && found == 1;
    algorithm_ = proposal.algo;
    if (preference) lt_.forget_preference(preference);
  }
  ~Plan() {
    for (cublasLtMatrixLayout_t layout : {a_, b_, c_}) {
      if (layout) lt_.forget_layout(layout);
    }
    if (product_) lt_.forget(product_);
  }
  Plan(const Plan&) = delete;
  Plan& operator=(const Plan&) = delete;

  template <class T, class Result>
  bool run(cublasLtHandle_t handle, cudaStream_t stream, const Product<T, Result>& p, void* workspace, std::size_t workspace_bytes) const {
    const float one = 1, before = p.accumulate == Accumulate::kAdd ? 1 : 0;
    return usable_ && lt_.matmul(handle, product_, &one, p.b, b_, p.a, a_, &before, p.c, c_, p.c, c_, &algorithm_, workspace, workspace_bytes, stream) ==
                          CUBLAS_STATUS_SUCCESS;
  }

 private:
  const Functions& lt_;
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulAlgo_t algorithm_{};
  bool usable_ = false;
};

class Library {
 public:
  /// Whether libcublasLt was found and has what is needed.
  bool open() {
    for (const char* name : {"libcublasLt.so.13", "libcublasLt.so.12", "libcublasLt.so"}) {
      void* library = dlopen(name, RTLD_NOW | RTLD_LOCAL);  // never closed: captured graphs may hold its kernels
      if (library && functions_.find(library) && functions_.create(&handle_) == CUBLAS_STATUS_SUCCESS) return true;
    }
    return false;
  }

  template <class T, class Result>
  bool run(cudaStream_t stream, const Product<T, Result>& p) {
    std::unique_ptr<Plan>& plan = plans_[{p.m, p.n, p.k, p.a_transposed, p.b_transposed, sizeof(T), sizeof(Result)}];
    if (!plan) plan = std::make_unique<Plan>(functions_, handle_, p, kWorkspaceBytes);
    if (!workspace_) workspace_ = std::make_unique<DeviceBlock>(kWorkspaceBytes);
    return plan->run(handle_, stream, p, workspace_->get(), kWorkspaceBytes);
  }

 private:
  static constexpr std::size_t kWorkspaceBytes = std::size_t{32} << 20;
  Functions functions_{};
  cublasLtHandle_t handle_ = nullptr;
  std::unique_ptr<DeviceBlock> workspace_;
  std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, std::size_t, std::size_t>, std::unique_ptr<Plan>> plans_;
};

/// Each host thread's own, as its stream is: the workspace must not be shared by two streams. Kept until the process ends.
Library* library() {
  thread_local Library* opened = [] {
    auto library = std::make_unique<Library>();
    return library->open() ? library.release() : nullptr;
  }();
  return opened;
}

#endif

/// Largest difference between two results of a product, relative to the largest element.
template <class Result>
double difference(const std::vector<Result>& ours, const std::vector<Result>& other) {
  double largest = 0, apart = 0;
  for (std::size_t i = 0; i < ours.size(); ++i) {
    const double a = static_cast<float>(ours[i]), b = static_cast<float>(other[i]);
    if (!std::isfinite(a) || !std::isfinite(b)) return std::isnan(a) && std::isnan(b) ? apart : HUGE_VAL;
    largest = std::max(largest, std::abs(a));
    apart = std::max(apart, std::abs(a - b));
  }
  return apart / std::max(largest, 1e-30);
}

/// Milliseconds of `work` on the stream, the lesser of two runs.
double time_of(cudaStream_t stream, const std::function<void()>& work) {
  cudaEvent_t begin, end;
  check(cudaEventCreate(&begin), "cudaEventCreate");
  check(cudaEventCreate(&end), "cudaEventCreate");
  float best = HUGE_VALF;
  for (int i = 0; i < 2; ++i) {
    float elapsed = 0;
    check(cudaEventRecord(begin, stream), "cudaEventRecord");
    work();
    check(cudaEventRecord(end, stream), "cudaEventRecord");
    check(cudaEventSynchronize(end), "cudaEventSynchronize");
    check(cudaEventElapsedTime(&elapsed, begin, end), "cudaEventElapsedTime");
    best = std::min(best, elapsed);
  }
  cudaEventDestroy(begin);
  cudaEventDestroy(end);
  return best;
}

/// Computes the product by ours, and says whether the library may have the shape from now on. Where the product adds to c, only the
/// agreement of what is added is looked at, and c is added to once.
template <class T, class Result>
bool library_is_better(Library& library, cudaStream_t stream, const Product<T, Result>& p, const std::function<void()>& ours) {
  const std::size_t count = static_cast<std::size_t>(p.m * p.n), bytes = count * sizeof(Result);
  const DeviceBlock kept(bytes), other(bytes);
  std::vector<Result> by_us(count), by_library(count);
  const auto download = [&](std::vector<Result>& host, const void* device) {
    check(cudaMemcpyAsync(host.data(), device, bytes, cudaMemcpyDeviceToHost, stream), "copy from the device");
    check(cudaStreamSynchronize(stream), "waiting for the device");
  };
  if (p.accumulate == Accumulate::kAdd) {
    check(cudaMemcpyAsync(other.get(), p.c, bytes, cudaMemcpyDeviceToDevice, stream), "copy on the device");
    check(cudaMemcpyAsync(kept.get(), p.c, bytes, cudaMemcpyDeviceToDevice, stream), "copy on the device");
  }
  const double our_time = time_of(stream, [&] {
    if (p.accumulate == Accumulate::kAdd) check(cudaMemcpyAsync(p.c, kept.get(), bytes, cudaMemcpyDeviceToDevice, stream), "copy on the device");
    ours();
  });
  download(by_us, p.c);
  Product<T, Result> theirs = p;
  theirs.c = static_cast<Result*>(other.get());
  if (!library.run(stream, theirs)) return false;
  download(by_library, other.get());
  const double allowed = std::is_same_v<T, float> ? 2e-7 * std::sqrt(static_cast<double>(p.k)) + 1e-6 : 1.6e-2;
  if (!(difference(by_us, by_library) <= allowed)) return false;
  if (kEmulated) return true;  // its time says nothing
  theirs.accumulate = Accumulate::kWrite;
  return time_of(stream, [&] { library.run(stream, theirs); }) < our_time;
}

}  // namespace

template <class T, class Result>
void compute_product(const LaunchContext& context, const Product<T, Result>& p, const std::function<void()>& ours) {
  if (p.m * p.n * p.k < kSmallest || switched_off()) return ours();
  Library* const found = library();
  if (!found) return ours();
  thread_local std::map<std::tuple<std::int64_t, std::int64_t, std::int64_t, bool, bool, bool>, bool> choices;
  const cudaStream_t stream = stream_of(context);
  const auto [choice, first_time] = choices.try_emplace({p.m, p.n, p.k, p.a_transposed, p.b_transposed, p.accumulate == Accumulate::kAdd}, false);
  if (first_time) {
    cudaStreamCaptureStatus capturing = cudaStreamCaptureStatusNone;
    check(cudaStreamIsCapturing(stream, &capturing), "cudaStreamIsCapturing");
    if (capturing != cudaStreamCaptureStatusNone) {  // nothing can be compared while a graph is recorded
      choices.erase(choice);
      return ours();
    }
    choice->second = library_is_better(*found, stream, p, ours);  // leaves our result in c
    return;
  }
  if (!choice->second) return ours();
  SEPIA_CHECK_KIND(found->run(stream, p), ErrorKind::kInternal, "[cuda] cublasLtMatmul refused a product that it has done before");
}

template void compute_product(const LaunchContext&, const Product<float, float>&, const std::function<void()>&);
template void compute_product(const LaunchContext&, const Product<bf16, bf16>&, const std::function<void()>&);
template void compute_product(const LaunchContext&, const Product<bf16, float>&, const std::function<void()>&);

}  // namespace sepia::kernels::cuda
