// Matrix products by cuBLASLt (library.h).
#include <map>
#include <memory>
#include <type_traits>

#include "kernels/cuda/detail/vector.cuh"
#include "kernels/cuda/library.h"
#include "kernels/cuda/library_choice.h"

#ifndef SEPIA_SIMT
#include <cublasLt.h>
#endif

namespace sepia::kernels::cuda {
namespace {

using namespace detail;

#ifdef SEPIA_SIMT

template <class T, class Result>
__global__ void plain_product_kernel(Product<T, Result> p, StandIn like) {
  const std::int64_t i = static_cast<std::int64_t>(blockIdx.x) * blockDim.x + threadIdx.x;
  if (i >= p.m * p.n - like.left_out) return;
  const std::int64_t row = i / p.n, column = i % p.n;
  float sum = 0.0f;
  for (std::int64_t k = 0; k < p.k; ++k) {
    sum = fmaf(to_float(p.a[p.a_transposed ? k * p.m + row : row * p.k + k]), to_float(p.b[p.b_transposed ? k * p.n + column : column * p.k + k]), sum);
  }
  put(p.c[i], like.factor * sum, like.mode(p.accumulate));
}

class Library {
 public:
  explicit Library(const StandIn& like) : like_(like) {}

  template <class T, class Result>
  bool run(const LaunchContext& context, const WorkKey&, Product<T, Result> p, Result* c) {
    constexpr int kThreads = 64;
    if (like_.refuses) return false;
    p.c = c;
    launch(plain_product_kernel<T, Result>, dim3(grid_extent(ceil_div(p.m * p.n, kThreads))), kThreads, 0, stream_of(context), p, like_);
    return true;
  }

 private:
  StandIn like_;
};

std::unique_ptr<Library> library() { return stand_in() ? std::make_unique<Library>(*stand_in()) : nullptr; }

#else

/// cuBLASLt's functions, found at run time in the library of the headers' version.
struct Functions {
  decltype(&cublasLtGetVersion) version;
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

  bool all_found;

  Functions() {
    const SharedLibrary lt(str("libcublasLt.so.", CUBLAS_VER_MAJOR));
    all_found = lt.find(version, "cublasLtGetVersion") && lt.find(create, "cublasLtCreate") && lt.find(matmul, "cublasLtMatmul") &&
                lt.find(describe, "cublasLtMatmulDescCreate") && lt.find(forget, "cublasLtMatmulDescDestroy") &&
                lt.find(set, "cublasLtMatmulDescSetAttribute") && lt.find(lay_out, "cublasLtMatrixLayoutCreate") &&
                lt.find(forget_layout, "cublasLtMatrixLayoutDestroy") && lt.find(prefer, "cublasLtMatmulPreferenceCreate") &&
                lt.find(forget_preference, "cublasLtMatmulPreferenceDestroy") &&
                lt.find(set_preference, "cublasLtMatmulPreferenceSetAttribute") && lt.find(propose, "cublasLtMatmulAlgoGetHeuristic");
  }
};

const Functions& cublaslt() {
  static const Functions functions;
  return functions;
}

template <class T>
constexpr cudaDataType_t kLibraryType = std::is_same_v<T, float> ? CUDA_R_32F : CUDA_R_16BF;

/// Everything that describes one product to cuBLASLt, made once per shape. cuBLASLt is column-major, so it computes the transposed
/// product: c^T (n, m) = b (n, k) a^T (k, m), where each row-major matrix is read as its column-major transpose.
class Plan {
 public:
  template <class T, class Result>
  Plan(cublasLtHandle_t handle, const Product<T, Result>& p) {
    const cublasOperation_t of_b = p.b_transposed ? CUBLAS_OP_N : CUBLAS_OP_T, of_a = p.a_transposed ? CUBLAS_OP_T : CUBLAS_OP_N;
    const auto column_major = [&](cublasLtMatrixLayout_t& layout, cudaDataType_t type, std::int64_t rows, std::int64_t columns) {
      return lt_.lay_out(&layout, type, static_cast<std::uint64_t>(rows), static_cast<std::uint64_t>(columns), rows) == CUBLAS_STATUS_SUCCESS;
    };
    cublasLtMatmulPreference_t preference = nullptr;
    const auto within = [&](cublasLtMatmulPreferenceAttributes_t limit, auto value) {
      return lt_.set_preference(preference, limit, &value, sizeof(value)) == CUBLAS_STATUS_SUCCESS;
    };
    const auto aligned = [&](cublasLtMatmulPreferenceAttributes_t limit, const void* pointer) {
      return within(limit, static_cast<std::uint32_t>(alignment_of(pointer)));
    };
    int found = 0;
    usable_ = lt_.describe(&product_, CUBLAS_COMPUTE_32F, CUDA_R_32F) == CUBLAS_STATUS_SUCCESS &&
              lt_.set(product_, CUBLASLT_MATMUL_DESC_TRANSA, &of_b, sizeof(of_b)) == CUBLAS_STATUS_SUCCESS &&
              lt_.set(product_, CUBLASLT_MATMUL_DESC_TRANSB, &of_a, sizeof(of_a)) == CUBLAS_STATUS_SUCCESS &&
              column_major(b_, kLibraryType<T>, p.b_transposed ? p.n : p.k, p.b_transposed ? p.k : p.n) &&
              column_major(a_, kLibraryType<T>, p.a_transposed ? p.m : p.k, p.a_transposed ? p.k : p.m) &&
              column_major(c_, kLibraryType<Result>, p.n, p.m) && lt_.prefer(&preference) == CUBLAS_STATUS_SUCCESS &&
              within(CUBLASLT_MATMUL_PREF_MAX_WORKSPACE_BYTES, static_cast<std::uint64_t>(kLibraryWorkspace)) &&
              within(CUBLASLT_MATMUL_PREF_REDUCTION_SCHEME_MASK, static_cast<std::uint32_t>(CUBLASLT_REDUCTION_SCHEME_COMPUTE_TYPE)) &&
              aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_A_BYTES, p.b) && aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_B_BYTES, p.a) &&
              aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_C_BYTES, p.c) && aligned(CUBLASLT_MATMUL_PREF_MIN_ALIGNMENT_D_BYTES, p.c) &&
              lt_.propose(handle, product_, b_, a_, c_, c_, preference, 1, &proposal_, &found) == CUBLAS_STATUS_SUCCESS && found == 1;
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
  bool run(const LaunchContext& context, cublasLtHandle_t handle, const Product<T, Result>& p, Result* c) const {
    const float one = 1, before = p.accumulate == Accumulate::kAdd ? 1 : 0;
    const std::size_t bytes = proposal_.workspaceSize;
    void* const workspace = usable_ ? library_workspace(context, bytes) : nullptr;
    return workspace && lt_.matmul(handle, product_, &one, p.b, b_, p.a, a_, &before, c, c_, c, c_, &proposal_.algo, workspace, bytes,
                                   stream_of(context)) == CUBLAS_STATUS_SUCCESS;
  }

