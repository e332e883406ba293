#include "tools/report/flame_chart.h"

#include <algorithm>

#include "tools/report/axis.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kWidth = 1500, kMargin = 18, kFrame = kWidth - 2 * kMargin;
constexpr double kRow = 22, kHead = 52, kAxis = 44, kPanelGap = 10, kKeyRow = 20;
constexpr double kGap = 1;              // of paper, between neighbours
constexpr double kNarrowest = 0.4;      // of a box that is drawn
constexpr double kLetterSize = 11, kSmallestLetters = 8;
constexpr int kTicks = 10;

double sum_of(const std::vector<FlameBox>& boxes) {
  double sum = 0;
  for (const FlameBox& box : boxes) sum += box.value;
  return sum;
}

int depth_of(const std::vector<FlameBox>& boxes) {
  int deepest = 0;
  for (const FlameBox& box : boxes) deepest = std::max(deepest, 1 + depth_of(box.children));
  return deepest;
}

// Dark letters on light colours and the other way round.
bool is_dark(Ink ink) {
  const Rgb color = light_color(ink);
  return 0.299 * color.r + 0.587 * color.g + 0.114 * color.b < 150;
}

// The name as large as it fits into `width`, or its first letters; nothing where not even three would be seen.
void draw_name(Canvas& canvas, const Rect& area, const FlameBox& box) {
  TextStyle style{.size = kLetterSize, .ink = is_dark(box.ink) ? Ink::kPaper : Ink::kText, .anchor = Anchor::kMiddle};
  const double room = area.width - 4;
  while (style.size > kSmallestLetters && text_width(box.name, style) > room) style.size -= 0.5;
  std::string words = box.name;
  for (std::size_t keep = words.size(); text_width(words, style) > room; --keep) {
    if (keep <= 4) return;
    words = box.name.substr(0, keep - 1) + "\u2026";
  }
  canvas.text({area.x + area.width / 2, area.y + area.height / 2 + 0.35 * style.size}, words, style);
}

void draw_boxes(Canvas& canvas, const std::vector<FlameBox>& boxes, double x, double y, double scale) {
  for (const FlameBox& box : boxes) {
    const double width = box.value * scale;
    const Rect area{x, y, std::max(width - kGap, std::min(width, kNarrowest)), kRow - kGap};
    if (width >= kNarrowest) {
      canvas.rect(area, {box.ink});
      draw_name(canvas, area, box);
      if (!box.hint.empty()) canvas.hint(area, box.hint);
      draw_boxes(canvas, box.children, x, y + kRow, scale);
    }
    x += width;
  }
}

double height_of(const FlamePanel& panel) { return kHead + kRow * depth_of(panel.boxes) + kAxis + kPanelGap; }

void draw_panel(Canvas& canvas, double top, const FlamePanel& panel) {
  canvas.text({kMargin, top + 20}, panel.title, {.size = 14, .bold = true});
  canvas.text({kMargin, top + 40}, panel.subtitle, {.size = 11, .ink = Ink::kMuted});
  const double total = sum_of(panel.boxes);
  if (!(total > 0)) return;
  const double scale = kFrame / total, bottom = top + kHead + kRow * depth_of(panel.boxes);
  draw_boxes(canvas, panel.boxes, kMargin, top + kHead, scale);
  canvas.line({kMargin, bottom + 3}, {kMargin + kFrame, bottom + 3}, {Ink::kAxis, 1});
  const double step = nice_step(total, kTicks);
  for (int i = 0; i * step <= total * (1 + 1e-9); ++i) {
    const double x = kMargin + i * step * scale;
    canvas.line({x, bottom + 3}, {x, bottom + 7}, {Ink::kAxis, 1});
    const std::string label = number_text(i * step) + (i == 0 ? " " + panel.unit : "");
    canvas.text({x, bottom + 20}, label, {.size = 10.5, .ink = Ink::kMuted, .anchor = i == 0 ? Anchor::kStart : Anchor::kMiddle});
  }
}

// Colours and their meanings from left to right, wrapped. Returns the height; draws only where there is a canvas.
double lay_key(Canvas* canvas, double top, const std::vector<FlameKey>& key) {
  const TextStyle style{.size = 11};
  double x = kMargin, y = top;
  for (const FlameKey& entry : key) {
    const double width = 18 + text_width(entry.name, style) + 18;
    if (x > kMargin && x + width > kMargin + kFrame) {
      x = kMargin;
      y += kKeyRow;
    }
    if (canvas) {
      canvas->rect({x, y + 3, 12, 12}, {entry.ink});
      canvas->text({x + 18, y + 13}, entry.name, style);
    }
    x += width;
  }
  return y + kKeyRow - top;
}

}  // namespace

Figure flame_chart(std::vector<FlamePanel> panels, std::vector<FlameKey> key, std::string alt) {
  double height = kMargin;
  for (const FlamePanel& panel : panels) height += height_of(panel);
  height += lay_key(nullptr, 0, key) + kMargin / 2;
  return {kWidth, height, std::move(alt), [panels = std::move(panels), key = std::move(key)](Canvas& canvas) {
            double top = kMargin / 2;
            for (const FlamePanel& panel : panels) {
              draw_panel(canvas, top, panel);
              top += height_of(panel);
            }
            lay_key(&canvas, top, key);
          }};
}

}  // namespace sepia::report
