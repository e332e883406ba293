// How far a result may lie from the double reference: one table, by type and by the number of terms that were added up.
#pragma once

#include <algorithm>
#include <cmath>
#include <type_traits>

#include "engine/base/dtype.h"
#include "tests/support/arrays.h"

namespace sepia::test {

struct Tolerance {
  double relative, absolute;

  bool accepts(double actual, double expected) const {
    if (std::isnan(expected) || std::isnan(actual)) return std::isnan(expected) && std::isnan(actual);
    if (std::isinf(expected)) return actual == expected;
    return std::abs(actual - expected) <= absolute + relative * std::abs(expected);
  }
};

/// Rounding errors of a sum of n terms of size one grow as sqrt(n). terms = 0 asks for equality. bf16's absolute part follows the
/// largest magnitude of the whole array: an element near zero was rounded beside large ones.
template <class T>
Tolerance tolerance(double terms, const Array& expected) {
  if (terms == 0) return {0, 0};
  const double growth = std::sqrt(terms);
  if constexpr (std::is_same_v<T, double>) return {1e-7, 1e-12 * growth};
  if constexpr (std::is_same_v<T, float>) return {1.3e-6, 1e-5 * growth};
  double largest = 0;
  for (const double v : expected) largest = std::max(largest, std::abs(v));
  return {1.6e-2, 1e-2 * largest};
}

}  // namespace sepia::test
