// The report of `sepia data check`, for machines and for people.
#include <fmt/format.h>

#include <algorithm>
#include <iterator>
#include <nlohmann/json.hpp>

#include "data/check.h"

namespace sepia {

namespace {

using Json = nlohmann::ordered_json;

/// Long lists are cut for people; machines get all of it.
constexpr std::size_t kShown = 10;

template <class Range, class Print>
void print_some(std::string& text, const Range& range, Print print) {
  for (std::size_t i = 0; i < std::min(range.size(), kShown); ++i) text += "    " + print(range[i]) + "\n";
  if (range.size() > kShown) text += fmt::format("    and {} more (--json lists all)\n", range.size() - kShown);
}

std::string joined(const std::vector<std::string>& parts, const char* between) {
  return fmt::format("{}", fmt::join(parts, between));
}

Json split_json(const SplitSummary& split) {
  Json unreadable = Json::array();
  for (const auto& file : split.unreadable) unreadable.push_back({{"path", file.path}, {"error", file.error}});
  return {{"n", split.n_real + split.n_fake}, {"n_real", split.n_real},   {"n_fake", split.n_fake},  {"proportion", split.proportion},
          {"fingerprint", split.fingerprint}, {"unreadable", unreadable}, {"ignored", split.ignored}};
}

}  // namespace

std::string check_json(const CheckReport& report) {
  Json json = {{"data", report.root}, {"splits", Json::object()}};
  for (const auto& split : report.splits) json["splits"][split.name] = split_json(split);
  Json exact = Json::array(), near = Json::array(), differences = Json::array();
  for (const auto& d : report.exact) {
    exact.push_back({{"paths", d.paths}, {"across_splits", d.across_splits}, {"across_classes", d.across_classes}});
  }
  for (const auto& d : report.near) near.push_back({{"first", d.first}, {"second", d.second}, {"distance", d.distance}});
  json["exact_duplicates"] = exact;
  json["near_duplicates"] = near;
  if (report.grouped) {
    Json shared = Json::array();
    for (const auto& group : report.groups.shared) {
      Json per_split = Json::object();
      for (const auto& [split, count] : group.files_per_split) per_split[split] = count;
      shared.push_back({{"group", group.name}, {"files", per_split}});
    }
    json["groups"] = {{"n", report.groups.groups}, {"unmatched", report.groups.unmatched}, {"shared", shared}};
  } else {
    json["groups"] = nullptr;
    json["groups_reason"] = "no --group-by was given";
  }
  for (const auto& d : report.differences) {
    differences.push_back({{"fact", d.fact},
                           {"auc", d.auc},
                           {"chance_error", d.chance_error},
                           {"real", d.real},
                           {"fake", d.fake},
                           {"gives_away", d.gives_away}});
  }
  json["class_differences"] = differences;
  json["findings"] = report.findings;
  // Names of files need not be UTF-8; what is not is replaced rather than refused.
  return json.dump(2, ' ', false, Json::error_handler_t::replace);
}

std::string check_text(const CheckReport& report) {
  std::string text = fmt::format("{}\n", report.root);
  for (const auto& split : report.splits) {
    text += fmt::format("  {:5}  {}\n         fingerprint {}\n", split.name, split.proportion, split.fingerprint);
    if (!split.ignored.empty()) {
      text += fmt::format("         {} other files are not pictures by their names, such as {}\n", split.ignored.size(), split.ignored[0]);
    }
    if (!split.unreadable.empty()) text += fmt::format("         {} cannot be read:\n", split.unreadable.size());
    print_some(text, split.unreadable, [](const FileRecord& file) { return file.error; });
  }
  if (!report.exact.empty()) text += "  the same bytes:\n";
  print_some(text, report.exact, [](const ExactDuplicates& d) { return joined(d.paths, " = "); });
  if (!report.near.empty()) text += "  looking the same across splits:\n";
  print_some(text, report.near,
             [](const NearDuplicate& d) { return fmt::format("{} ~ {} ({} of 256 bits)", d.first, d.second, d.distance); });
  if (report.grouped) {
    text += fmt::format("  {} groups, {} in more than one split, {} files without a group\n", report.groups.groups,
                        report.groups.shared.size(), report.groups.unmatched);
    print_some(text, report.groups.shared, [](const SplitGroup& group) {
      std::string line = group.name + ":";
      for (const auto& [split, count] : group.files_per_split) line += fmt::format(" {} in {}", count, split);
      return line;
    });
  }
  if (!report.differences.empty()) text += "  what the files alone say (AUC 0.5: nothing):\n";
  for (const auto& d : report.differences) {
    text += fmt::format("    {:16} AUC {:.3f}   real: {};  fake: {}\n", d.fact, d.auc, d.real, d.fake);
  }
  text += report.findings.empty() ? "nothing found that must be looked at\n"
                                  : fmt::format("{} {}:\n", report.findings.size(), report.findings.size() == 1 ? "finding" : "findings");
  for (const auto& finding : report.findings) text += "  - " + finding + "\n";
  return text;
}

}  // namespace sepia
