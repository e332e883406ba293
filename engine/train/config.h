// Every setting of a training run: what `sepia train` was asked for and what `config.json` keeps.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/ops/images.h"
#include "engine/optim/optimizer.h"
#include "engine/optim/schedule.h"

namespace sepia::train {

/// By which figure the best epoch is chosen, always on the validation split; kLast: by none, the last epoch is taken.
enum class Select : std::uint8_t { kValAccuracy, kValAuc, kValLoss, kLast };
Select select_from_name(const std::string& name);
const char* select_name(Select select);

/// What happens to pictures that cannot be read when a run starts: stop and list them, or train without them.
enum class BadImages : std::uint8_t { kFail, kSkip };
BadImages bad_images_from_name(const std::string& name);
const char* bad_images_name(BadImages policy);

/// Transfer learning (engine/train/transfer.h).
struct TransferConfig {
  std::string pretrained;         ///< the file of the first weights; empty: they are drawn
  std::string pretrained_sha256;  ///< of that file: a run that starts over starts from the same
  bool new_head = false;
  std::string freeze = "none";    ///< none, backbone or up-to:LAYER
  std::string head;               ///< the first layer of the network's head
  double head_lr = 0, backbone_lr = 0;  ///< 0: the optimiser's lr
  bool operator==(const TransferConfig&) const = default;
};

/// Defaults are the document's protocol.
struct TrainConfig {
  std::string model = "edgenet";
  std::string data;
  std::string real_folder = "real", fake_folder = "fake";  ///< names of the class folders
  std::int64_t image_size = 256;
  ops::Normalisation normalisation{};
  std::string numerics = "pytorch";  ///< or "keras": the model's, from the file of pretrained weights
  std::string augment = "document";  ///< document, strong or none
  std::string fakes = "files";       ///< of the train split: files, or blend (data/self_blended_dataset.h)

  int epochs = 5;
  int batch_size = 32;
  int accumulate = 1;  ///< batches whose gradients are summed before a step
  std::uint64_t seed = 0;
  optim::OptimizerOptions optimizer{};
  optim::ScheduleOptions schedule{};
  TransferConfig transfer{};
  double clip_grad = 0;   ///< 0: no clipping
  double ema_decay = 0;   ///< 0: no average of the weights
  double smoothing = 0;
  std::vector<double> class_weights{};  ///< empty: none; else {real, fake}
  bool balance_classes = false;         ///< class weights n / (2 n_class) of the training split

  Select select = Select::kValAccuracy;
  int patience = 0;  ///< stop after so many epochs without a better one; 0: never
  BadImages bad_images = BadImages::kFail;

  std::string device = "cpu";
  std::string precision = "fp32";

  // These three may differ when a run is resumed: results do not depend on them.
  int workers = 2;
  int threads = 0;
  int checkpoint_every = 0;  ///< steps between checkpoints besides the one after every epoch; 0: none
};

/// One setting that two configurations disagree on.
struct ConfigDifference {
  std::string key, ours, theirs;
};

/// The settings as a JSON object (text); numbers as they are, so that reading it back gives an equal configuration.
std::string config_to_json(const TrainConfig& config);
/// Reads what config_to_json wrote. Throws kData, naming `source`, when a key is missing or of the wrong type.
TrainConfig config_from_json(const std::string& json, const std::string& source);
/// The first setting that differs and must not when a run is resumed.
std::optional<ConfigDifference> resume_conflict(const TrainConfig& stored, const TrainConfig& asked);

}  // namespace sepia::train