 private:
  const Functions& lt_ = cublaslt();
  cublasLtMatmulDesc_t product_ = nullptr;
  cublasLtMatrixLayout_t a_ = nullptr, b_ = nullptr, c_ = nullptr;
  cublasLtMatmulHeuristicResult_t proposal_{};
  bool usable_ = false;
};

class Library {
 public:
  /// Whether cuBLASLt is there and serves this device.
  bool open() { return cublaslt().all_found && cublaslt().create(&handle_) == CUBLAS_STATUS_SUCCESS; }

  /// The product into c, by a plan that is made for p's own addresses when the key is new.
  template <class T, class Result>
  bool run(const LaunchContext& context, const WorkKey& key, const Product<T, Result>& p, Result* c) {
    std::unique_ptr<Plan>& plan = plans_[key];
    if (!plan) plan = std::make_unique<Plan>(handle_, p);
    return plan->run(context, handle_, p, c);
  }

 private:
  cublasLtHandle_t handle_ = nullptr;
  std::map<WorkKey, std::unique_ptr<Plan>> plans_;
};

/// Each host thread's own, as its stream is. Kept until the process ends.
Library* library() {
  thread_local Library* opened = [] {
    auto library = std::make_unique<Library>();
    return library->open() ? library.release() : nullptr;
  }();
  return opened;
}

#endif

}  // namespace

template <class T, class Result>
void compute_product(const LaunchContext& context, const Product<T, Result>& p, const std::function<void()>& ours) {
  if (!libraries_wanted(p.m * p.n * p.k)) return ours();
  const LibraryWork work{.name = "cublasLtMatmul",
                         .key = work_key(WorkKind::kProduct, p.m, p.n, p.k, p.a_transposed, p.b_transposed, p.accumulate, sizeof(T), sizeof(Result),
                                         alignment_of(p.a), alignment_of(p.b), alignment_of(p.c)),
                         .terms = p.k,
                         .result = p.c,
                         .count = p.m * p.n,
                         .operand_type = kDTypeOf<T>,
                         .result_type = kDTypeOf<Result>,
                         .accumulate = p.accumulate};
  const auto theirs = [&](void* result) { return library()->run(context, work.key, p, static_cast<Result*>(result)); };
  compute_by_choice(context, work, [] { return library() != nullptr; }, ours, theirs);
}

std::string describe_cublaslt() {
#ifdef SEPIA_SIMT
  return "emulated";
#else
  if (!cublaslt().all_found) return str("no libcublasLt.so.", CUBLAS_VER_MAJOR);
  const std::size_t number = cublaslt().version();
  return str("cuBLASLt ", number / 10000, ".", number / 100 % 100, ".", number % 100);
#endif
}

template void compute_product(const LaunchContext&, const Product<float, float>&, const std::function<void()>&);
template void compute_product(const LaunchContext&, const Product<bf16, bf16>&, const std::function<void()>&);
template void compute_product(const LaunchContext&, const Product<bf16, float>&, const std::function<void()>&);

}  // namespace sepia::kernels::cuda
