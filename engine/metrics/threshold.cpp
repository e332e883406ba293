#include "engine/metrics/threshold.h"

#include <charconv>
#include <cmath>
#include <cstdlib>
#include <limits>
#include <string_view>

#include "engine/base/error.h"
#include "engine/metrics/scores.h"

namespace sepia {
namespace {

constexpr std::string_view kRules = "youden, eer, accuracy or fpr:RATE";

/// The smallest probability at which a logit difference of d is not called fake.
double just_not_fake(double d) {
  double p = logistic(d);
  while (log_odds(p) < d) p = std::nextafter(p, 2.0);
  return p;
}

/// A probability that calls fake what scores `above` and not what scores `below`, halfway between them as logits where it can be.
std::optional<double> between(double below, double above) {
  for (const double p : {logistic((below + above) / 2), just_not_fake(below)}) {
    if (log_odds(p) >= below && log_odds(p) < above) return p;
  }
  return std::nullopt;
}

/// The threshold that makes point i of the curve.
std::optional<double> threshold_at(const RocCurve& curve, std::size_t i) {
  if (i + 1 == curve.size()) return 0.0;
  if (i == 0) return just_not_fake(curve.thresholds[1]);
  return between(curve.thresholds[i + 1], curve.thresholds[i]);
}

/// How good point i is, the larger the better; nothing where the rule forbids it. Whole numbers: ties are ties.
std::optional<std::int64_t> merit(const RocCurve& curve, const ThresholdRule& rule, std::size_t i) {
  const std::int64_t fp = curve.false_positives[i], tp = curve.true_positives[i], fn = curve.positives - tp;
  switch (rule.kind) {
    case ThresholdRule::Kind::kYouden: return tp * curve.negatives - fp * curve.positives;
    case ThresholdRule::Kind::kEer: return -std::abs(fn * curve.negatives - fp * curve.positives);
    case ThresholdRule::Kind::kAccuracy: return tp + curve.negatives - fp;
    case ThresholdRule::Kind::kFpr: break;
  }
  if (curve.fpr(i) > rule.max_fpr) return std::nullopt;
  return tp;
}

}  // namespace

std::string ThresholdRule::name() const {
  switch (kind) {
    case Kind::kYouden: return "youden";
    case Kind::kEer: return "eer";
    case Kind::kAccuracy: return "accuracy";
    case Kind::kFpr: break;
  }
  char digits[32];
  return "fpr:" + std::string(digits, std::to_chars(digits, digits + sizeof(digits), max_fpr).ptr);
}

std::string ThresholdRule::words() const {
  switch (kind) {
    case Kind::kYouden: return "largest TPR - FPR (Youden's J)";
    case Kind::kEer: return "as many fakes missed as real pictures called fake (EER)";
    case Kind::kAccuracy: return "most pictures right";
    case Kind::kFpr: break;
  }
  return "most fakes found with an FPR of at most " + name().substr(4);
}

ThresholdRule ThresholdRule::parse(const std::string& option, const std::string& text) {
  for (const ThresholdRule& rule : stored_threshold_rules()) {
    if (text == rule.name()) return rule;
  }
  if (text == "fpr") return {.kind = Kind::kFpr};
  double rate = -1;
  if (text.starts_with("fpr:")) {
    const char *first = text.data() + 4, *last = text.data() + text.size();
    const auto [end, error] = std::from_chars(first, last, rate);
    if (error != std::errc() || end != last) rate = -1;
  }
  SEPIA_CHECK(rate >= 0 && rate < 1, option, ": there is no rule '", text, "'; rules: ", kRules, " with a rate from 0 to below 1");
  return {.kind = Kind::kFpr, .max_fpr = rate};
}

const std::vector<ThresholdRule>& stored_threshold_rules() {
  using Kind = ThresholdRule::Kind;
  static const std::vector<ThresholdRule> rules{{.kind = Kind::kYouden}, {.kind = Kind::kEer}, {.kind = Kind::kAccuracy}, {.kind = Kind::kFpr}};
  return rules;
}

ThresholdChoice choose_threshold(const RocCurve& curve, const ThresholdRule& rule) {
  if (std::string reason = curve.degenerate_reason(); !reason.empty()) return {std::nullopt, std::move(reason)};
  ThresholdChoice choice;
  std::int64_t best = std::numeric_limits<std::int64_t>::min();
  for (std::size_t i = 0; i < curve.size(); ++i) {
    const std::optional<std::int64_t> value = merit(curve, rule, i);
    if (!value || *value <= best) continue;
    const std::optional<double> threshold = threshold_at(curve, i);
    if (!threshold) continue;
    best = *value;
    const std::int64_t fp = curve.false_positives[i], tp = curve.true_positives[i];
    choice.value = {.rule = rule, .threshold = *threshold, .counts = {.tn = curve.negatives - fp, .fp = fp, .fn = curve.positives - tp, .tp = tp}};
  }
  return choice;
}

}  // namespace sepia
