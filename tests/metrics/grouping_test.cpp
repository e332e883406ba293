#include "engine/metrics/grouping.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/base/error.h"

namespace sepia {
namespace {

const std::vector<std::string> kPaths{"test/fake/v1_0.png", "test/fake/v1_1.png", "test/fake/v2_0.png", "test/real/v1_0.png", "test/fake/v1_2.png"};
const std::vector<std::uint8_t> kLabels{1, 1, 1, 0, 1};
const std::vector<Logits2> kLogits{{0, 3}, {3, 0}, {1, 2}, {5, 4}, {0, 6}};

TEST(Grouping, MeansOverTheFramesOfAVideoByHand) {
  const GroupedScores groups = group_scores(kPaths, kLabels, kLogits, "(v[0-9]+)_");
  EXPECT_EQ(groups.names, (std::vector<std::string>{"v1", "v2", "v1"})) << "real and fake v1 are two groups";
  EXPECT_EQ(groups.labels, (std::vector<std::uint8_t>{1, 1, 0}));
  EXPECT_EQ(groups.logits, (std::vector<Logits2>{{1, 3}, {1, 2}, {5, 4}}));
  EXPECT_EQ(groups.pictures, (std::vector<std::size_t>{3, 1, 1}));
}

TEST(Grouping, WithoutACaptureTheMatchIsTheName) {
  EXPECT_EQ(group_scores(kPaths, kLabels, kLogits, "v[0-9]+_[0-9]").names.size(), 5U);
  EXPECT_EQ(group_scores(kPaths, kLabels, kLogits, "fake|real").names, (std::vector<std::string>{"fake", "real"}));
}

TEST(Grouping, Refuses) {
  EXPECT_THROW(group_scores(kPaths, kLabels, kLogits, "(v["), Error);
  try {
    group_scores(kPaths, kLabels, kLogits, "v2");
    FAIL();
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kData);
    EXPECT_NE(std::string(error.what()).find("test/fake/v1_0.png"), std::string::npos);
  }
  EXPECT_THROW(group_scores(kPaths, std::vector<std::uint8_t>{1}, kLogits, "v"), Error);
}

}  // namespace
}  // namespace sepia
