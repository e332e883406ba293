#include "engine/metrics/normal.h"

#include <algorithm>
#include <cmath>
#include <limits>
#include <numbers>

namespace sepia {

double normal_cdf(double x) {
  return 0.5 * std::erfc(-x / std::numbers::sqrt2);
}

double normal_deviate(double p) {
  constexpr double kInfinity = std::numeric_limits<double>::infinity();
  if (p <= 0) return -kInfinity;
  if (p >= 1) return kInfinity;
  if (p > 0.5) return -normal_deviate(1 - p);  // 1 - p is exact here
  if (p == 0.5) return 0;
  // Newton on log Phi(x) = log p. log Phi is concave and the start lies left of the root (Phi(-t) <= exp(-t^2/2) / 2), so that
  // every step goes right without overshooting, however small p is.
  const double target = std::log(std::max(p, 1e-300));
  double x = -std::sqrt(-2 * target);
  for (int step = 0; step < 100; ++step) {
    const double cdf = normal_cdf(x);
    const double density = std::exp(-0.5 * x * x) * std::numbers::inv_sqrtpi / std::numbers::sqrt2;
    const double next = x + (target - std::log(cdf)) * cdf / density;
    if (std::abs(next - x) <= 4 * std::numeric_limits<double>::epsilon() * std::max(1.0, std::abs(x))) return next;
    x = next;
  }
  return x;
}

}  // namespace sepia
