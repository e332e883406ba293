// For every kind of fault one kernel that has it and one that has not.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/simt/scenario.h"

namespace sepia::test {
namespace {

using ::testing::HasSubstr;

struct FaultCase {
  const char* faulty;   ///< the scenario with the mistake
  const char* correct;  ///< the same without
  const char* kind;     ///< how its fault begins
  const char* place;    ///< kernel or source line that the fault names
};

void PrintTo(const FaultCase& c, std::ostream* out) { *out << c.faulty; }

class Faults : public ::testing::TestWithParam<FaultCase> {};

TEST_P(Faults, AreSeenWhereTheyAreAndOnlyThere) {
  for (const std::uint64_t seed : {0, 1, 2, 3, 4}) {
    const Outcome faulty = run_scenario(GetParam().faulty, seed);
    EXPECT_THAT(faulty.text(), HasSubstr(GetParam().kind)) << "seed " << seed;
    EXPECT_THAT(faulty.text(), HasSubstr(GetParam().place)) << "seed " << seed;
    EXPECT_EQ(run_scenario(GetParam().correct, seed).text(), "") << "seed " << seed;
  }
}

INSTANTIATE_TEST_SUITE_P(Each, Faults,
                         ::testing::Values(FaultCase{"missing_syncthreads", "with_syncthreads", "race: ", "order.cu:12"},
                                           FaultCase{"missing_syncwarp", "with_syncwarp", "race: ", "kernel rotate_warp<false>"}),
                         [](const auto& info) { return std::string(info.param.faulty); });

}  // namespace
}  // namespace sepia::test
