// Loss and accuracy over epochs (Figures 2, 4 and 5 of the document).
#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/report/plots.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kWidth = 470, kHeight = 340;

struct Split {
  const char* name;
  const std::vector<double>* values;
  Ink ink;
  Marker marker;
};

// Three decimals where they tell something, so that numbers beside each other have the same length.
std::string loss_text(double value) { return value >= 0.01 && value < 1000 ? fixed_text(value, 3) : number_text(value, 3); }

double loss_scale(const RunHistory& history) { return history.document_units ? 1.0 / history.batch_size : 1.0; }

// Curves, legend notes at the best epoch, hover words: what both panels share.
Chart history_chart(const RunHistory& history, const std::vector<Split>& splits, double scale, const std::function<std::string(double)>& write) {
  Chart chart;
  const int epochs = history.epochs();
  chart.x = integer_axis("epoch", 1, std::max(1, epochs));
  const bool marked = history.best_epoch >= 1 && history.best_epoch <= epochs;
  for (const Split& split : splits) {
    Series series{.name = split.name, .ink = split.ink, .marker = split.marker};
    for (std::size_t i = 0; i < split.values->size(); ++i) series.points.push_back({static_cast<double>(i + 1), scale * (*split.values)[i]});
    if (std::none_of(series.points.begin(), series.points.end(), [](Point p) { return std::isfinite(p.y); })) continue;
    for (Point& point : series.points) {
      if (!std::isfinite(point.y)) point.y = std::numeric_limits<double>::quiet_NaN();
    }
    const auto best = static_cast<std::size_t>(history.best_epoch);
    if (marked && best <= series.points.size()) series.note = write(series.points[best - 1].y);
    chart.series.push_back(std::move(series));
  }
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    std::string words = "epoch " + std::to_string(epoch);
    for (const Series& series : chart.series) {
      if (static_cast<std::size_t>(epoch) <= series.points.size()) words += "\n" + series.name + " " + write(series.points[static_cast<std::size_t>(epoch) - 1].y);
    }
    chart.hints.push_back({static_cast<double>(epoch), words});
  }
  if (marked) chart.highlight = {static_cast<double>(history.best_epoch), "best epoch " + std::to_string(history.best_epoch)};
  return chart;
}

struct Range {
  double low = std::numeric_limits<double>::infinity(), high = -std::numeric_limits<double>::infinity();
  void add(double value) {
    if (!std::isfinite(value)) return;
    low = std::min(low, value);
    high = std::max(high, value);
  }
};

Range range_of(const Chart& chart) {
  Range range;
  for (const Series& series : chart.series) {
    for (const Point& point : series.points) range.add(point.y);
  }
  return range;
}

std::string alt_text(const RunHistory& history, const Chart& chart, const char* what) {
  std::string alt = std::string(what) + " of " + history.model + " on " + history.dataset + " over " + std::to_string(history.epochs()) +
                    (history.epochs() == 1 ? " epoch" : " epochs");
  for (const Series& series : chart.series) {
    if (!series.note.empty()) alt += ", " + series.name + " " + series.note;
  }
  if (chart.highlight) alt += " at the best epoch, " + std::to_string(history.best_epoch);
  return alt + ".";
}

}  // namespace

int RunHistory::epochs() const {
  return static_cast<int>(std::max({train_loss.size(), train_acc.size(), val_loss.size(), val_acc.size(), test_loss.size(), test_acc.size()}));
}

Chart loss_chart(const RunHistory& history) {
  const double scale = loss_scale(history);
  Chart chart = history_chart(history,
                              {{"train", &history.train_loss, Ink::kTrain, Marker::kCircle},
                               {"val", &history.val_loss, Ink::kVal, Marker::kSquare},
                               {"test", &history.test_loss, Ink::kTest, Marker::kTriangle}},
                              scale, loss_text);
  chart.title = "Loss";
  const double chance = scale * std::log(static_cast<double>(history.classes));
  Range range = range_of(chart);
  range.add(chance);
  const std::string label = history.document_units ? "cross-entropy / batch size" : "cross-entropy per picture";
  const bool logarithmic = range.low > 0 && range.high > 50 * range.low;
  chart.y = logarithmic ? log_axis(label, range.low, range.high) : linear_axis(label, 0, 1.04 * range.high);
  chart.references.push_back(horizontal_line(
      chart, chance, "chance: ln " + std::to_string(history.classes) + (history.document_units ? " / " + std::to_string(history.batch_size) : "") +
                         " = " + loss_text(chance)));
  return chart;
}

Chart accuracy_chart(const RunHistory& history) {
  Chart chart = history_chart(history,
                              {{"train", &history.train_acc, Ink::kTrain, Marker::kCircle},
                               {"val", &history.val_acc, Ink::kVal, Marker::kSquare},
                               {"test", &history.test_acc, Ink::kTest, Marker::kTriangle}},
                              1, [](double value) { return percent_text(value, 1); });
  chart.title = "Accuracy";
  Range range = range_of(chart);
  range.add(history.majority_accuracy);
  if (range.low > range.high) range = {0, 1};
  // At least 20 points high: noise around chance must look like noise.
  const double middle = (range.low + range.high) / 2;
  const double low = std::max(0.0, std::min(range.low - 0.02, middle - 0.1)), high = std::min(1.0, std::max(range.high + 0.02, middle + 0.1));
  chart.y = linear_axis("accuracy, %", low, high, true);
  chart.y.high = std::min(1.0, chart.y.high);
  if (std::isfinite(history.majority_accuracy)) {
    chart.references.push_back(
        horizontal_line(chart, history.majority_accuracy,
                        "majority class (" + history.majority_split + "): " + percent_text(history.majority_accuracy, 1)));
  }
  return chart;
}

Figure plot_loss(const RunHistory& history) {
  Chart chart = loss_chart(history);
  std::string alt = alt_text(history, chart, "Loss");
  return side_by_side({std::move(chart)}, kWidth, kHeight, std::move(alt));
}

Figure plot_accuracy(const RunHistory& history) {
  Chart chart = accuracy_chart(history);
  std::string alt = alt_text(history, chart, "Accuracy");
  return side_by_side({std::move(chart)}, kWidth, kHeight, std::move(alt));
}

Figure plot_history(const RunHistory& history) {
  Chart loss = loss_chart(history), accuracy = accuracy_chart(history);
  std::string alt = alt_text(history, loss, "Loss") + " " + alt_text(history, accuracy, "Accuracy");
  return side_by_side({std::move(loss), std::move(accuracy)}, kWidth, kHeight, std::move(alt));
}

}  // namespace sepia::report
