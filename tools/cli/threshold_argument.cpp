#include "tools/cli/threshold_argument.h"

#include <fmt/format.h>

#include <vector>

#include "engine/base/error.h"
#include "engine/train/thresholds.h"
#include "tools/cli/numbers.h"

namespace sepia::cli {

ThresholdArgument ThresholdArgument::parse(const std::string& text) {
  ThresholdArgument argument;
  argument.text = text;
  for (const auto& [prefix, source] : {std::pair<std::string, Source>{"val:", Source::kVal}, {"stored:", Source::kStored}}) {
    if (!text.starts_with(prefix)) continue;
    argument.source = source;
    argument.rule = ThresholdRule::parse("--threshold " + text, text.substr(prefix.size()));
    return argument;
  }
  argument.number = parse_real("--threshold", text, kUnitInterval);
  return argument;
}

ChosenThreshold stored_threshold(const LoadedModel& model, const ThresholdArgument& argument) {
  const std::string source = model.weights.string();
  const train::StoredThresholds stored = train::thresholds_from_metadata(model.metadata, source);
  SEPIA_CHECK_KIND(!stored.rules.empty(), ErrorKind::kData, source, ": --threshold ", argument.text, " finds no stored threshold: ", stored.reason);
  std::vector<std::string> names;
  for (const ChosenThreshold& chosen : stored.rules) {
    if (chosen.rule.name() == argument.rule.name()) return chosen;
    names.push_back(chosen.rule.name());
  }
  fail(ErrorKind::kData, source, ": holds no threshold by ", argument.rule.name(), "; stored are ", fmt::format("{}", fmt::join(names, ", ")));
}

std::string chosen_on_words(const ChosenThreshold& chosen) {
  const Confusion& c = chosen.counts;
  return fmt::format("on val ({} real, {} fake): accuracy {:.4f}, FPR {:.4f}, TPR {:.4f}", c.reals(), c.fakes(), accuracy(c).value.value_or(0),
                     false_positive_rate(c).value.value_or(0), recall(c).value.value_or(0));
}

}  // namespace sepia::cli
