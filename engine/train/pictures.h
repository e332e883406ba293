// The pictures of a run are known before it trains: every file is read once, hashed and decoded.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "data/faces_dataset.h"
#include "data/scan.h"
#include "engine/train/config.h"

namespace sepia::train {

/// One split, what was found in it, and the samples that can be used.
struct SplitPictures {
  std::string split;
  std::unique_ptr<Dataset> dataset;
  std::vector<FileRecord> records;  ///< one per file; samples that are made come after them in the data set
  std::vector<std::size_t> usable;  ///< indices into the data set, ascending
  std::string fingerprint;

  std::size_t count(int label) const;
  /// Share of the larger class among the usable pictures: what a network reaches that always says the same.
  double majority_share() const;
};

/// The splits that DATA has, in the order train, val, test. Train is always there.
struct RunPictures {
  std::vector<SplitPictures> splits;

  /// Null when the data set has no such split.
  const SplitPictures* find(const std::string& split) const;
  const SplitPictures& train() const { return splits.front(); }
};

/// Lists DATA's splits and checks every picture with config.workers threads; decoded pictures stay in memory up to a fixed budget.
/// Throws kData listing all bad pictures under BadImages::kFail, and when nothing usable is left of a class of train; kPath when
/// DATA or its train split is missing. `progress(split, done, total)` may be called from several threads, one at a time.
RunPictures check_pictures(const TrainConfig& config, const std::function<void(const std::string&, std::size_t, std::size_t)>& progress);

/// path,label,sha256 of every usable picture of all splits.
std::string manifest_csv(const RunPictures& pictures);

}  // namespace sepia::train
