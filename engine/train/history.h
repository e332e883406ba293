// What a run has measured so far, epoch by epoch.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/train/config.h"

namespace sepia::train {

/// How one layer is doing at the end of an epoch.
struct LayerHealth {
  std::string layer;
  std::optional<double> dead_share;  ///< of a ReLU's channels (or neurons): those that no picture of the probe batch opened
  double gradient_norm = 0;          ///< of the layer's parameters in the last step of the epoch
  double update_ratio = 0;           ///< norm of that step's change over norm of the weights; about 1e-3 is healthy
};

struct SplitFigures {
  double loss = 0, accuracy = 0;
  std::optional<double> auc;
};

/// Losses are means per sample, accuracies fractions. The training figures are running means over the epoch in training mode.
struct EpochRecord {
  int epoch = 0;  ///< from 1
  double lr = 0;  ///< at the last step of the epoch
  double train_loss = 0, train_acc = 0;
  std::optional<SplitFigures> val, test;
  std::vector<LayerHealth> health;
};

struct History {
  std::vector<EpochRecord> epochs;
  std::optional<int> best_epoch;  ///< the first epoch with the best selected figure; none without a validation split
};

/// Why a split has no figures: the reason in JSON.
inline constexpr const char* kNoSplit = "the data set has no such split";

/// Why history.best_epoch is absent: no epoch yet, no validation split, or one that the selected figure cannot be computed on.
std::string best_epoch_reason(const History& history);

/// One epoch as the line of log.jsonl (without a line break).
std::string epoch_to_json(const EpochRecord& record);
EpochRecord epoch_from_json(const std::string& json);

/// log.json: {"model","dataset","optimizer":{"name","params"},"train_loss":[...],"train_acc":[...],"val_loss","val_acc","test_loss",
/// "test_acc","best_epoch","run":{...}}; what cannot be computed is null with a *_reason beside it.
std::string history_to_json(const History& history, const TrainConfig& config, const std::string& verdict);

}  // namespace sepia::train
