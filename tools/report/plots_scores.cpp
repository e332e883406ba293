// ROC, DET, confusion and reliability (Figures 3 and 6 of the document).
#include <algorithm>
#include <array>
#include <cstdint>

#include "tools/report/plots.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kWidth = 440, kHeight = 470;
constexpr double kConfusionLeft = 104, kConfusionTop = 92, kConfusionSide = 124;

std::string legend_name(const ScoreCurve& curve) {
  return curve.name + " (AUC=" + (curve.auc.value ? fixed_text(*curve.auc.value, 3) : "n/a") + ")";
}

std::string counts_subtitle(const ScoreCurves& curves) {
  std::string text = curves.title;
  if (!curves.curves.empty()) {
    const RocCurve& roc = curves.curves.front().roc;
    text += (text.empty() ? "" : " \u00B7 ") + count_text(roc.negatives) + " real, " + count_text(roc.positives) + " fake";
  }
  return text;
}

std::string alt_of(const ScoreCurves& curves, const char* what) {
  std::string alt = what;
  for (const ScoreCurve& curve : curves.curves) alt += (&curve == &curves.curves.front() ? ": " : ", ") + legend_name(curve);
  return alt + ".";
}

// Hover values at evenly spaced false positive rates.
void add_hints(Chart& chart, const ScoreCurves& curves) {
  for (int percent = 0; percent <= 100; percent += 2) {
    const double fpr = percent / 100.0;
    std::string words = "false positive rate " + percent_text(fpr, 0);
    for (const ScoreCurve& curve : curves.curves) {
      const Metric best = tpr_at_fpr(curve.roc, fpr);
      if (best.value) words += "\n" + curve.name + ": true positives " + percent_text(*best.value, 1);
    }
    chart.hints.push_back({fpr, words});
  }
}

}  // namespace

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
    for (std::size_t i = 0; i < curve.roc.size(); ++i) series.points.push_back({curve.roc.fpr(i), curve.roc.tpr(i)});
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
  const RocCurve empty, &roc = curves.curves.empty() ? empty : curves.curves.front().roc;
  const auto fewest = static_cast<double>(std::min(roc.negatives, roc.positives));
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
    for (std::size_t i = 0; i < curve.roc.size(); ++i) series.points.push_back({curve.roc.fpr(i), curve.roc.fnr(i)});
    chart.series.push_back(std::move(series));
    const Metric equal = equal_error_rate(curve.roc);
    if (equal.value) chart.dots.push_back({{*equal.value, *equal.value}, "EER " + percent_text(*equal.value, 1), curve.ink});
  }
  return chart;
}

Figure plot_roc(const ScoreCurves& curves) { return side_by_side({roc_chart(curves)}, kWidth, kHeight, alt_of(curves, "ROC curves")); }
Figure plot_det(const ScoreCurves& curves) { return side_by_side({det_chart(curves)}, kWidth, kHeight, alt_of(curves, "DET curves")); }
Figure plot_roc_det(const ScoreCurves& curves) {
  return side_by_side({roc_chart(curves), det_chart(curves)}, kWidth, kHeight, alt_of(curves, "ROC (left) and DET (right) curves"));
}

