#include "engine/metrics/grouping.h"

#include <map>
#include <regex>
#include <utility>

#include "engine/base/error.h"

namespace sepia {

GroupedScores group_scores(std::span<const std::string> paths, std::span<const std::uint8_t> labels, std::span<const Logits2> logits, const std::string& expression) {
  SEPIA_CHECK(paths.size() == labels.size() && paths.size() == logits.size(), "[group_scores] ", paths.size(), " paths, ", labels.size(), " labels and ",
              logits.size(), " pairs of logits");
  std::regex pattern;
  try {
    pattern.assign(expression);
  } catch (const std::regex_error& error) {
    fail(ErrorKind::kUsage, "--group-by '", expression, "' is not a regular expression: ", error.what());
  }
  GroupedScores groups;
  std::map<std::pair<std::uint8_t, std::string>, std::size_t> known;
  for (std::size_t i = 0; i < paths.size(); ++i) {
    std::smatch match;
    SEPIA_CHECK_KIND(std::regex_search(paths[i], match, pattern), ErrorKind::kData, paths[i], ": --group-by '", expression, "' finds nothing in this path");
    const std::string name = match[match.size() > 1 ? 1 : 0].str();
    const auto [place, is_new] = known.try_emplace({labels[i], name}, groups.names.size());
    if (is_new) {
      groups.names.push_back(name);
      groups.labels.push_back(labels[i]);
      groups.logits.push_back({0, 0});
      groups.pictures.push_back(0);
    }
    const std::size_t g = place->second;
    for (std::size_t k = 0; k < 2; ++k) groups.logits[g][k] += logits[i][k];
    ++groups.pictures[g];
  }
  for (std::size_t g = 0; g < groups.names.size(); ++g) {
    for (double& logit : groups.logits[g]) logit /= static_cast<double>(groups.pictures[g]);
  }
  return groups;
}

}  // namespace sepia
