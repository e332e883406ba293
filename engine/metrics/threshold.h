// Where to cut: a threshold chosen from labelled scores, on pictures that nothing else is measured on.
//
// A threshold is a probability of "fake", as `is_fake` takes it; among the cuts between neighbouring scores each rule takes the best, and of
// equally good ones the highest, which calls the fewest pictures fake (scikit-learn's argmax over roc_curve takes the same one). The threshold
// then stands halfway between the two scores, as logits. Scores whose probabilities are the same double cannot be told apart by any threshold.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "engine/metrics/classification.h"
#include "engine/metrics/roc.h"

namespace sepia {

/// What makes a cut the best.
struct ThresholdRule {
  enum class Kind {
    kYouden,    ///< the largest tpr - fpr (Youden 1950, "Index for rating diagnostic tests")
    kEer,       ///< the smallest |fnr - fpr|: the equal error rate's place
    kAccuracy,  ///< the most pictures right
    kFpr,       ///< the largest tpr with fpr <= max_fpr
  } kind = Kind::kYouden;
  double max_fpr = 0.01;  ///< kFpr

  /// "youden", "eer", "accuracy", "fpr:0.01".
  std::string name() const;
  /// "largest TPR - FPR (Youden's J)", for people.
  std::string words() const;
  /// Reads name()'s words, "fpr" alone being fpr:0.01. kUsage, naming `option`, for others and for a rate outside [0, 1).
  static ThresholdRule parse(const std::string& option, const std::string& text);
};

/// Those that a training stores with its weights: youden, eer, accuracy, fpr:0.01.
const std::vector<ThresholdRule>& stored_threshold_rules();

struct ChosenThreshold {
  ThresholdRule rule;
  double threshold = 0.5;
  Confusion counts;  ///< of the pictures that it was chosen on
};

/// A threshold, or why there is none.
struct ThresholdChoice {
  std::optional<ChosenThreshold> value;
  std::string reason;
};

/// Chooses on the curve of logit differences (Evaluation::roc_second). Absent where the curve is degenerate (empty, one class).
ThresholdChoice choose_threshold(const RocCurve& curve, const ThresholdRule& rule);

}  // namespace sepia
