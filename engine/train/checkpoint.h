// `last.safetensors`: everything that a stopped run needs to go on as if it had never stopped, in one file that is whole or not there.
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/nn/module.h"
#include "engine/train/history.h"
#include "engine/train/stepper.h"

namespace sepia::train {

/// Where a run stands between two steps. Holds no time, host or path: the same steps give the same bytes.
struct TrainState {
  int epoch = 1;                    ///< the one in progress
  std::int64_t batches_done = 0;    ///< of that epoch, whole steps only
  double loss_sum = 0;              ///< over the samples of the epoch so far
  std::int64_t correct = 0, samples = 0;
  std::int64_t optimizer_steps = 0;
  std::optional<double> best_figure;  ///< of the best epoch, larger is better (losses negated)
  int epochs_since_best = 0;
  std::uintmax_t log_bytes = 0;     ///< length of log.jsonl that belongs to this state
  bool finished = false;
  std::size_t predictions = 0;    ///< of the last evaluation: how many,
  std::string all_one_class{};    ///< and the class they were all called ("real", "fake"; empty when both)
  History history;
  /// Per split the fingerprint of the pictures the run was started on: a changed data set is not silently resumed.
  std::vector<std::pair<std::string, std::string>> fingerprints;
  std::string sample_list;  ///< SHA-256 of manifest.csv: the same pictures under other names come in another order
  std::vector<std::string> skipped;  ///< pictures left out by BadImages::kSkip: a resumed run must leave out the same
};

/// Writes model, moments, weight average and state atomically; `metadata` says what the model is. Throws kPath; the previous file stays whole.
void save_checkpoint(const std::filesystem::path& path, nn::Module& model, Stepper& stepper, const TrainState& state,
                     const TensorFileMetadata& metadata);

/// Loads all of it back. Throws kPath or kData, naming the file and what does not fit.
TrainState load_checkpoint(const std::filesystem::path& path, nn::Module& model, Stepper& stepper);

}  // namespace sepia::train
