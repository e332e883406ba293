// Axes: how values become positions, and where the ticks stand.
#pragma once

#include <string>
#include <vector>

namespace sepia::report {

/// kProbit places a probability p at the normal deviate of p: on two such axes the error trade-off of two normal score
/// distributions of equal variance is a straight line (Martin et al. 1997, "The DET curve in assessment of detection task performance").
enum class ScaleKind { kLinear, kLog, kProbit };

struct Tick {
  double at = 0;
  std::string label;  ///< empty for a minor tick
};

/// One axis from low to high (in data units, both inside the scale's domain).
struct Axis {
  std::string label;
  ScaleKind scale = ScaleKind::kLinear;
  double low = 0, high = 1;
  std::vector<Tick> ticks;

  /// Position of a value, 0 at low and 1 at high. Values outside the scale's domain (log of 0, probit of 0 or 1) and beyond
  /// the ends are placed on the nearer end.
  double unit(double value) const;
};

/// The step 1, 2 or 5 times a power of ten that cuts `span` into at most `pieces` pieces (at least 2 of them where 1-2-5 allows).
double nice_step(double span, int pieces);

/// A linear axis that covers [low, high]; the ends move out to multiples of the step when `snap` is set. `percent` labels
/// fractions as percent. An empty or reversed range is widened around low.
Axis linear_axis(std::string label, double low, double high, bool percent = false, bool snap = true, int pieces = 5);

/// Whole numbers only (epochs): low..high, a label at most every high/`pieces`, the first and the last always in range.
Axis integer_axis(std::string label, int low, int high, int pieces = 8);

/// A logarithmic axis over whole decades that cover [low, high] (both > 0), or over 1-2-5 steps when that is less than a decade
/// and a half; minor ticks at 2..9 when there are at most 4 decades, labels thinned beyond 6.
Axis log_axis(std::string label, double low, double high);

/// A normal-deviate axis for probabilities from low to high, ticks at the customary percentages inside.
Axis probit_axis(std::string label, double low, double high);

}  // namespace sepia::report
