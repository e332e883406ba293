#include "engine/metrics/classification.h"

#include <algorithm>
#include <string>

#include "engine/base/error.h"

namespace sepia {
namespace {

/// part / whole, absent with `reason` when there is nothing to divide by.
Metric ratio(std::int64_t part, std::int64_t whole, const char* reason) {
  return whole == 0 ? Metric::none(reason) : Metric::of(static_cast<double>(part) / static_cast<double>(whole));
}

constexpr const char* kEmpty = "there are no pictures";
constexpr const char* kNoFakes = "there are no fake pictures";
constexpr const char* kNoReals = "there are no real pictures";

}  // namespace

Confusion confusion(std::span<const Logits2> logits, std::span<const std::uint8_t> labels, double threshold) {
  SEPIA_CHECK(logits.size() == labels.size(), "[confusion] ", logits.size(), " pairs of logits for ", labels.size(), " labels");
  Confusion counts;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    SEPIA_CHECK(labels[i] <= 1, "[confusion] label ", i, " is ", int{labels[i]}, ", expected 0 or 1");
    counts.add(labels[i], is_fake(logits[i], threshold));
  }
  return counts;
}

Metric accuracy(const Confusion& counts) {
  return ratio(counts.tn + counts.tp, counts.n(), kEmpty);
}

Metric balanced_accuracy(const Confusion& counts) {
  if (counts.n() == 0) return Metric::none(kEmpty);
  if (counts.fakes() == 0) return Metric::none(kNoFakes);
  if (counts.reals() == 0) return Metric::none(kNoReals);
  const auto share = [](std::int64_t part, std::int64_t whole) { return static_cast<double>(part) / static_cast<double>(whole); };
  return Metric::of((share(counts.tn, counts.reals()) + share(counts.tp, counts.fakes())) / 2);
}

Metric precision(const Confusion& counts) {
  return ratio(counts.tp, counts.tp + counts.fp, counts.n() == 0 ? kEmpty : "no picture was called fake");
}

Metric recall(const Confusion& counts) {
  return ratio(counts.tp, counts.fakes(), counts.n() == 0 ? kEmpty : kNoFakes);
}

Metric false_positive_rate(const Confusion& counts) {
  return ratio(counts.fp, counts.reals(), counts.n() == 0 ? kEmpty : kNoReals);
}

Metric false_negative_rate(const Confusion& counts) {
  return ratio(counts.fn, counts.fakes(), counts.n() == 0 ? kEmpty : kNoFakes);
}

Metric f1(const Confusion& counts) {
  return ratio(2 * counts.tp, 2 * counts.tp + counts.fp + counts.fn,
               counts.n() == 0 ? kEmpty : "there are no fake pictures and none was called fake");
}

Metric majority_accuracy(const Confusion& counts) {
  return ratio(std::max(counts.reals(), counts.fakes()), counts.n(), kEmpty);
}

}  // namespace sepia
