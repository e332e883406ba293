// ROC, DET, confusion and reliability (Figures 3 and 6 of the document).
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/base/error.h"
#include "tools/report/plots.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kWidth = 440, kHeight = 470;
constexpr double kConfusionLeft = 104, kConfusionTop = 92, kConfusionSide = 124;

std::string legend_name(const ScoreCurve& curve) {
  return curve.name + " (AUC=" + (std::isnan(curve.auc) ? "n/a" : fixed_text(curve.auc, 3)) + ")";
}

std::string counts_subtitle(const ScoreCurves& curves) {
  std::string text = curves.title;
  if (curves.n_real + curves.n_fake > 0) {
    if (!text.empty()) text += " \u00B7 ";
    text += count_text(curves.n_real) + " real, " + count_text(curves.n_fake) + " fake";
  }
  return text;
}

std::string alt_of(const ScoreCurves& curves, const char* what) {
  std::string alt = what;
  for (const ScoreCurve& curve : curves.curves) alt += (&curve == &curves.curves.front() ? ": " : ", ") + legend_name(curve);
  return alt + ".";
}

// The equal-error point as (false alarm rate, miss rate).
Point equal_error_point(const ScoreCurve& curve) {
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (std::size_t i = 0; i < std::min(curve.fpr.size(), curve.tpr.size()); ++i) {
    const double now = curve.fpr[i] - (1 - curve.tpr[i]);
    if (now < 0) continue;
    if (i == 0) return {curve.fpr[0], 1 - curve.tpr[0]};
    const double before = curve.fpr[i - 1] - (1 - curve.tpr[i - 1]);
    const double t = now == before ? 0 : -before / (now - before);
    const double rate = curve.fpr[i - 1] + t * (curve.fpr[i] - curve.fpr[i - 1]);
    return {rate, rate};
  }
  return {nan, nan};
}

// Hover values at evenly spaced false positive rates.
void add_hints(Chart& chart, const ScoreCurves& curves) {
  for (int percent = 0; percent <= 100; percent += 2) {
    const double fpr = percent / 100.0;
    std::string words = "false positive rate " + percent_text(fpr, 0);
    for (const ScoreCurve& curve : curves.curves) {
      // The best rate reached without exceeding this false positive rate.
      const auto after = std::upper_bound(curve.fpr.begin(), curve.fpr.end(), fpr + 1e-12);
      if (after == curve.fpr.begin()) continue;
      words += "\n" + curve.name + ": true positives " + percent_text(curve.tpr[static_cast<std::size_t>(after - curve.fpr.begin()) - 1], 1);
    }
    chart.hints.push_back({fpr, words});
  }
}

}  // namespace

double equal_error_rate(const ScoreCurve& curve) { return equal_error_point(curve).x; }

Chart roc_chart(const ScoreCurves& curves) {
  Chart chart;
  chart.title = "ROC";
  chart.subtitle = counts_subtitle(curves);
  chart.x = linear_axis("false positive rate (real called fake), %", 0, 1, true);
  chart.y = linear_axis("true positive rate (fakes found), %", 0, 1, true);
  chart.square = chart.vertical_grid = true;
  chart.references.push_back({{{0, 0}, {1, 1}}, "chance", Dash::kDashed});
  for (const ScoreCurve& curve : curves.curves) {
    Series series{.name = legend_name(curve), .ink = curve.ink, .width = 2.2};
    for (std::size_t i = 0; i < std::min(curve.fpr.size(), curve.tpr.size()); ++i) series.points.push_back({curve.fpr[i], curve.tpr[i]});
    chart.series.push_back(std::move(series));
  }
  add_hints(chart, curves);
  return chart;
}

