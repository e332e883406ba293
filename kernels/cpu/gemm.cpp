#include "kernels/cpu/gemm.h"

#include <omp.h>

#include <oneapi/dnnl/dnnl.h>

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

}  // namespace

void gemm(const Gemm& p) {
  if (p.m == 0 || p.n == 0) return;
  const OneThread one_thread;
  const dnnl_status_t status =
      dnnl_sgemm(p.transpose_a ? 'T' : 'N', p.transpose_b ? 'T' : 'N', p.m, p.n, p.k, 1.0F, p.a, p.lda, p.b, p.ldb, p.beta, p.c, p.ldc);
  SEPIA_CHECK_KIND(status == dnnl_success, status == dnnl_out_of_memory ? ErrorKind::kMemory : ErrorKind::kInternal,
                   "oneDNN matrix product (", p.m, ", ", p.n, ", ", p.k, ") failed with status ", static_cast<int>(status));
}

}  // namespace sepia::kernels::cpu
