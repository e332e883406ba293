// Labels that look for a place of their own.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "tools/report/chart_plotter.h"

namespace sepia::report {
namespace {

// How much of the curves a label at `box` would hide: sampled points of all segments inside it.
int hidden_by(const Plotter& p, const Rect& box) {
  int hits = 0;
  for (const Series& series : p.chart.series) {
    for (const auto& piece : p.pieces(series.points)) {
      for (std::size_t i = 0; i < piece.size(); ++i) {
        const Point a = piece[i], b = i + 1 < piece.size() ? piece[i + 1] : a;
        const int samples = 1 + static_cast<int>(std::hypot(b.x - a.x, b.y - a.y) / 3);
        for (int s = 0; s < samples; ++s) {
          const double t = static_cast<double>(s) / samples, x = a.x + t * (b.x - a.x), y = a.y + t * (b.y - a.y);
          hits += x > box.x - 3 && x < box.right() + 3 && y > box.y - 3 && y < box.bottom() + 3;
        }
      }
    }
  }
  return hits;
}

// Along a slanted line, on its lower right side (good ROC curves are on the other), at the place that hides the least.
void draw_slanted_label(const Plotter& p, const std::string& label, Point start, double length, double angle, TextStyle style) {
  const double width = text_width(label, style), nx = -std::sin(angle), ny = std::cos(angle);
  Point best;
  int fewest = -1;
  for (const double share : {0.72, 0.5, 0.3, 0.88, 0.15}) {
    const double along = share * length;
    const Point at{start.x + along * std::cos(angle) + 13 * nx, start.y + along * std::sin(angle) + 13 * ny};
    const double half_x = std::abs(std::cos(angle)) * width / 2, half_y = std::abs(std::sin(angle)) * width / 2;
    const Rect box{at.x - half_x, at.y - half_y, 2 * half_x, 2 * half_y};
    int hidden = hidden_by(p, box);
    for (const Dot& dot : p.chart.dots) {
      const Point centre = p.place(dot.at);
      const double reach = 16 + text_width(dot.label, style);
      hidden += 10 * (std::abs(centre.x - at.x) < reach + half_x && std::abs(centre.y - at.y) < 12 + half_y);
    }
    if (fewest >= 0 && hidden >= fewest) continue;
    fewest = hidden;
    best = at;
  }
  style.angle = -angle * 90 / std::acos(0.0);
  style.anchor = Anchor::kMiddle;
  p.canvas.text(best, label, style);
}

}  // namespace

void draw_reference_labels(const Plotter& p) {
  const TextStyle style{.size = kTickSize, .ink = Ink::kMuted, .italic = true};
  for (const ReferenceLine& reference : p.chart.references) {
    if (reference.label.empty() || reference.points.size() < 2) continue;
    const Point a = p.place(reference.points.front()), b = p.place(reference.points.back());
    const double width = text_width(reference.label, style), length = std::hypot(b.x - a.x, b.y - a.y);
    if (length < 1) continue;
    const double angle = std::atan2(b.y - a.y, b.x - a.x);
    if (std::abs(angle) > 1e-6) {
      draw_slanted_label(p, reference.label, a, length, angle, style);
      continue;
    }
    Rect best;
    int fewest = -1;
    for (const double dy : {-kTickSize - 5, 4.0}) {
      for (const double x : {p.frame.right() - width - 4, p.frame.x + 4, p.frame.x + (p.frame.width - width) / 2}) {
        const Rect box{x, a.y + dy, width, kTickSize + 2};
        if (box.y < p.frame.y || box.bottom() > p.frame.bottom()) continue;
        const int hidden = hidden_by(p, box);
        if (fewest < 0 || hidden < fewest) {
          fewest = hidden;
          best = box;
        }
      }
    }
    if (fewest < 0) continue;
    if (fewest > 0) p.canvas.rect(best, {Ink::kPaper, 0.8});
    p.canvas.text({best.x, best.y + kTickSize - 1}, reference.label, style);
  }
}

void draw_end_labels(const Plotter& p) {
  std::vector<const Series*> labelled;
  std::vector<double> wanted;
  for (const Series& series : p.chart.series) {
    const auto last = std::find_if(series.points.rbegin(), series.points.rend(), [](Point point) { return !std::isnan(point.y); });
    if (!series.end_label || last == series.points.rend()) continue;
    labelled.push_back(&series);
    wanted.push_back(p.y(last->y));
  }
  const std::vector<double> placed = spread_labels(wanted, kTickSize + 2, p.frame.y, p.frame.bottom());
  for (std::size_t i = 0; i < labelled.size(); ++i) {
    const double x = p.frame.right();
    p.canvas.line({x + 3, wanted[i]}, {x + 12, placed[i]}, {labelled[i]->ink, 1.5});
    p.canvas.text({x + 15, placed[i] + 0.36 * kTickSize}, labelled[i]->name, {.size = kTickSize});
  }
}

std::vector<double> spread_labels(const std::vector<double>& wanted, double gap, double low, double high) {
  std::vector<std::size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), std::size_t{0});
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return wanted[a] < wanted[b]; });
  std::vector<double> placed = wanted;
  double floor = low;
  for (const std::size_t i : order) {
    placed[i] = std::max(placed[i], floor);
    floor = placed[i] + gap;
  }
  double ceiling = high;
  for (auto i = order.rbegin(); i != order.rend(); ++i) {
    placed[*i] = std::min(placed[*i], ceiling);
    ceiling = placed[*i] - gap;
  }
  return placed;
}

}  // namespace sepia::report
