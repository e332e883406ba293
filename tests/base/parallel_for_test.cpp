#include "engine/base/parallel_for.h"

#include <gtest/gtest.h>

#include <atomic>
#include <limits>
#include <stdexcept>
#include <vector>

namespace sepia {
namespace {

TEST(ParallelFor, RunsEveryIndexOnceForAnyNumberOfThreads) {
  for (const int threads : {1, 2, 4, 7}) {
    set_num_threads(threads);
    std::vector<std::atomic<int>> seen(1000);
    parallel_for(1000, [&](std::int64_t i) { ++seen[static_cast<std::size_t>(i)]; });
    for (const auto& count : seen) EXPECT_EQ(count, 1);
  }
  set_num_threads(0);
}

TEST(ParallelFor, RethrowsABodysException) {
  set_num_threads(2);
  EXPECT_THROW(parallel_for(100, [](std::int64_t i) { if (i == 57) throw std::runtime_error("57"); }), std::runtime_error);
  set_num_threads(0);
}

TEST(ParallelFor, FlushesDenormalsInsideBodiesOnly) {
  volatile float tiny = std::numeric_limits<float>::min();
  for (const int threads : {1, 2}) {
    set_num_threads(threads);
    std::atomic<int> denormals{0};
    parallel_for(8, [&](std::int64_t) { denormals += tiny * 0.5f != 0.0f; });
    EXPECT_EQ(denormals, 0);
    EXPECT_NE(tiny * 0.5f, 0.0f);
  }
  set_num_threads(0);
}

}  // namespace
}  // namespace sepia
