// From two logits to scores, decisions and losses, in double. Output 0 is "real", output 1 is "fake" (the positive class).
//
// Everything that ranks uses the logit difference, not the softmax probability: where the network is sure, probabilities
// round to 1 and make ties that the logits do not have.
#pragma once

#include <algorithm>
#include <array>
#include <cmath>
#include <limits>

namespace sepia {

/// {real, fake}.
using Logits2 = std::array<double, 2>;

/// d = logit_fake - logit_real: the log-odds of "fake", and the second output's score for ranking. The first output's is -d.
inline double logit_difference(const Logits2& logits) {
  return logits[1] - logits[0];
}

/// 1 / (1 + exp(-d)), without overflow: the softmax probability of "fake" given the logit difference.
inline double logistic(double d) {
  const double e = std::exp(-std::abs(d));
  return d >= 0 ? 1 / (1 + e) : e / (1 + e);
}

/// log(1 + exp(x)), without overflow.
inline double softplus(double x) {
  return std::max(x, 0.0) + std::log1p(std::exp(-std::abs(x)));
}

/// Softmax of two logits, {prob_real, prob_fake}.
inline std::array<double, 2> softmax(const Logits2& logits) {
  const double d = logit_difference(logits);
  return {logistic(-d), logistic(d)};
}

/// -log softmax(logits)[label], label 0 or 1.
inline double cross_entropy(const Logits2& logits, int label) {
  const double d = logit_difference(logits);
  return softplus(label == 1 ? -d : d);
}

/// log(p / (1 - p)): the logit difference at which the probability of "fake" is p. 0.5 gives exactly 0; 0 and 1 give infinities.
inline double log_odds(double p) {
  if (p <= 0) return -std::numeric_limits<double>::infinity();
  if (p >= 1) return std::numeric_limits<double>::infinity();
  return std::log(p) - std::log1p(-p);
}

/// The decision "fake": the probability is above `threshold`. At 0.5 this is argmax over the logits, to the bit, equal logits
/// being "real" as argmax takes the first; `predict`, `eval` and the training accuracy all decide with it.
inline bool is_fake(const Logits2& logits, double threshold = 0.5) {
  return logit_difference(logits) > log_odds(threshold);
}

}  // namespace sepia
