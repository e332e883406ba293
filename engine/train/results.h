// Evaluations as the files that machines read.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "engine/metrics/evaluation.h"

namespace sepia::train {

/// {"split","n","n_real","n_fake","loss","accuracy","confusion":[[tn,fp],[fn,tp]],"auc_first_score","auc_second_score","auc",...,
/// "positive":"fake"}; an absent value is null with a *_reason beside it. Ends with a line break.
std::string evaluation_to_json(const Evaluation& evaluation, const std::string& split);

/// path,label,prob_fake,logit_real,logit_fake; numbers read back as the same doubles.
std::string predictions_csv(std::span<const std::string> paths, std::span<const std::uint8_t> labels, std::span<const Logits2> logits);

}  // namespace sepia::train
