#include "tests/support/golden.h"

#include <gtest/gtest.h>

#include <cmath>
#include <set>
#include <string>

namespace sepia {
namespace {

TEST(Golden, EveryOpCaseIsReadAndShaped) {
  const auto ops = golden::load("ops");
  for (const auto& [op, cases] : ops.items()) {
    if (op == "made_by") continue;
    std::set<std::string> names;
    for (const auto& row : cases) {
      EXPECT_TRUE(names.insert(row.at("name").get<std::string>()).second) << op << ": two cases of one name";
      for (const char* part : {"inputs", "outputs"}) {
        for (const auto& [name, json] : row.at(part).items()) {
          const auto a = golden::array(json);
          std::size_t count = 1;
          for (auto d : a.shape) count *= static_cast<std::size_t>(d);
          EXPECT_EQ(a.values.size(), count) << op << ' ' << row.at("name") << ' ' << name;
        }
      }
    }
  }
}

// Two of the file's values worked out here by hand, so that a reader that mixes up cases or axes is seen.
TEST(Golden, ValuesAreWhatTheirNamesSay) {
  const auto ops = golden::load("ops");
  const auto& pool = ops.at("global_avg_pool").at(0);
  const auto x = golden::array(pool.at("inputs").at("x")), y = golden::array(pool.at("outputs").at("y"));
  ASSERT_EQ(x.shape, (std::vector<std::int64_t>{2, 5, 3, 4}));
  for (std::size_t plane = 0; plane < 10; ++plane) {
    double sum = 0;
    for (std::size_t i = 0; i < 12; ++i) sum += x.values[plane * 12 + i];
    EXPECT_NEAR(y.values[plane], sum / 12, 1e-15);
  }
  const auto nhwc = golden::nchw_to_nhwc(x);
  EXPECT_EQ(nhwc[((1 * 3 + 2) * 4 + 3) * 5 + 4], x.values.back());
  EXPECT_EQ(nhwc[1], x.values[12]);

  const auto& relu = ops.at("relu").at(0);
  EXPECT_TRUE(std::isnan(golden::array(relu.at("outputs").at("y")).values[4]));
}

TEST(Golden, OptimizersMoveAndSchedulesWarmUp) {
  const auto optim = golden::load("optim");
  const auto& adam = optim.at("adam").at(0);
  // Adam's first step is lr * g / (|g| + eps).
  for (std::size_t i = 0; i < 12; ++i) {
    const double g = adam.at("gradients").at(0).at(i), start = adam.at("start").at(i), after = adam.at("weights").at(0).at(i);
    EXPECT_NEAR(after, start - 1e-3 * g / (std::abs(g) + 1e-8), 1e-15);
  }
  const auto& warm = optim.at("cosine").at(1);
  EXPECT_DOUBLE_EQ(warm.at("lr").at(0).get<double>(), 1e-5);
  EXPECT_NEAR(warm.at("lr").at(1).get<double>(), 1e-5 + (1e-3 - 1e-5) / 5, 1e-18);
  EXPECT_DOUBLE_EQ(warm.at("lr").at(20).get<double>(), 1e-6);
}

// Pictures of the real size start near ln 2, and float32 stays near but not on the float64 curve.
TEST(Golden, CurvesAreOfTwentySteps) {
  const auto curves = golden::load("curves");
  for (const char* model : {"simplenet", "edgenet"}) {
    const auto& curve = curves.at(model);
    ASSERT_EQ(curve.at("losses").size(), curves.at("setup").at("steps").get<std::size_t>());
    EXPECT_NEAR(curve.at("losses").at(0).get<double>(), std::log(2.0), 0.01);
    EXPECT_GT(curve.at("torch_fp32_distance_median").get<double>(), 1e-6);
    EXPECT_LT(curve.at("torch_fp32_distance_median").get<double>(), 0.02);
  }
}

}  // namespace
}  // namespace sepia
