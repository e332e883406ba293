#include "engine/train/config.h"

#include <nlohmann/json.hpp>

#include "engine/base/error.h"

namespace sepia::train {
namespace {

using Json = nlohmann::ordered_json;

template <class Enum>
Enum from_name(const std::string& name, const char* what, std::initializer_list<std::pair<const char*, Enum>> known) {
  std::string names;
  for (const auto& [candidate, value] : known) {
    if (name == candidate) return value;
    names += (names.empty() ? "" : ", ") + std::string(candidate);
  }
  fail(ErrorKind::kUsage, what, " must be one of ", names, "; got '", name, "'");
}

Json to_json(const TrainConfig& c) {
  return {
      {"model", c.model},
      {"data", c.data},
      {"real_folder", c.real_folder},
      {"fake_folder", c.fake_folder},
      {"image_size", c.image_size},
      {"input", ops::input_kind_name(c.normalisation.kind)},
      {"normalise_mean", c.normalisation.mean},
      {"normalise_std", c.normalisation.std},
      {"numerics", c.numerics},
      {"augment", c.augment},
      {"fakes", c.fakes},
      {"epochs", c.epochs},
      {"batch_size", c.batch_size},
      {"accumulate", c.accumulate},
      {"seed", c.seed},
      {"opt", optim::algorithm_name(c.optimizer.algorithm)},
      {"lr", c.optimizer.lr},
      {"beta1", c.optimizer.beta1},
      {"beta2", c.optimizer.beta2},
      {"eps", c.optimizer.eps},
      {"weight_decay", c.optimizer.weight_decay},
      {"momentum", c.optimizer.momentum},
      {"nesterov", c.optimizer.nesterov},
      {"sched", optim::schedule_name(c.schedule.kind)},
      {"warmup_epochs", c.schedule.warmup_epochs},
      {"warmup_start", c.schedule.warmup_start},
      {"final_fraction", c.schedule.final_fraction},
      {"pretrained", c.transfer.pretrained},
      {"pretrained_sha256", c.transfer.pretrained_sha256},
      {"new_head", c.transfer.new_head},
      {"freeze", c.transfer.freeze},
      {"head", c.transfer.head},
      {"head_lr", c.transfer.head_lr},
      {"backbone_lr", c.transfer.backbone_lr},
      {"clip_grad", c.clip_grad},
      {"model_ema_decay", c.ema_decay},
      {"smoothing", c.smoothing},
      {"class_weights", c.class_weights},
      {"balance_classes", c.balance_classes},
      {"select", select_name(c.select)},
      {"patience", c.patience},
      {"bad_images", bad_images_name(c.bad_images)},
      {"device", c.device},
      {"precision", c.precision},
      {"workers", c.workers},
      {"threads", c.threads},
      {"checkpoint_every", c.checkpoint_every},
  };
}

}  // namespace

Select select_from_name(const std::string& name) {
  return from_name<Select>(name, "--select", {{"val_acc", Select::kValAccuracy}, {"val_auc", Select::kValAuc}, {"val_loss", Select::kValLoss}, {"last", Select::kLast}});
}

const char* select_name(Select select) {
  switch (select) {
    case Select::kValAccuracy: return "val_acc";
    case Select::kValAuc: return "val_auc";
    case Select::kValLoss: return "val_loss";
    case Select::kLast: return "last";
  }
  return "?";
}

BadImages bad_images_from_name(const std::string& name) {
  return from_name<BadImages>(name, "--bad-images", {{"fail", BadImages::kFail}, {"skip", BadImages::kSkip}});
}

const char* bad_images_name(BadImages policy) { return policy == BadImages::kFail ? "fail" : "skip"; }

std::string config_to_json(const TrainConfig& config) { return to_json(config).dump(2); }

TrainConfig config_from_json(const std::string& json, const std::string& source) {
  try {
    const Json j = Json::parse(json);
    TrainConfig c;
    const auto read = [&](const char* key, auto& value) { j.at(key).get_to(value); };
    const auto name = [&](const char* key) { return j.at(key).get<std::string>(); };
    read("model", c.model);
    read("data", c.data);
    read("real_folder", c.real_folder);
    read("fake_folder", c.fake_folder);
    read("image_size", c.image_size);
    read("normalise_mean", c.normalisation.mean);
    read("normalise_std", c.normalisation.std);
    c.normalisation.kind = ops::input_kind_from_name(j.value("input", "rgb"));  // runs of earlier versions have no such key
    read("numerics", c.numerics);
    read("augment", c.augment);
    c.fakes = j.value("fakes", c.fakes);  // as "input"
    read("epochs", c.epochs);
    read("batch_size", c.batch_size);
    read("accumulate", c.accumulate);
    read("seed", c.seed);
    c.optimizer.algorithm = optim::algorithm_from_name(name("opt"));
    read("lr", c.optimizer.lr);
    read("beta1", c.optimizer.beta1);
    read("beta2", c.optimizer.beta2);
    read("eps", c.optimizer.eps);
    read("weight_decay", c.optimizer.weight_decay);
    read("momentum", c.optimizer.momentum);
    read("nesterov", c.optimizer.nesterov);
    c.schedule.kind = optim::schedule_from_name(name("sched"));
    read("warmup_epochs", c.schedule.warmup_epochs);
    read("warmup_start", c.schedule.warmup_start);
    read("final_fraction", c.schedule.final_fraction);
    read("pretrained", c.transfer.pretrained);
    read("pretrained_sha256", c.transfer.pretrained_sha256);
    read("new_head", c.transfer.new_head);
    read("freeze", c.transfer.freeze);
    read("head", c.transfer.head);
    read("head_lr", c.transfer.head_lr);
    read("backbone_lr", c.transfer.backbone_lr);
    read("clip_grad", c.clip_grad);
    read("model_ema_decay", c.ema_decay);
    read("smoothing", c.smoothing);
    read("class_weights", c.class_weights);
    read("balance_classes", c.balance_classes);
    c.select = select_from_name(name("select"));
    read("patience", c.patience);
    c.bad_images = bad_images_from_name(name("bad_images"));
    read("device", c.device);
    read("precision", c.precision);
    read("workers", c.workers);
    read("threads", c.threads);
    read("checkpoint_every", c.checkpoint_every);
    return c;
  } catch (const nlohmann::json::exception& error) {
    fail(ErrorKind::kData, source, ": not the settings of a run (", error.what(), ")");
  }
}

std::optional<ConfigDifference> resume_conflict(const TrainConfig& stored, const TrainConfig& asked) {
  const Json ours = to_json(stored), theirs = to_json(asked);
  for (const auto& [key, value] : ours.items()) {
    if (key == "workers" || key == "threads" || key == "checkpoint_every") continue;
    if (theirs.at(key) != value) return ConfigDifference{key, value.dump(), theirs.at(key).dump()};
  }
  return std::nullopt;
}

}  // namespace sepia::train