Chart det_chart(const ScoreCurves& curves) {
  Chart chart;
  chart.title = "DET";
  chart.subtitle = counts_subtitle(curves);
  // The axes end where one picture would be: below 1/n there is nothing to see.
  const int fewest = std::min(curves.n_real, curves.n_fake);
  double low = 0.05;
  for (const double end : {0.05, 0.02, 0.01, 0.005, 0.002, 0.001, 0.0005, 0.0001}) {
    low = end;
    if (fewest <= 0 || end <= 0.8 / fewest) break;
  }
  if (fewest <= 0) low = 0.001;
  chart.x = probit_axis("false alarm rate (real called fake), %", low, 1 - low);
  chart.y = probit_axis("miss rate (fakes not found), %", low, 1 - low);
  chart.square = chart.vertical_grid = true;
  chart.references.push_back({{{low, low}, {1 - low, 1 - low}}, "equal error", Dash::kDotted});
  for (const ScoreCurve& curve : curves.curves) {
    Series series{.name = legend_name(curve), .ink = curve.ink, .width = 2.2};
    for (std::size_t i = 0; i < std::min(curve.fpr.size(), curve.tpr.size()); ++i) series.points.push_back({curve.fpr[i], 1 - curve.tpr[i]});
    chart.series.push_back(std::move(series));
    const Point equal = equal_error_point(curve);
    if (std::isfinite(equal.x)) chart.dots.push_back({equal, "EER " + percent_text(equal.x, 1), curve.ink});
  }
  return chart;
}

Figure plot_roc(const ScoreCurves& curves) { return side_by_side({roc_chart(curves)}, kWidth, kHeight, alt_of(curves, "ROC curves")); }
Figure plot_det(const ScoreCurves& curves) { return side_by_side({det_chart(curves)}, kWidth, kHeight, alt_of(curves, "DET curves")); }
Figure plot_roc_det(const ScoreCurves& curves) {
  return side_by_side({roc_chart(curves), det_chart(curves)}, kWidth, kHeight, alt_of(curves, "ROC (left) and DET (right) curves"));
}

Figure plot_confusion(const Confusion& confusion, const std::string& title) {
  static constexpr const char* kClasses[] = {"real", "fake"};
  std::string alt = "Confusion matrix" + (title.empty() ? "" : " of " + title);
  for (int truth = 0; truth < 2; ++truth) {
    for (int said = 0; said < 2; ++said) {
      alt += std::string(truth + said == 0 ? ": " : ", ") + kClasses[truth] + " called " + kClasses[said] + " " +
             std::to_string(confusion[truth][said]);
    }
  }
  const auto draw = [confusion, title](Canvas& canvas) {
    const double left = kConfusionLeft, top = kConfusionTop, side = kConfusionSide, gap = 4;
    canvas.text({left, 26}, "Confusion", {.size = 14, .bold = true});
    if (!title.empty()) canvas.text({left, 44}, title, {.size = 10.5, .ink = Ink::kMuted});
    canvas.text({left + side + gap / 2, top - 24}, "predicted", {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
    canvas.text({left - 66, top + side + gap / 2}, "true", {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle, .angle = 90});
    for (int truth = 0; truth < 2; ++truth) {
      const double y = top + truth * (side + gap);
      const auto total = static_cast<double>(confusion[truth][0] + confusion[truth][1]);
      canvas.text({left - 10, y + side / 2 + 4}, kClasses[truth], {.size = 12, .ink = truth ? Ink::kFake : Ink::kReal, .anchor = Anchor::kEnd, .bold = true});
      for (int said = 0; said < 2; ++said) {
        const double x = left + said * (side + gap);
        const double share = total > 0 ? static_cast<double>(confusion[truth][said]) / total : 0;
        if (truth == 0) {
          canvas.text({x + side / 2, top - 8}, kClasses[said], {.size = 12, .ink = said ? Ink::kFake : Ink::kReal, .anchor = Anchor::kMiddle, .bold = true});
        }
        // Right answers in their class's colour, wrong ones in the muted one; the tint stops where dark letters stay readable.
        const Ink ink = truth == said ? (truth ? Ink::kFake : Ink::kReal) : Ink::kMuted;
        canvas.rect({x, y, side, side}, {ink, 0.06 + 0.36 * share}, 4);
        canvas.text({x + side / 2, y + side / 2 + 4}, count_text(confusion[truth][said]), {.size = 22, .anchor = Anchor::kMiddle, .bold = true});
        canvas.text({x + side / 2, y + side / 2 + 24}, total > 0 ? percent_text(share, 1) + " of " + kClasses[truth] : "no pictures",
                    {.size = 10.5, .ink = Ink::kText, .anchor = Anchor::kMiddle});
      }
    }
  };
  return {kConfusionLeft + 2 * kConfusionSide + 4 + 60, kConfusionTop + 2 * kConfusionSide + 4 + 30, alt + ".", draw};
}

double expected_calibration_error(const std::vector<ReliabilityBin>& bins) {
  double gap = 0, count = 0;
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    gap += static_cast<double>(bin.count) * std::abs(bin.mean_predicted - bin.observed_fake);
    count += static_cast<double>(bin.count);
  }
  return count > 0 ? gap / count : std::numeric_limits<double>::quiet_NaN();
}

std::vector<ReliabilityBin> reliability_bins(const std::vector<double>& prob_fake, const std::vector<int>& labels, int bins) {
  SEPIA_CHECK(prob_fake.size() == labels.size() && bins > 0, "[reliability] ", prob_fake.size(), " probabilities for ", labels.size(),
              " labels in ", bins, " bins");
  std::vector<ReliabilityBin> out(static_cast<std::size_t>(bins));
  for (std::size_t b = 0; b < out.size(); ++b) {
    out[b].low = static_cast<double>(b) / bins;
    out[b].high = static_cast<double>(b + 1) / bins;
  }
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if (!std::isfinite(prob_fake[i])) continue;
    ReliabilityBin& bin = out[static_cast<std::size_t>(std::clamp(static_cast<int>(prob_fake[i] * bins), 0, bins - 1))];
    bin.mean_predicted += prob_fake[i];
    bin.observed_fake += labels[i] == 1;
    ++bin.count;
  }
  for (ReliabilityBin& bin : out) {
    if (bin.count == 0) continue;
    bin.mean_predicted /= static_cast<double>(bin.count);
    bin.observed_fake /= static_cast<double>(bin.count);
  }
  return out;
}

