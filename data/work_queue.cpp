#include "data/work_queue.h"

#include <atomic>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace sepia {

void run_on_threads(std::size_t count, int threads, const std::function<void(std::size_t)>& job, const std::function<void(std::size_t, std::size_t)>& progress) {
  std::atomic<std::size_t> next{0};
  std::mutex mutex;  // guards `done` and `failure`
  std::size_t done = 0;
  std::exception_ptr failure;
  const auto work = [&] {
    try {
      for (std::size_t i = next++; i < count; i = next++) {
        job(i);
        const std::lock_guard lock(mutex);
        ++done;
        if (progress) progress(done, count);
      }
    } catch (...) {
      next = count;
      const std::lock_guard lock(mutex);
      if (!failure) failure = std::current_exception();
    }
  };
  std::vector<std::thread> helpers;
  for (int t = 1; t < threads; ++t) helpers.emplace_back(work);
  work();
  for (auto& thread : helpers) thread.join();
  if (failure) std::rethrow_exception(failure);
}

}  // namespace sepia
