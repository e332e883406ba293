// Spearman's rank correlation, ties shared.
#pragma once

#include <optional>
#include <span>

namespace sepia::explain {

/// Pearson's correlation of the ranks, equal values taking the mean of theirs: in [-1, 1]. Nothing when the two differ in length, hold
/// fewer than two values, or either is constant.
std::optional<double> rank_correlation(std::span<const float> a, std::span<const float> b);

}  // namespace sepia::explain
