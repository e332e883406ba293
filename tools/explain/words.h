// What figures and files say about a map.
#pragma once

#include <nlohmann/json.hpp>
#include <string>

#include "engine/explain/explain.h"

namespace sepia::tools {

/// "Grad-CAM at blocks.2", "Integrated gradients from blur, 64 steps", "SmoothGrad, 25 samples with noise 0.1".
std::string method_words(const explain::ExplainOptions& options);

/// What the method shows, as a sentence of its own.
std::string meaning_words(explain::Method method);

/// "The attributions add up to the difference of scores but for 0.12 %."; empty without a completeness.
std::string completeness_words(const explain::Explanation& explanation);

/// Settings that make the map: method, layer, baseline, steps and so on, those that the method has.
nlohmann::ordered_json settings_json(const explain::ExplainOptions& options);

/// One map in index.json: class, logits, min, max, empty, size before upsampling, completeness. `what` comes first.
nlohmann::ordered_json explanation_json(nlohmann::ordered_json what, const explain::Explanation& explanation, const explain::Map& written);

}  // namespace sepia::tools
