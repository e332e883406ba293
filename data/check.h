// `sepia data check`: what is wrong with a data set, before a network learns it.
#pragma once

#include <cstddef>
#include <filesystem>
#include <functional>
#include <string>
#include <vector>

#include "data/class_differences.h"
#include "data/duplicates.h"

namespace sepia {

struct CheckOptions {
  std::string real_folder = "real";
  std::string fake_folder = "fake";
  int workers = 2;
  std::string group_by = {};   ///< a regular expression; empty: no grouping
  int near_distance = 20;      ///< bits of 256 up to which two pictures count as the same (see check.cpp for what it finds)
  std::function<void(const std::string& split, std::size_t done, std::size_t total)> progress = nullptr;  ///< called from several threads
};

struct SplitSummary {
  std::string name;
  std::size_t n_real = 0, n_fake = 0;
  std::string proportion;  ///< proportion_sentence
  std::string fingerprint;
  std::vector<FileRecord> unreadable;
  std::vector<std::string> ignored;
};

struct CheckReport {
  std::string root;
  std::vector<SplitSummary> splits;  ///< those that are there, in the order train, val, test
  std::vector<ExactDuplicates> exact;
  std::vector<NearDuplicate> near;
  bool grouped = false;
  GroupResult groups;
  std::vector<ClassDifference> differences;
  /// What a person must look at, one sentence each; the command's exit code is 1 when there is one.
  std::vector<std::string> findings;
};

/// Reads every file of every split of ROOT. kPath when ROOT is missing or holds no split; kData when class folders are missing
/// or spelled otherwise; kUsage when the expression is not one. Bad files are findings, not errors.
CheckReport check_dataset(const std::filesystem::path& root, const CheckOptions& options = {});

/// "700 fake : 1400 real = 1:2 (33.33% fake)". Terms up to 20 after division by the common divisor are printed as they are,
/// otherwise the greater is given as a multiple of the smaller: "552 fake : 551 real = 1.002:1 (50.05% fake)".
std::string proportion_sentence(std::size_t n_fake, std::size_t n_real);

/// The report for machines: one JSON object.
std::string check_json(const CheckReport& report);
/// The report for people: several lines, the findings last.
std::string check_text(const CheckReport& report);

}  // namespace sepia
