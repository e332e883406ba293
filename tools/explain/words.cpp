#include "tools/explain/words.h"

#include <fmt/format.h>

#include <cmath>

#include "data/dataset.h"
#include "engine/explain/method.h"
#include "tools/report/text.h"

namespace sepia::tools {

using explain::Method;

std::string method_words(const explain::ExplainOptions& options) {
  const explain::MethodFacts& facts = explain::facts_of(options.method);
  if (facts.cam) return fmt::format("{} at {}", facts.title, options.layer);
  if (options.method == Method::kIntegratedGradients) return fmt::format("{} from {}, {} steps", facts.title, explain::baseline_name(options.baseline), options.steps);
  if (options.method == Method::kSmoothGrad) return fmt::format("{}, {} samples with noise {}", facts.title, options.samples, options.noise);
  return facts.title;
}

std::string meaning_words(Method method) { return fmt::format("{}: {}.", explain::facts_of(method).title, explain::facts_of(method).says); }

std::string completeness_words(const explain::Explanation& explanation) {
  if (!explanation.completeness) return "";
  const explain::Completeness& c = *explanation.completeness;
  if (std::isnan(c.relative_gap)) return fmt::format("The baseline has the same score: nothing to share out (gap {}).", report::number_text(c.gap, 3));
  return fmt::format("Completeness: the attributions miss the difference of scores, {}, by {}.", report::number_text(c.score_difference), report::percent_text(c.relative_gap, 2));
}

nlohmann::ordered_json settings_json(const explain::ExplainOptions& options) {
  const explain::MethodFacts& facts = explain::facts_of(options.method);
  nlohmann::ordered_json settings = {{"method", facts.name}, {"shows", facts.says}};
  settings["layer"] = facts.cam ? nlohmann::ordered_json(options.layer) : nlohmann::ordered_json(nullptr);
  if (!facts.cam) settings["layer_reason"] = "attributed to the input";
  if (options.method == Method::kIntegratedGradients) {
    settings["baseline"] = explain::baseline_name(options.baseline);
    settings["steps"] = options.steps;
  }
  if (options.method == Method::kSmoothGrad) {
    settings["samples"] = options.samples;
    settings["noise"] = options.noise;
    settings["seed"] = options.seed;
  }
  return settings;
}

nlohmann::ordered_json explanation_json(nlohmann::ordered_json what, const explain::Explanation& explanation, const explain::Map& written) {
  const explain::Extremes range = explain::extremes(written);
  what["class"] = class_name(explanation.explained_class);
  what["logits"] = explanation.logits;
  what["min"] = range.min;
  what["max"] = range.max;
  what["empty"] = explain::is_empty(explanation.map);
  what["map_size"] = {explanation.map.height, explanation.map.width};
  if (explanation.completeness) {
    const explain::Completeness& c = *explanation.completeness;
    nlohmann::ordered_json gap = {{"score_difference", c.score_difference}, {"gap", c.gap}};
    if (std::isnan(c.relative_gap)) {
      gap["relative_gap"] = nullptr;
      gap["relative_gap_reason"] = "picture and baseline have the same score";
    } else {
      gap["relative_gap"] = c.relative_gap;
    }
    what["completeness"] = std::move(gap);
  }
  return what;
}

}  // namespace sepia::tools
