// Private to data/: jobs of unequal length shared out to threads.
#pragma once

#include <cstddef>
#include <functional>

namespace sepia {

/// Calls job(0) to job(count - 1), each once, on `threads` threads (the calling one among them). The first exception ends the work and is
/// thrown here. `progress`, when given, hears after each job how many are done; never from two threads at once.
void run_on_threads(std::size_t count, int threads, const std::function<void(std::size_t)>& job,
                    const std::function<void(std::size_t done, std::size_t total)>& progress = nullptr);

}  // namespace sepia
