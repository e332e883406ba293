#include "engine/train/thresholds.h"

#include <nlohmann/json.hpp>

#include "engine/base/error.h"

namespace sepia::train {
namespace {

using Json = nlohmann::ordered_json;

std::int64_t count_of(const Json& matrix, std::size_t row, std::size_t column) { return matrix.at(row).at(column).get<std::int64_t>(); }

Json number_or_null(const Metric& metric) { return metric.value ? Json(*metric.value) : Json(nullptr); }

Json shares(const Confusion& c) {
  return {{"accuracy", number_or_null(accuracy(c))}, {"fpr", number_or_null(false_positive_rate(c))}, {"tpr", number_or_null(recall(c))}};
}

}  // namespace

std::string thresholds_to_metadata(const RocCurve& val) {
  Json json = {{"split", "val"}, {"n_real", val.negatives}, {"n_fake", val.positives}, {"rules", nullptr}};
  for (const ThresholdRule& rule : stored_threshold_rules()) {
    const ThresholdChoice choice = choose_threshold(val, rule);
    if (!choice.value) {
      json["reason"] = choice.reason;
      break;
    }
    const Confusion& c = choice.value->counts;
    json["rules"][rule.name()] = {{"threshold", choice.value->threshold}, {"confusion", {{c.tn, c.fp}, {c.fn, c.tp}}}};
  }
  return json.dump();
}

StoredThresholds thresholds_from_metadata(const TensorFileMetadata& metadata, const std::string& source) {
  StoredThresholds stored;
  const auto found = metadata.find(kThresholdsKey);
  if (found == metadata.end()) {
    stored.reason = "the weights hold none: their training had no validation split, or they come from another program";
    return stored;
  }
  try {
    const Json json = Json::parse(found->second);
    if (json.at("rules").is_null()) {
      stored.reason = "on val, " + json.at("reason").get<std::string>();
      return stored;
    }
    for (const auto& [name, entry] : json.at("rules").items()) {
      const Json& matrix = entry.at("confusion");
      stored.rules.push_back({.rule = ThresholdRule::parse(kThresholdsKey, name), .threshold = entry.at("threshold").get<double>(),
                              .counts = {.tn = count_of(matrix, 0, 0), .fp = count_of(matrix, 0, 1), .fn = count_of(matrix, 1, 0), .tp = count_of(matrix, 1, 1)}});
      const double threshold = stored.rules.back().threshold;
      SEPIA_CHECK(threshold >= 0 && threshold <= 1, "the threshold of ", name, " is ", threshold);
    }
  } catch (const std::exception& error) {
    fail(ErrorKind::kData, source, ": its key ", kThresholdsKey, " is damaged (", error.what(), ")");
  }
  return stored;
}

std::string add_thresholds(const std::string& metrics_json, const StoredThresholds& stored, const std::string& split, std::span<const Logits2> logits,
                           std::span<const std::uint8_t> labels) {
  Json json = Json::parse(metrics_json);
  json["thresholds"] = nullptr;
  if (stored.rules.empty()) json["thresholds_reason"] = stored.reason;
  for (const ChosenThreshold& chosen : stored.rules) {
    Json entry = {{"rule", chosen.rule.name()}, {"threshold", chosen.threshold}, {"val", shares(chosen.counts)}};
    entry[split] = shares(confusion(logits, labels, chosen.threshold));
    json["thresholds"].push_back(entry);
  }
  return json.dump(2) + "\n";
}

}  // namespace sepia::train
