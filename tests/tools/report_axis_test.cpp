// Ticks by hand, and where the scales put values.
#include <gtest/gtest.h>

#include "tools/report/axis.h"

namespace sepia::report {
namespace {

std::vector<std::string> labels(const Axis& axis) {
  std::vector<std::string> out;
  for (const Tick& tick : axis.ticks) {
    if (!tick.label.empty()) out.push_back(tick.label);
  }
  return out;
}

using Labels = std::vector<std::string>;

TEST(ReportAxis, NiceStepIsOneTwoFive) {
  EXPECT_DOUBLE_EQ(nice_step(1.0, 5), 0.2);
  EXPECT_DOUBLE_EQ(nice_step(1.0, 4), 0.5);
  EXPECT_DOUBLE_EQ(nice_step(0.72, 5), 0.2);
  EXPECT_DOUBLE_EQ(nice_step(40, 8), 5);
  EXPECT_DOUBLE_EQ(nice_step(0.003, 5), 0.001);
  EXPECT_DOUBLE_EQ(nice_step(100, 5), 20);
  EXPECT_DOUBLE_EQ(nice_step(101, 10), 20);
}

TEST(ReportAxis, LinearTicksSnapAndCarryNoDust) {
  const Axis axis = linear_axis("", 0, 0.72);
  EXPECT_EQ(labels(axis), (Labels{"0.0", "0.2", "0.4", "0.6", "0.8"}));
  EXPECT_DOUBLE_EQ(axis.high, 0.8);
  EXPECT_EQ(labels(linear_axis("", -0.3, 0.3)), (Labels{"\u22120.4", "\u22120.2", "0.0", "0.2", "0.4"}));
  EXPECT_EQ(labels(linear_axis("", 0.61, 0.98, true)), (Labels{"60", "70", "80", "90", "100"}));
  EXPECT_EQ(labels(linear_axis("", 0.4995, 0.5005, true)), (Labels{"49.94", "49.96", "49.98", "50.00", "50.02", "50.04", "50.06"}));
  const Axis flat = linear_axis("", 2, 2);
  EXPECT_LT(flat.low, flat.high);
  const Axis inside = linear_axis("", 0.05, 0.95, false, false);
  EXPECT_DOUBLE_EQ(inside.low, 0.05);
  EXPECT_EQ(labels(inside), (Labels{"0.2", "0.4", "0.6", "0.8"}));
}

TEST(ReportAxis, EpochsAreWholeNumbers) {
  EXPECT_EQ(labels(integer_axis("", 1, 5)), (Labels{"1", "2", "3", "4", "5"}));
  EXPECT_EQ(labels(integer_axis("", 1, 40)), (Labels{"1", "5", "10", "15", "20", "25", "30", "35", "40"}));
  EXPECT_EQ(labels(integer_axis("", 1, 2)), (Labels{"1", "2"}));
  const Axis one = integer_axis("", 1, 1);
  EXPECT_EQ(labels(one), Labels{"1"});
  EXPECT_DOUBLE_EQ(one.unit(1), 0.5);
}

TEST(ReportAxis, LogTicksStandAtDecades) {
  const Axis axis = log_axis("", 3e-4, 0.5);
  EXPECT_EQ(labels(axis), (Labels{"10\u207B\u2074", "10\u207B\u00B3", "10\u207B\u00B2", "10\u207B\u00B9", "10\u2070"}));
  EXPECT_DOUBLE_EQ(axis.unit(1e-2), 0.5);
  EXPECT_DOUBLE_EQ(axis.unit(0), 0) << "outside of the domain: the nearer end";
  const Axis close = log_axis("", 0.3, 4);
  EXPECT_EQ(labels(close), (Labels{"0.2", "0.5", "1", "2", "5"}));
  EXPECT_DOUBLE_EQ(close.low, 0.2);
  EXPECT_DOUBLE_EQ(close.high, 5);
  EXPECT_LE(labels(log_axis("", 1e-20, 1)).size(), 7u);
}

TEST(ReportAxis, ProbitAxisIsSymmetricAndClamped) {
  const Axis axis = probit_axis("", 0.01, 0.99);
  EXPECT_EQ(labels(axis), (Labels{"1", "5", "20", "50", "80", "95", "99"}));
  EXPECT_NEAR(axis.unit(0.5), 0.5, 1e-12);
  EXPECT_NEAR(axis.unit(0.05), 1 - axis.unit(0.95), 1e-12);
  // probit(0.2) = -0.841621, probit(0.01) = -2.326348: (2.326348 - 0.841621) / (2 * 2.326348)
  EXPECT_NEAR(axis.unit(0.2), 0.319111, 1e-6);
  EXPECT_EQ(axis.unit(0), 0);
  EXPECT_EQ(axis.unit(1), 1);
  EXPECT_EQ(labels(probit_axis("", 0.02, 0.98)), (Labels{"2", "5", "20", "50", "80", "95", "98"})) << "the ends are named";
}

}  // namespace
}  // namespace sepia::report
