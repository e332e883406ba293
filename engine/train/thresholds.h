// The thresholds that a training chooses on its validation split and stores with the best weights.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/io/safetensors.h"
#include "engine/metrics/threshold.h"

namespace sepia::train {

/// Key of the weights' metadata: {"split":"val","n_real","n_fake","rules":{"youden":{"threshold","confusion":[[tn,fp],[fn,tp]]},...}}, or
/// {"split":"val","rules":null,"reason"} where val holds one class.
inline constexpr const char* kThresholdsKey = "sepia.thresholds";

/// stored_threshold_rules() on the curve of the validation split, as the text of the key.
std::string thresholds_to_metadata(const RocCurve& val);

/// What a weights file holds.
struct StoredThresholds {
  std::vector<ChosenThreshold> rules;
  std::string reason;  ///< why there are none
};

/// Reads the key; files without it, from other programs or from runs without a validation split, have none and the reason. kData, beginning with
/// `source`, when it is damaged.
StoredThresholds thresholds_from_metadata(const TensorFileMetadata& metadata, const std::string& source);

/// The same thresholds on the pictures of `split`, put into the text of metrics.json as "thresholds": [{"rule","threshold","val":{"accuracy","fpr",
/// "tpr"},SPLIT:{...}}], or null with the reason; a share of a class that has no picture is null.
std::string add_thresholds(const std::string& metrics_json, const StoredThresholds& stored, const std::string& split, std::span<const Logits2> logits,
                           std::span<const std::uint8_t> labels);

}  // namespace sepia::train
