// The same picture, or the same person or video, in two places of a data set.
#pragma once

#include <cstddef>
#include <string>
#include <utility>
#include <vector>

#include "data/scan.h"

namespace sepia {

/// One split as it was found.
struct ScannedSplit {
  std::string name;
  std::vector<FileRecord> files;
  std::vector<std::string> ignored;  ///< files in the class folders that are not pictures by their names
};

/// Files with the same bytes, sorted by path.
struct ExactDuplicates {
  std::vector<std::string> paths;
  bool across_splits = false;
  bool across_classes = false;  ///< once real, once fake: one of them is wrong
};

/// Files of two splits that look the same but differ in bytes.
struct NearDuplicate {
  std::string first, second;
  int distance = 0;  ///< of their perceptual hashes, in bits of 256
};

/// A group (a person, a video) with files in more than one split.
struct SplitGroup {
  std::string name;
  std::vector<std::pair<std::string, std::size_t>> files_per_split;
};

/// Sets of files with equal SHA-256, over all splits.
std::vector<ExactDuplicates> find_exact_duplicates(const std::vector<ScannedSplit>& splits);

/// Pairs across splits whose hashes differ in at most `max_distance` bits, exact duplicates left out; sorted by distance.
std::vector<NearDuplicate> find_near_duplicates(const std::vector<ScannedSplit>& splits, int max_distance);

struct GroupResult {
  std::vector<SplitGroup> shared;  ///< groups in more than one split, sorted by name
  std::size_t groups = 0;
  std::size_t unmatched = 0;  ///< files whose path the expression does not match
};

/// Groups files by what `expression` (ECMAScript) finds in their path: its first capture, or the whole match when it has none.
/// kUsage when it is not a regular expression.
GroupResult find_shared_groups(const std::vector<ScannedSplit>& splits, const std::string& expression);

}  // namespace sepia
