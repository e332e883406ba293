// Figures of decisions: a threshold has been applied, each sample is called real or fake. Positive is "fake".
#pragma once

#include <cstdint>
#include <span>

#include "engine/metrics/metric.h"
#include "engine/metrics/scores.h"

namespace sepia {

/// Counts of decisions. As a matrix: [[tn, fp], [fn, tp]], rows true class, columns decision, real before fake.
struct Confusion {
  std::int64_t tn = 0, fp = 0, fn = 0, tp = 0;

  void add(int label, bool called_fake) { (label == 1 ? (called_fake ? tp : fn) : (called_fake ? fp : tn)) += 1; }
  std::int64_t n() const { return tn + fp + fn + tp; }
  std::int64_t reals() const { return tn + fp; }
  std::int64_t fakes() const { return fn + tp; }
};

/// Counts is_fake(logits[i], threshold) against labels[i]. kUsage when the lengths differ or a label is not 0 or 1.
Confusion confusion(std::span<const Logits2> logits, std::span<const std::uint8_t> labels, double threshold = 0.5);

/// (tn + tp) / n.
Metric accuracy(const Confusion& counts);
/// Mean of the shares of reals and of fakes that are called so; absent with one class.
Metric balanced_accuracy(const Confusion& counts);
/// tp / (tp + fp): how often "fake" is right; absent when nothing was called fake.
Metric precision(const Confusion& counts);
/// tp / (tp + fn): the share of fakes that are found.
Metric recall(const Confusion& counts);
/// fp / (fp + tn): the share of reals that are called fake.
Metric false_positive_rate(const Confusion& counts);
/// fn / (fn + tp): the share of fakes that are missed.
Metric false_negative_rate(const Confusion& counts);
/// 2 tp / (2 tp + fp + fn); absent when there are no fakes and nothing was called fake.
Metric f1(const Confusion& counts);
/// Chance level: the accuracy of always naming the larger class.
Metric majority_accuracy(const Confusion& counts);

}  // namespace sepia
