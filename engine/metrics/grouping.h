// The frames of a video, the pictures of a person: scored one by one, judged together.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/metrics/scores.h"

namespace sepia {

/// Groups in the order in which their first pictures come.
struct GroupedScores {
  std::vector<std::string> names;
  std::vector<std::uint8_t> labels;
  std::vector<Logits2> logits;        ///< means over the group's pictures
  std::vector<std::size_t> pictures;  ///< how many there are in each
};

/// Puts together the pictures in whose paths `expression` (ECMAScript) finds the same: its first capture, or the whole match when it has none.
/// Real and fake pictures of one name are two groups: a person has both. The group's logits are the mean of its pictures', so that its odds
/// are the geometric mean of theirs. kUsage when it is not a regular expression or the lengths differ; kData, naming the path, when it
/// matches nothing in one.
GroupedScores group_scores(std::span<const std::string> paths, std::span<const std::uint8_t> labels, std::span<const Logits2> logits, const std::string& expression);

}  // namespace sepia
