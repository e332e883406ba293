// The standard normal distribution, for DET axes and p-values.
#pragma once

namespace sepia {

/// Phi(x) = P(Z <= x), accurate in the lower tail.
double normal_cdf(double x);

/// Phi^-1(p), the normal deviate (probit) that both axes of a DET plot are drawn in; -inf at p <= 0, +inf at p >= 1.
/// Accurate to a few units in the last place for p and 1 - p above 1e-300.
double normal_deviate(double p);

}  // namespace sepia
