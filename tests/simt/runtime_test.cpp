// The emulated runtime: streams, events, graphs, errors, memory, and what a seed decides.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <ctime>
#include <set>

#include "tests/simt/scenario.h"

namespace sepia::test {
namespace {

class Runtime : public ::testing::TestWithParam<const char*> {};

/// The scenario itself compares what comes out; here no fault may be seen, under any schedule.
TEST_P(Runtime, BehavesAsCudaDoes) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4}) EXPECT_EQ(run_scenario(GetParam(), seed).text(), "") << "seed " << seed;
}

INSTANTIATE_TEST_SUITE_P(Each, Runtime,
                         ::testing::Values("graph_forks_and_joins", "graph_without_join", "calls_that_a_capture_forbids",
                                           "errors_of_the_runtime", "memory_is_counted", "events_tell_time", "host_functions_run_in_order",
                                           "long_queue"),
                         [](const auto& info) { return std::string(info.param); });

TEST(RuntimeErrors, AFaultIsTheErrorOfTheNextWait) {
  EXPECT_THAT(run_scenario("fault_becomes_an_error").text(), ::testing::HasSubstr("out of bounds"));
}

TEST(RuntimeMemory, HasALimit) {
  emulator().set_memory_limit(1 << 20);
  const Outcome outcome = run_scenario("memory_is_counted");
  emulator().set_memory_limit(0);
  EXPECT_EQ(outcome.text(), "");
  EXPECT_EQ(emulator().live_allocations(), 0U);
}

TEST(RuntimeSeed, DecidesWhichStreamGoesFirst) {
  const auto order = [](std::uint64_t seed) {
    std::string complaints;
    run_scenario("order_of_streams", seed, false, &complaints);
    return complaints.empty() ? 1 : 2;
  };
  std::set<int> first;
  for (std::uint64_t seed = 0; seed < 16; ++seed) first.insert(order(seed));
  EXPECT_EQ(first, (std::set<int>{1, 2}));
  EXPECT_EQ(order(5), order(5));
}

/// Processor time, not wall time: other programs run beside this one.
double seconds_of(const char* scenario) {
  const std::clock_t begin = std::clock();
  run_scenario(scenario);
  return static_cast<double>(std::clock() - begin) / CLOCKS_PER_SEC;
}

/// The best of several runs.
double best_nanoseconds(const char* scenario, double accesses) {
  double best = 1e9;
  for (int round = 0; round < 5; ++round) best = std::min(best, seconds_of(scenario));
  const double each = best / accesses * 1e9;
  std::printf("%s: %.1f ns per access\n", scenario, each);
  ::testing::Test::RecordProperty(scenario, std::to_string(each));
  return each;
}

TEST(Speed, AnAccessCostsNanoseconds) {
  constexpr double kAllowed = 200;  // 50 is the goal and 10 to 20 are measured; the rest is for a machine that does other things too
  EXPECT_LT(best_nanoseconds("speed_global", 2048.0 * 2048), kAllowed);
  EXPECT_LT(best_nanoseconds("speed_broadcast", 1024.0 * 1024), kAllowed);
  EXPECT_LT(best_nanoseconds("speed_shared", 2 * 16 * 256 * 256.0), kAllowed);   // with a barrier for every two
  EXPECT_LT(best_nanoseconds("speed_shuffle", 4 * 256 * 1024.0), 2 * kAllowed);
}

}  // namespace
}  // namespace sepia::test
