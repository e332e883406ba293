// The training loop: epochs of steps, evaluations, checkpoints, early stopping, and everything a run folder keeps.
#pragma once

#include <functional>
#include <optional>
#include <string>

#include "engine/metrics/evaluation.h"
#include "engine/train/checkpoint.h"
#include "engine/train/config.h"
#include "engine/train/history.h"
#include "engine/train/pictures.h"
#include "engine/train/run_folder.h"
#include "engine/train/stepper.h"
#include "engine/train/thresholds.h"

namespace sepia::train {

/// What a person watching a run is told. All calls come from the training thread.
class TrainObserver {
 public:
  virtual ~TrainObserver() = default;
  /// An epoch's training begins: `samples` pictures, of which `done` came before an interruption.
  virtual void on_epoch_begin(int /*epoch*/, int /*epochs*/, std::size_t /*samples*/, std::size_t /*done*/) {}
  virtual void on_step(std::size_t /*done*/, double /*running_loss*/, double /*running_accuracy*/) {}
  virtual void on_epoch_end(const EpochRecord& /*record*/, bool /*best*/, double /*seconds*/) {}
  /// Something worth a line, such as "no checkpoint yet: starting over".
  virtual void on_note(const std::string& /*text*/) {}
  /// Asked between steps: true ends the run after a checkpoint.
  virtual bool stop_requested() { return false; }
};

struct TrainOutcome {
  History history;
  bool interrupted = false;
  bool stopped_early = false;
  std::string verdict;
  /// Of best.safetensors on the test split (on val when there is no test): what predictions and metrics are about.
  std::optional<Evaluation> evaluation;
  std::string evaluated_split;
  std::vector<Logits2> logits;
  StoredThresholds thresholds;  ///< those that best.safetensors holds
};

/// Trains `model` (already placed, with its first weights) on `pictures` and fills the run folder: log.json, log.jsonl, TensorBoard
/// events, best.safetensors, last.safetensors, manifest.csv, predictions and metrics. With `resume`, goes on from last.safetensors;
/// a run killed before its first checkpoint starts over and says so. On the CPU a resumed run ends with the same bytes as one
/// that was never stopped.
/// Throws kNumeric on NaN or Inf (nothing of that step is kept), kPath when a file cannot be written, kData when the pictures are not
/// those the run was started on.
class Trainer {
 public:
  Trainer(const TrainConfig& config, nn::Module& model, const RunPictures& pictures, const RunFolder& folder, const TensorFileMetadata& metadata,
          TrainObserver& observer);

  TrainOutcome run(bool resume);

 private:
  class Run;
  const TrainConfig& config_;
  nn::Module& model_;
  const RunPictures& pictures_;
  const RunFolder& folder_;
  const TensorFileMetadata& metadata_;
  TrainObserver& observer_;
};

/// Class weights {real, fake} that a configuration asks for: none, given, or balanced over the training pictures.
std::vector<double> class_weights_of(const TrainConfig& config, const SplitPictures& train);

/// How a configuration asks its steps to be made.
StepOptions step_options_of(const TrainConfig& config, const SplitPictures& train);

}  // namespace sepia::train
