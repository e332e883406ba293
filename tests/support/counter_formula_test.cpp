#include "tests/support/counter_formula.h"

#include <gtest/gtest.h>

#include <string>

#include "tests/support/golden.h"

namespace sepia {
namespace {

// The numbers that `python tests/golden/counter_formula.py` prints, to the bit.
TEST(CounterFormula, HashAsInPython) {
  EXPECT_EQ(counter_formula::hash32(0), 0u);
  EXPECT_EQ(counter_formula::hash32(1), 0x688990c0u);
  EXPECT_EQ(counter_formula::hash32(0xffffffffu), 0x6768824au);
}

TEST(CounterFormula, ParametersAsInPython) {
  const auto conv = counter_formula::parameter(0, "uniform", 1000, 147);
  EXPECT_EQ(conv[0], -0x1.51d517412838ep-4);
  EXPECT_EQ(conv[1], -0x1.ef6701f6d00b7p-7);
  EXPECT_EQ(conv[999], -0x1.c66633b2a9415p-6);
  const auto bias = counter_formula::parameter(3, "uniform", 1000, 294);
  EXPECT_EQ(bias[0], -0x1.59d482f8651a3p-5);
  EXPECT_EQ(bias[999], -0x1.857b7a7034e49p-6);
  const auto bn_weight = counter_formula::parameter(7, "bn_weight", 1000, 1);
  EXPECT_EQ(bn_weight[0], 0x1.eaab344f80000p-1);
  EXPECT_EQ(bn_weight[999], 0x1.dcb7d74900000p-1);
  const auto bn_bias = counter_formula::parameter(8, "bn_bias", 1000, 1);
  EXPECT_EQ(bn_bias[1], 0x1.fbf191a800000p-5);
  EXPECT_THROW(counter_formula::parameter(0, "normal", 1, 1), std::invalid_argument);
}

TEST(CounterFormula, PixelsAsInPython) {
  EXPECT_EQ(counter_formula::pixel(0, 0, 0, 0), 39);
  EXPECT_EQ(counter_formula::pixel(0, 2, 63, 63), 71);
  EXPECT_EQ(counter_formula::pixel(5, 1, 17, 42), 91);
  EXPECT_EQ(counter_formula::pixel(31, 2, 8, 7), 130);
  EXPECT_EQ(counter_formula::normalised_pixel(0, 0, 0, 0), -0x1.ac4d44483476cp+0);
  EXPECT_EQ(counter_formula::normalised_pixel(5, 1, 17, 42), -0x1.41d4301c98dfcp-1);
  EXPECT_EQ(counter_formula::normalised_pixel(31, 2, 8, 7), 0x1.4280e9596dce5p-2);
}

TEST(CounterFormula, BatchIsChannelsLastAndInOrder) {
  const auto batch = counter_formula::batch_nhwc(3, 8, 16);
  ASSERT_EQ(batch.size(), 8u * 16 * 16 * 3);
  EXPECT_EQ(batch[((7 * 16 + 8) * 16 + 7) * 3 + 2], counter_formula::normalised_pixel(31, 2, 8, 7));
}

TEST(CounterFormula, LabelsAsInPython) {
  std::string labels;
  for (int label : counter_formula::batch_labels(0, 32)) labels += static_cast<char>('0' + label);
  EXPECT_EQ(labels, "00101011110000110011010100001111");
}

// simplenet has 386,690 parameters at 64 x 64. The goldens' own parameter rows and the formula fit together: a trained tensor is near its
// start (20 steps of 1e-3), and a digest notices one wrong element anywhere.
TEST(Golden, FinalParametersLieNearTheFormula) {
  for (const std::string model : {"simplenet", "edgenet"}) {
    const auto golden = golden::load("training_" + model);
    std::size_t total = 0;
    for (const auto& row : golden.at("parameters")) {
      const auto name = row.at("name").get<std::string>();
      const auto& digest = golden.at("final_parameters").at(name);
      ASSERT_EQ(digest.at("shape"), row.at("shape")) << name;
      std::size_t count = 1;
      for (const auto& d : row.at("shape")) count *= d.get<std::size_t>();
      total += count;
      const auto number = row.at("number").get<std::uint32_t>();
      auto start = counter_formula::parameter(number, row.at("kind").get<std::string>(), count, row.at("fan_in").get<std::uint32_t>());
      const double distance = golden::digest_distance(digest, start, number);
      if (name.starts_with("blocks.") && name.ends_with("wise.bias")) {
        EXPECT_LT(distance, 1e-8) << name << " stands before a batch norm: its gradient is zero";
      } else {
        EXPECT_GT(distance, 1e-4) << model << ' ' << name << " was not trained";
      }
      EXPECT_LT(distance, 0.03 * std::sqrt(static_cast<double>(count))) << model << ' ' << name;
      const auto stride = digest.at("stride").get<std::size_t>();
      const auto& samples = digest.at("samples");
      for (std::size_t k = 0; k < samples.size(); ++k)
        EXPECT_NEAR(samples[k].get<double>(), start[k * stride], 0.03) << model << ' ' << name;
      start[count / 2] += 100 * std::sqrt(static_cast<double>(count));
      EXPECT_GT(golden::digest_distance(digest, start, number), 20) << model << ' ' << name;
    }
    EXPECT_EQ(total, model == "edgenet" ? 64066u : 386690u);
  }
}

}  // namespace
}  // namespace sepia
