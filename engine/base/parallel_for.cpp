#include "engine/base/parallel_for.h"

#include <sched.h>

#include <algorithm>
#include <array>
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

#if !defined(SEPIA_SERIAL)
/// A share of the pieces, from which one thread after another takes the next.
struct alignas(64) Share {
  std::atomic<std::int64_t> next;
  std::int64_t end;
};

/// Pieces cut into as many neighbouring shares as there are threads. A thread takes its own share in order and then helps with the others':
/// so it mostly meets the rows that it wrote in the operation before, which its own cache still holds.
class Shares {
 public:
  Shares(std::int64_t count, int threads) : shares_(std::min<std::int64_t>(threads, kMost)) {
    for (std::int64_t i = 0; i < shares_; ++i) {
      of_[static_cast<std::size_t>(i)].next.store(count * i / shares_, std::memory_order_relaxed);
      of_[static_cast<std::size_t>(i)].end = count * (i + 1) / shares_;
    }
  }

  /// Calls body(piece) for every piece that is left, those of share `thread` first.
  template <class Body>
  void take(int thread, const Body& body) {
    for (std::int64_t turn = 0; turn < shares_; ++turn) {
      Share& share = of_[static_cast<std::size_t>((thread + turn) % shares_)];
      for (std::int64_t piece; (piece = share.next.fetch_add(1, std::memory_order_relaxed)) < share.end;) body(piece);
    }
  }

 private:
  static constexpr std::int64_t kMost = 64;
  std::int64_t shares_;
  std::array<Share, kMost> of_;
};
#endif

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
  Shares shares(count, threads);
#pragma omp parallel num_threads(threads)
  {
    const FlushDenormals flush;
    shares.take(omp_get_thread_num(), [&](std::int64_t piece) {
      try {
        body(context, piece);
      } catch (...) {
        const std::lock_guard lock(error_mutex);
        if (!first_error) first_error = std::current_exception();
      }
    });
  }
  if (first_error) std::rethrow_exception(first_error);
#endif
}

}  // namespace detail
}  // namespace sepia
