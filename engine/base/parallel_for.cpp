#include "engine/base/parallel_for.h"

#include <sched.h>

#include <atomic>
#include <exception>
#include <mutex>

#if !defined(SEPIA_SERIAL)
#include <omp.h>
#endif

#include "engine/base/flush_denormals.h"

namespace sepia {
namespace {

int processors_of_this_process() {
  cpu_set_t set;
  if (sched_getaffinity(0, sizeof set, &set) != 0) return 1;
  const int count = CPU_COUNT(&set);
  return count > 0 ? count : 1;
}

std::atomic<int> g_threads{0};

}  // namespace

void set_num_threads(int threads) { g_threads.store(threads > 0 ? threads : processors_of_this_process()); }

int num_threads() {
  if (g_threads.load(std::memory_order_relaxed) == 0) set_num_threads(0);
  return g_threads.load(std::memory_order_relaxed);
}

namespace detail {

void parallel_for_impl(std::int64_t count, void (*body)(void*, std::int64_t), void* context) {
#if defined(SEPIA_SERIAL)
  const FlushDenormals flush;
  for (std::int64_t i = 0; i < count; ++i) body(context, i);
#else
  const int threads = static_cast<int>(count < num_threads() ? count : num_threads());
  if (threads <= 1 || omp_in_parallel()) {
    const FlushDenormals flush;
    for (std::int64_t i = 0; i < count; ++i) body(context, i);
    return;
  }
  std::exception_ptr first_error;
  std::mutex error_mutex;
#pragma omp parallel num_threads(threads)
  {
    const FlushDenormals flush;
#pragma omp for schedule(dynamic, 1)
    for (std::int64_t i = 0; i < count; ++i) {
      try {
        body(context, i);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!first_error) first_error = std::current_exception();
      }
    }
  }
  if (first_error) std::rethrow_exception(first_error);
#endif
}

}  // namespace detail
}  // namespace sepia
