#include "kernels/cpu/gemm.h"

#include <omp.h>

#include <array>
#include <cstddef>
#include <oneapi/dnnl/dnnl.hpp>
#include <unordered_map>

#include "engine/base/error.h"

namespace sepia::kernels::cpu {
namespace {

// oneDNN runs serially inside a parallel region, but takes all threads outside of one. There the count is lowered for the call.
class OneThread {
 public:
  OneThread() : saved_(omp_in_parallel() ? 0 : omp_get_max_threads()) {
    if (saved_ > 1) omp_set_num_threads(1);
  }
  ~OneThread() {
    if (saved_ > 1) omp_set_num_threads(saved_);
  }
  OneThread(const OneThread&) = delete;
  OneThread& operator=(const OneThread&) = delete;

 private:
  int saved_;
};

// What a compiled product depends on.
struct Shape {
  std::array<std::int64_t, 6> sizes;  // m, n, k, lda, ldb, ldc
  bool transpose_a, transpose_b, add, rounded;
  bool operator==(const Shape&) const = default;
};
struct HashOfShape {
  std::size_t operator()(const Shape& shape) const {
    std::size_t hash = (shape.transpose_a ? 1U : 0U) | (shape.transpose_b ? 2U : 0U) | (shape.add ? 4U : 0U) | (shape.rounded ? 8U : 0U);
    for (const std::int64_t size : shape.sizes) hash = hash * 0x9e3779b97f4a7c15ULL + static_cast<std::size_t>(size);
    return hash;
  }
};

using dnnl::memory;

const dnnl::engine& cpu_engine() {
  static const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
  return engine;
}

// A matrix of `rows` x `columns`, stored with `pitch` between rows, or turned.
memory::desc matrix(std::int64_t rows, std::int64_t columns, memory::data_type type, std::int64_t pitch, bool turned) {
  return {{rows, columns}, type, turned ? memory::dims{1, pitch} : memory::dims{pitch, 1}};
}

/// A product compiled for its shape, with its arguments to be filled in.
class Bf16Product {
 public:
  explicit Bf16Product(const Shape& s)
      : Bf16Product(matrix(s.sizes[0], s.sizes[2], memory::data_type::bf16, s.sizes[3], s.transpose_a),
                    matrix(s.sizes[2], s.sizes[1], memory::data_type::bf16, s.sizes[4], s.transpose_b),
                    matrix(s.sizes[0], s.sizes[1], s.rounded ? memory::data_type::bf16 : memory::data_type::f32, s.sizes[5], false), s.add) {}

  void run(const Gemm<bf16>& p) {
    a_.set_data_handle(const_cast<bf16*>(p.a));
    b_.set_data_handle(const_cast<bf16*>(p.b));
    c_.set_data_handle(p.rounded ? static_cast<void*>(p.rounded) : p.c);
    product_.execute(stream_, {{DNNL_ARG_SRC, a_}, {DNNL_ARG_WEIGHTS, b_}, {DNNL_ARG_DST, c_}});
    stream_.wait();
  }

 private:
  Bf16Product(const memory::desc& a, const memory::desc& b, const memory::desc& c, bool add)
      : stream_(cpu_engine()),
        product_(described(a, b, c, add)),
        a_(a, cpu_engine(), nullptr),
        b_(b, cpu_engine(), nullptr),
        c_(c, cpu_engine(), nullptr) {}

  static dnnl::matmul::primitive_desc described(const memory::desc& a, const memory::desc& b, const memory::desc& c, bool add) {
    dnnl::primitive_attr attributes;
    if (add) {
      dnnl::post_ops after;
      after.append_sum(1.0F);
      attributes.set_post_ops(after);
    }
#if DNNL_VERSION_MAJOR >= 3
    return {cpu_engine(), a, b, c, attributes};
#else
    return {dnnl::matmul::desc(a, b, c), attributes, cpu_engine()};
#endif
  }

  dnnl::stream stream_;
  dnnl::matmul product_;
  memory a_, b_, c_;
};

}  // namespace

void gemm(const Gemm<float>& p) {
  if (p.m == 0 || p.n == 0) return;
  const OneThread one_thread;
  const dnnl_status_t status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.0F, p.a, p.lda, p.b, p.ldb, p.beta, p.c, p.ldc);
  SEPIA_CHECK_KIND(status == dnnl_success, status == dnnl_out_of_memory ? ErrorKind::kMemory : ErrorKind::kInternal,
                   "oneDNN matrix product (", p.m, ", ", p.n, ", ", p.k, ") failed with status ", static_cast<int>(status));
}

void gemm(const Gemm<bf16>& p) {
  if (p.m == 0 || p.n == 0) return;
  // A network has a few dozen shapes. Each thread keeps its own: a compiled product's arguments are not to be shared.
  thread_local std::unordered_map<Shape, Bf16Product, HashOfShape> products;
  constexpr std::size_t kMostShapes = 1024;
  const OneThread one_thread;
  const Shape shape{{p.m, p.n, p.k, p.lda, p.ldb, p.ldc}, p.transpose_a, p.transpose_b, p.beta != 0, p.rounded != nullptr};
  try {
    auto found = products.find(shape);
    if (found == products.end()) {
      if (products.size() >= kMostShapes) products.clear();
      found = products.try_emplace(shape, shape).first;
    }
    found->second.run(p);
  } catch (const dnnl::error& error) {
    fail(error.status == dnnl_out_of_memory ? ErrorKind::kMemory : ErrorKind::kInternal, "oneDNN bf16 matrix product (", p.m, ", ", p.n, ", ", p.k,
         ") failed: ", error.what());
  }
}

namespace {

// The sets are numbered as masks: each holds those it includes.
bool has_instructions(dnnl::cpu_isa set) {
  const auto instructions = static_cast<unsigned>(dnnl::get_effective_cpu_isa()), wanted = static_cast<unsigned>(set);
  return (instructions & wanted) == wanted;
}

}  // namespace

bool has_bf16_products() { return has_instructions(dnnl::cpu_isa::avx512_core_bf16); }
bool has_matrix_units() { return has_instructions(dnnl::cpu_isa::avx512_core_amx); }

}  // namespace sepia::kernels::cpu
