#include "engine/train/history.h"

#include <nlohmann/json.hpp>

namespace sepia::train {
namespace {

using Json = nlohmann::ordered_json;

Json optional_number(const std::optional<double>& value) { return value ? Json(*value) : Json(nullptr); }

Json split_json(const std::optional<SplitFigures>& figures) {
  if (!figures) return nullptr;
  return {{"loss", figures->loss}, {"acc", figures->accuracy}, {"auc", optional_number(figures->auc)}};
}

std::optional<SplitFigures> split_from(const Json& j) {
  if (j.is_null()) return std::nullopt;
  SplitFigures figures{.loss = j.at("loss").get<double>(), .accuracy = j.at("acc").get<double>(), .auc = std::nullopt};
  if (!j.at("auc").is_null()) figures.auc = j.at("auc").get<double>();
  return figures;
}

Json optimizer_json(const TrainConfig& config) {
  const optim::OptimizerOptions& o = config.optimizer;
  Json params = {{"lr", o.lr}, {"weight_decay", o.weight_decay}};
  if (o.algorithm == optim::Algorithm::kSgd) {
    params["momentum"] = o.momentum;
    params["nesterov"] = o.nesterov;
  } else {
    params["betas"] = {o.beta1, o.beta2};
    params["eps"] = o.eps;
  }
  return {{"name", optim::algorithm_name(o.algorithm)}, {"params", params}};
}

}  // namespace

std::string best_epoch_reason(const History& history) {
  if (history.epochs.empty()) return "no epoch was finished";
  if (!history.epochs.back().val) return "no validation split to choose by";
  return "the figure to choose by cannot be computed on the validation split: it holds one class";
}

std::string epoch_to_json(const EpochRecord& record) {
  Json health = Json::array();
  for (const LayerHealth& layer : record.health) {
    health.push_back({{"layer", layer.layer}, {"dead_share", optional_number(layer.dead_share)}, {"gradient_norm", layer.gradient_norm},
                      {"update_ratio", layer.update_ratio}});
  }
  const Json j = {{"epoch", record.epoch}, {"lr", record.lr}, {"train_loss", record.train_loss}, {"train_acc", record.train_acc},
                  {"val", split_json(record.val)}, {"test", split_json(record.test)}, {"health", health}};
  return j.dump();
}

EpochRecord epoch_from_json(const std::string& json) {
  const Json j = Json::parse(json);
  EpochRecord record{.epoch = j.at("epoch").get<int>(), .lr = j.at("lr").get<double>(), .train_loss = j.at("train_loss").get<double>(),
                     .train_acc = j.at("train_acc").get<double>(), .val = split_from(j.at("val")), .test = split_from(j.at("test")), .health = {}};
  for (const Json& layer : j.at("health")) {
    LayerHealth health{.layer = layer.at("layer").get<std::string>(), .dead_share = std::nullopt,
                       .gradient_norm = layer.at("gradient_norm").get<double>(), .update_ratio = layer.at("update_ratio").get<double>()};
    if (!layer.at("dead_share").is_null()) health.dead_share = layer.at("dead_share").get<double>();
    record.health.push_back(std::move(health));
  }
  return record;
}

std::string history_to_json(const History& history, const TrainConfig& config, const std::string& verdict) {
  Json j = {{"model", config.model}, {"dataset", config.data}, {"optimizer", optimizer_json(config)}};
  const auto curve = [&](const char* key, const auto& pick) {
    Json values = Json::array();
    bool absent = history.epochs.empty();
    for (const EpochRecord& record : history.epochs) {
      const std::optional<double> value = pick(record);
      absent = absent || !value;
      values.push_back(optional_number(value));
    }
    j[key] = absent && !history.epochs.empty() ? Json(nullptr) : values;
    if (absent && !history.epochs.empty()) j[std::string(key) + "_reason"] = kNoSplit;
  };
  const auto of_split = [](const std::optional<SplitFigures>& split, bool loss) -> std::optional<double> {
    if (!split) return std::nullopt;
    return loss ? split->loss : split->accuracy;
  };
  curve("train_loss", [](const EpochRecord& r) { return std::optional(r.train_loss); });
  curve("train_acc", [](const EpochRecord& r) { return std::optional(r.train_acc); });
  curve("val_loss", [&](const EpochRecord& r) { return of_split(r.val, true); });
  curve("val_acc", [&](const EpochRecord& r) { return of_split(r.val, false); });
  curve("test_loss", [&](const EpochRecord& r) { return of_split(r.test, true); });
  curve("test_acc", [&](const EpochRecord& r) { return of_split(r.test, false); });
  j["best_epoch"] = history.best_epoch ? Json(*history.best_epoch) : Json(nullptr);
  if (!history.best_epoch) j["best_epoch_reason"] = best_epoch_reason(history);
  j["run"] = {{"verdict", verdict}, {"select", select_name(config.select)}, {"config", Json::parse(config_to_json(config))}};
  return j.dump(2) + "\n";
}

}  // namespace sepia::train