Figure plot_confusion(const Confusion& confusion, const std::string& title) {
  const std::array<std::array<std::int64_t, 2>, 2> cells = {{{confusion.tn, confusion.fp}, {confusion.fn, confusion.tp}}};
  static constexpr const char* kClasses[] = {"real", "fake"};
  std::string alt = "Confusion matrix" + (title.empty() ? "" : " of " + title);
  for (int truth = 0; truth < 2; ++truth) {
    for (int said = 0; said < 2; ++said) {
      alt += std::string(truth + said == 0 ? ": " : ", ") + kClasses[truth] + " called " + kClasses[said] + " " +
             std::to_string(cells[truth][said]);
    }
  }
  const auto draw = [cells, title](Canvas& canvas) {
    const double left = kConfusionLeft, top = kConfusionTop, side = kConfusionSide, gap = 4;
    canvas.text({left, 26}, "Confusion", {.size = 14, .bold = true});
    if (!title.empty()) canvas.text({left, 44}, title, {.size = 10.5, .ink = Ink::kMuted});
    canvas.text({left + side + gap / 2, top - 24}, "predicted", {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle});
    canvas.text({left - 66, top + side + gap / 2}, "true", {.size = 11, .ink = Ink::kMuted, .anchor = Anchor::kMiddle, .angle = 90});
    for (int truth = 0; truth < 2; ++truth) {
      const double y = top + truth * (side + gap);
      const auto total = static_cast<double>(cells[truth][0] + cells[truth][1]);
      canvas.text({left - 10, y + side / 2 + 4}, kClasses[truth], {.size = 12, .ink = truth ? Ink::kFake : Ink::kReal, .anchor = Anchor::kEnd, .bold = true});
      for (int said = 0; said < 2; ++said) {
        const double x = left + said * (side + gap);
        const double share = total > 0 ? static_cast<double>(cells[truth][said]) / total : 0;
        if (truth == 0) {
          canvas.text({x + side / 2, top - 8}, kClasses[said], {.size = 12, .ink = said ? Ink::kFake : Ink::kReal, .anchor = Anchor::kMiddle, .bold = true});
        }
        // Right answers in their class's colour, wrong ones in the muted one; the tint stops where dark letters stay readable.
        const Ink ink = truth == said ? (truth ? Ink::kFake : Ink::kReal) : Ink::kMuted;
        canvas.rect({x, y, side, side}, {ink, 0.06 + 0.36 * share}, 4);
        canvas.text({x + side / 2, y + side / 2 + 4}, count_text(cells[truth][said]), {.size = 22, .anchor = Anchor::kMiddle, .bold = true});
        canvas.text({x + side / 2, y + side / 2 + 24}, total > 0 ? percent_text(share, 1) + " of " + kClasses[truth] : "no pictures",
                    {.size = 10.5, .ink = Ink::kText, .anchor = Anchor::kMiddle});
      }
    }
  };
  return {kConfusionLeft + 2 * kConfusionSide + 4 + 60, kConfusionTop + 2 * kConfusionSide + 4 + 30, alt + ".", draw};
}

Figure plot_reliability(const std::vector<ReliabilityBin>& bins, const std::string& title) {
  const Metric ece = expected_calibration_error(bins);
  Chart chart;
  chart.title = "Calibration";
  chart.subtitle = title;
  if (ece.value) chart.subtitle += (title.empty() ? "" : " \u00B7 ") + std::string("expected calibration error ") + percent_text(*ece.value, 1);
  chart.x = linear_axis("predicted probability of fake, %", 0, 1, true);
  chart.y = linear_axis("observed share of fakes, %", 0, 1, true);
  chart.square = chart.vertical_grid = true;
  chart.references.push_back({{{0, 0}, {1, 1}}, "perfectly calibrated", Dash::kDashed});
  std::int64_t most = 1;
  for (const ReliabilityBin& bin : bins) most = std::max(most, bin.count);
  Series series{.name = "observed", .note = "(bars: how many pictures)", .ink = Ink::kFake, .marker = Marker::kCircle};
  Bars bars{.width = bins.empty() ? 0.1 : bins.front().high - bins.front().low, .ink = Ink::kGrid};
  for (const ReliabilityBin& bin : bins) {
    // Bars use the lower quarter of the frame: they say how much each point weighs.
    bars.bars.push_back({bin.low, 0.25 * static_cast<double>(bin.count) / static_cast<double>(most)});
    if (bin.count > 0) series.points.push_back({bin.mean_probability(), bin.fake_share()});
    chart.hints.push_back({(bin.low + bin.high) / 2, "predicted " + percent_text(bin.low, 0) + " to " + percent_text(bin.high, 0) + "\n" +
                                                         (bin.count ? "observed " + percent_text(bin.fake_share(), 1) + "\n" : "") +
                                                         count_text(bin.count) + " pictures"});
  }
  chart.series.push_back(std::move(series));
  chart.bars = std::move(bars);
  std::string alt = "Reliability diagram" + (title.empty() ? "" : " of " + title) +
                    (ece.value ? ", expected calibration error " + percent_text(*ece.value, 1) : "") + ".";
  return side_by_side({std::move(chart)}, kWidth, kHeight, std::move(alt));
}

}  // namespace sepia::report