Figure plot_reliability(const std::vector<ReliabilityBin>& bins, double ece, const std::string& title) {
  Chart chart;
  chart.title = "Calibration";
  chart.subtitle = title;
  if (std::isfinite(ece)) chart.subtitle += (title.empty() ? "" : " \u00B7 ") + std::string("expected calibration error ") + percent_text(ece, 1);
  chart.x = linear_axis("predicted probability of fake, %", 0, 1, true);
  chart.y = linear_axis("observed share of fakes, %", 0, 1, true);
  chart.square = chart.vertical_grid = true;
  chart.references.push_back({{{0, 0}, {1, 1}}, "perfectly calibrated", Dash::kDashed});
  long long most = 1;
  for (const ReliabilityBin& bin : bins) most = std::max(most, bin.count);
  Series series{.name = "observed", .note = "(bars: how many pictures)", .ink = Ink::kFake, .marker = Marker::kCircle};
  Bars bars{.width = bins.empty() ? 0.1 : bins.front().high - bins.front().low, .ink = Ink::kGrid};
  for (const ReliabilityBin& bin : bins) {
    // Bars use the lower quarter of the frame: they say how much each point weighs.
    bars.bars.push_back({bin.low, 0.25 * static_cast<double>(bin.count) / static_cast<double>(most)});
    if (bin.count > 0) series.points.push_back({bin.mean_predicted, bin.observed_fake});
    chart.hints.push_back({(bin.low + bin.high) / 2, "predicted " + percent_text(bin.low, 0) + " to " + percent_text(bin.high, 0) + "\n" +
                                                         (bin.count ? "observed " + percent_text(bin.observed_fake, 1) + "\n" : "") +
                                                         count_text(bin.count) + " pictures"});
  }
  chart.series.push_back(std::move(series));
  chart.bars = std::move(bars);
  std::string alt = "Reliability diagram" + (title.empty() ? "" : " of " + title) +
                    (std::isfinite(ece) ? ", expected calibration error " + percent_text(ece, 1) : "") + ".";
  return side_by_side({std::move(chart)}, kWidth, kHeight, std::move(alt));
}

}  // namespace sepia::report
