#include "engine/base/random.h"

#include <gtest/gtest.h>

#include <array>
#include <cmath>

namespace sepia {
namespace {

using Block = std::array<std::uint32_t, 4>;

// Known-answer vectors published with the Random123 library (kat_vectors, philox4x32 10 rounds).
TEST(Philox, KnownAnswers) {
  EXPECT_EQ(philox4x32({0, 0, 0, 0}, {0, 0}), (Block{0x6627e8d5, 0xe169c58d, 0xbc57ac4c, 0x9b00dbd8}));
  EXPECT_EQ(philox4x32({0xffffffff, 0xffffffff, 0xffffffff, 0xffffffff}, {0xffffffff, 0xffffffff}),
            (Block{0x408f276d, 0x41c83b0e, 0xa20bc7c6, 0x6d5451fd}));
  EXPECT_EQ(philox4x32({0x243f6a88, 0x85a308d3, 0x13198a2e, 0x03707344}, {0xa4093822, 0x299f31d0}),
            (Block{0xd16cfe09, 0x94fdcceb, 0x5001e420, 0x24126ea1}));
}

TEST(RandomStream, SameKeySameNumbersOtherKeyOtherNumbers) {
  RandomStream a(7, RandomPurpose::kTest, 1, 2), b(7, RandomPurpose::kTest, 1, 2), c(7, RandomPurpose::kTest, 1, 3);
  int equal_to_c = 0;
  for (int i = 0; i < 100; ++i) {
    const auto x = a.next_u32();
    EXPECT_EQ(x, b.next_u32());
    equal_to_c += x == c.next_u32();
  }
  EXPECT_LE(equal_to_c, 1);
}

TEST(RandomStream, BelowIsUniformAndInRange) {
  RandomStream stream(1, RandomPurpose::kTest);
  std::array<int, 6> counts{};
  for (int i = 0; i < 60000; ++i) {
    const auto value = stream.below(6);
    ASSERT_LT(value, 6u);
    ++counts[value];
  }
  double chi_square = 0;
  for (const int count : counts) chi_square += (count - 10000.0) * (count - 10000.0) / 10000.0;
  EXPECT_LT(chi_square, 20.5);  // 99.9% point with 5 degrees of freedom
}

TEST(RandomStream, NormalHasMeanZeroAndVarianceOne) {
  RandomStream stream(3, RandomPurpose::kTest);
  double sum = 0, squares = 0;
  constexpr int kDraws = 100000;
  for (int i = 0; i < kDraws; ++i) {
    const double value = stream.normal();
    sum += value;
    squares += value * value;
  }
  EXPECT_NEAR(sum / kDraws, 0.0, 0.02);
  EXPECT_NEAR(squares / kDraws, 1.0, 0.03);
}

}  // namespace
}  // namespace sepia
