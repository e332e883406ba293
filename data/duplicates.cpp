#include "data/duplicates.h"

#include <algorithm>
#include <bit>
#include <map>
#include <regex>
#include <tuple>
#include <utility>

#include "engine/base/error.h"

namespace sepia {

namespace {

struct FileInSplit {
  const ScannedSplit* split;
  const FileRecord* file;
};

/// Equal to hash_distance(a, b) <= limit, but most pairs are settled by a part of the hash.
bool within(const PerceptualHash& a, const PerceptualHash& b, int limit) {
  int distance = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    distance += std::popcount(a[i] ^ b[i]);
    if (distance > limit) return false;
  }
  return true;
}

}  // namespace

std::vector<ExactDuplicates> find_exact_duplicates(const std::vector<ScannedSplit>& splits) {
  std::map<std::string, std::vector<FileInSplit>> by_hash;
  for (const auto& split : splits) {
    for (const auto& file : split.files) {
      if (!file.sha256.empty() && file.bytes > 0) by_hash[file.sha256].push_back({&split, &file});
    }
  }
  std::vector<ExactDuplicates> found;
  for (const auto& [hash, files] : by_hash) {
    if (files.size() < 2) continue;
    ExactDuplicates duplicates;
    for (const auto& entry : files) {
      duplicates.paths.push_back(entry.file->path);
      duplicates.across_splits |= entry.split != files[0].split;
      duplicates.across_classes |= entry.file->label != files[0].file->label;
    }
    std::sort(duplicates.paths.begin(), duplicates.paths.end());
    found.push_back(std::move(duplicates));
  }
  std::sort(found.begin(), found.end(), [](const auto& a, const auto& b) { return a.paths < b.paths; });
  return found;
}

std::vector<NearDuplicate> find_near_duplicates(const std::vector<ScannedSplit>& splits, int max_distance) {
  std::vector<NearDuplicate> found;
  for (std::size_t s = 0; s < splits.size(); ++s) {
    for (std::size_t t = s + 1; t < splits.size(); ++t) {
      for (const auto& a : splits[s].files) {
        if (!a.error.empty()) continue;
        for (const auto& b : splits[t].files) {
          if (!b.error.empty() || !within(a.hash, b.hash, max_distance) || a.sha256 == b.sha256) continue;
          found.push_back({a.path, b.path, hash_distance(a.hash, b.hash)});
        }
      }
    }
  }
  std::sort(found.begin(), found.end(), [](const NearDuplicate& a, const NearDuplicate& b) {
    return std::tie(a.distance, a.first, a.second) < std::tie(b.distance, b.first, b.second);
  });
  return found;
}

GroupResult find_shared_groups(const std::vector<ScannedSplit>& splits, const std::string& expression) {
  std::regex regex;
  try {
    regex = std::regex(expression);
  } catch (const std::regex_error& error) {
    fail(ErrorKind::kUsage, "--group-by '", expression, "' is not a regular expression: ", error.what());
  }
  GroupResult result;
  std::map<std::string, std::map<std::string, std::size_t>> groups;
  for (const auto& split : splits) {
    for (const auto& file : split.files) {
      std::smatch match;
      if (std::regex_search(file.path, match, regex)) {
        ++groups[match[match.size() > 1 ? 1 : 0].str()][split.name];
      } else {
        ++result.unmatched;
      }
    }
  }
  result.groups = groups.size();
  for (const auto& [name, per_split] : groups) {
    if (per_split.size() > 1) result.shared.push_back({name, {per_split.begin(), per_split.end()}});
  }
  return result;
}

}  // namespace sepia
