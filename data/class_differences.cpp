#include "data/class_differences.h"

#include <algorithm>
#include <cmath>
#include <functional>
#include <iterator>
#include <map>
#include <utility>

namespace sepia {

namespace {

struct Scored {
  double value;
  int label;
};

/// Mann and Whitney's statistic over pairs: P(fake > real) + P(fake = real) / 2.
double area_under_curve(std::vector<Scored> scores) {
  std::sort(scores.begin(), scores.end(), [](const Scored& a, const Scored& b) { return a.value < b.value; });
  double won = 0, real_below = 0, real_count = 0, fake_count = 0;
  for (std::size_t i = 0; i < scores.size();) {
    double real_here = 0, fake_here = 0;
    const double value = scores[i].value;
    for (; i < scores.size() && scores[i].value == value; ++i) (scores[i].label == kFake ? fake_here : real_here) += 1;
    won += fake_here * (real_below + real_here / 2);
    real_below += real_here;
    real_count += real_here;
    fake_count += fake_here;
  }
  return won / (real_count * fake_count);
}

/// "256 98%, 512 2%": the three commonest values.
std::string commonest(const std::map<std::string, int>& counts) {
  std::vector<std::pair<std::string, int>> sorted(counts.begin(), counts.end());
  std::stable_sort(sorted.begin(), sorted.end(), [](const auto& a, const auto& b) { return a.second > b.second; });
  double total = 0;
  for (const auto& [value, count] : sorted) total += count;
  std::string text;
  for (std::size_t i = 0; i < std::min<std::size_t>(sorted.size(), 3); ++i) {
    text += (i > 0 ? ", " : "") + sorted[i].first + " " + std::to_string(std::lround(100 * sorted[i].second / total)) + "%";
  }
  return sorted.size() > 3 ? text + ", ..." : text;
}

std::string median_of(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return str("median ", std::round(*middle * 1000) / 1000);
}

/// Formats have no order: each gets the share of fakes among its files as its value.
std::map<ImageFormat, double> fake_share_by_format(const std::vector<const FileRecord*>& files) {
  std::map<ImageFormat, std::pair<double, double>> counts;
  for (const auto* file : files) {
    auto& [fakes, all] = counts[file->facts.format];
    fakes += file->label == kFake;
    all += 1;
  }
  std::map<ImageFormat, double> shares;
  for (const auto& [format, count] : counts) shares[format] = count.first / count.second;
  return shares;
}

struct Fact {
  const char* name;
  std::function<double(const FileRecord&)> value;
  std::function<std::string(const FileRecord&)> text;  ///< empty: a median is shown
  bool jpeg_only;
  double needed_excess;  ///< of the AUC over 0.5
};

bool measure(const Fact& fact, const std::vector<const FileRecord*>& files, ClassDifference& difference) {
  std::vector<Scored> scores;
  std::map<std::string, int> counts[kClassCount];
  std::vector<double> values[kClassCount];
  for (const auto* file : files) {
    if (fact.jpeg_only && file->facts.format != ImageFormat::kJpeg) continue;
    scores.push_back({fact.value(*file), file->label});
    values[file->label].push_back(scores.back().value);
    if (fact.text) ++counts[file->label][fact.text(*file)];
  }
  const auto n_real = static_cast<double>(values[kReal].size()), n_fake = static_cast<double>(values[kFake].size());
  if (n_real == 0 || n_fake == 0) return false;
  difference.fact = fact.name;
  difference.auc = area_under_curve(std::move(scores));
  difference.chance_error = std::sqrt((n_real + n_fake + 1) / (12 * n_real * n_fake));
  difference.real = fact.text ? commonest(counts[kReal]) : median_of(values[kReal]);
  difference.fake = fact.text ? commonest(counts[kFake]) : median_of(values[kFake]);
  const double excess = std::abs(difference.auc - 0.5);
  difference.gives_away = excess >= fact.needed_excess && excess >= 3 * difference.chance_error;
  return true;
}

}  // namespace

std::vector<ClassDifference> find_class_differences(const std::vector<const FileRecord*>& all_files) {
  std::vector<const FileRecord*> files;
  std::copy_if(all_files.begin(), all_files.end(), std::back_inserter(files), [](const auto* file) { return file->error.empty(); });
  const auto shares = fake_share_by_format(files);
  const auto number = [](int value) { return std::to_string(value); };
  const Fact facts[] = {
      {"format", [&](const FileRecord& f) { return shares.at(f.facts.format); },
       [](const FileRecord& f) { return std::string(image_format_name(f.facts.format)); }, false, 0.1},
      {"width", [](const FileRecord& f) { return double(f.facts.width); }, [&](const FileRecord& f) { return number(f.facts.width); },
       false, 0.1},
      {"height", [](const FileRecord& f) { return double(f.facts.height); }, [&](const FileRecord& f) { return number(f.facts.height); },
       false, 0.1},
      {"jpeg_quality", [](const FileRecord& f) { return double(f.facts.jpeg_quality); },
       [&](const FileRecord& f) { return number(f.facts.jpeg_quality); }, true, 0.1},
      {"bytes_per_pixel", [](const FileRecord& f) { return double(f.bytes) / (double(f.facts.width) * double(f.facts.height)); }, nullptr,
       false, 0.35},
  };
  std::vector<ClassDifference> differences;
  for (const auto& fact : facts) {
    ClassDifference difference;
    if (measure(fact, files, difference)) differences.push_back(std::move(difference));
  }
  return differences;
}

}  // namespace sepia
