// What happens inside the layers while they learn.
#include <algorithm>
#include <cmath>
#include <limits>

#include "tools/report/plots.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kWidth = 400, kHeight = 340;
constexpr std::size_t kLabelledLayers = 12;  // more labels than that would not be read

using Values = std::vector<double> LayerHealth::*;

// One line per layer; logarithmic panels leave out zeros (a frozen layer has no update).
Chart health_chart(const std::vector<LayerHealth>& layers, Values values, bool logarithmic, int epochs) {
  Chart chart;
  chart.x = integer_axis("epoch", 1, epochs, 6);
  double low = std::numeric_limits<double>::infinity(), high = 0;
  for (std::size_t i = 0; i < layers.size(); ++i) {
    Series series{.name = layers[i].name, .ink = ramp_ink(static_cast<int>(i), static_cast<int>(layers.size())), .width = 1.8, .in_legend = false};
    bool any = false;
    for (std::size_t e = 0; e < (layers[i].*values).size(); ++e) {
      double value = (layers[i].*values)[e];
      if (!std::isfinite(value) || (logarithmic && value <= 0)) value = std::numeric_limits<double>::quiet_NaN();
      if (std::isfinite(value)) {
        any = true;
        low = std::min(low, value);
        high = std::max(high, value);
      }
      series.points.push_back({static_cast<double>(e + 1), value});
    }
    if (!any) continue;
    series.marker = epochs == 1 ? Marker::kCircle : Marker::kNone;
    chart.series.push_back(std::move(series));
  }
  if (chart.series.empty()) return chart;
  for (std::size_t i = 0; i < chart.series.size(); ++i) {
    const bool labelled = chart.series.size() <= kLabelledLayers || i == 0 || i + 1 == chart.series.size();
    chart.series[i].name = shorten_middle(chart.series[i].name, 22);
    chart.series[i].end_label = labelled;
    if (labelled) chart.end_label_width = std::max(chart.end_label_width, text_width(chart.series[i].name, {.size = 10}) + 12);
  }
  chart.y = logarithmic ? log_axis("", low, high) : linear_axis("", 0, std::max(0.1, high), true);
  for (int epoch = 1; epoch <= epochs; ++epoch) {
    std::string words = "epoch " + std::to_string(epoch);
    for (const Series& series : chart.series) {
      if (static_cast<std::size_t>(epoch) > series.points.size()) continue;
      const double value = series.points[static_cast<std::size_t>(epoch) - 1].y;
      words += "\n" + series.name + " " + (logarithmic ? number_text(value, 2) : percent_text(value, 1));
    }
    chart.hints.push_back({static_cast<double>(epoch), words});
  }
  return chart;
}

std::size_t epochs_of(const std::vector<LayerHealth>& layers) {
  std::size_t epochs = 1;
  for (const LayerHealth& layer : layers) {
    epochs = std::max({epochs, layer.dead_relu_share.size(), layer.gradient_norm.size(), layer.update_ratio.size()});
  }
  return epochs;
}

}  // namespace

std::vector<Chart> health_charts(const std::vector<LayerHealth>& layers) {
  struct Panel {
    const char *title, *subtitle;
    Values values;
    bool logarithmic;
  };
  static constexpr Panel kPanels[] = {
      {"Dead ReLUs", "% of units silent all epoch", &LayerHealth::dead_relu_share, false},
      {"Gradient", "norm per layer", &LayerHealth::gradient_norm, true},
      {"Update / weight", "how far a step moves each layer", &LayerHealth::update_ratio, true},
  };
  std::vector<Chart> charts;
  for (const Panel& panel : kPanels) {
    Chart chart = health_chart(layers, panel.values, panel.logarithmic, static_cast<int>(epochs_of(layers)));
    if (chart.series.empty()) continue;
    chart.title = panel.title;
    chart.subtitle = panel.subtitle;
    if (chart.series.size() > kLabelledLayers && charts.empty()) chart.subtitle += ", first layer light, last dark";
    const double customary = 1e-3;
    if (panel.values == &LayerHealth::update_ratio && chart.y.low < customary && chart.y.high > customary) {
      chart.references.push_back(horizontal_line(chart, customary, "customary 10\u207B\u00B3"));
    }
    charts.push_back(std::move(chart));
  }
  return charts;
}

Figure plot_health(const std::vector<LayerHealth>& layers) {
  std::vector<Chart> charts = health_charts(layers);
  if (charts.empty()) {
    return {kWidth, 60, "No layer health was logged.",
            [](Canvas& canvas) { canvas.text({12, 34}, "No layer health was logged.", {.size = 11, .ink = Ink::kMuted}); }};
  }
  std::string alt = "Health of " + std::to_string(layers.size()) + " layers over " + std::to_string(epochs_of(layers)) + " epochs:";
  for (const Chart& chart : charts) alt += " " + chart.title + (&chart == &charts.back() ? "." : ",");
  return side_by_side(std::move(charts), kWidth, kHeight, std::move(alt));
}

}  // namespace sepia::report
