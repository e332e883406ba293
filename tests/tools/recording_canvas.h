// A canvas that remembers what was drawn on it, for tests that ask where things stand.
#pragma once

#include <string>
#include <utility>
#include <vector>

#include "tools/report/canvas.h"

namespace sepia::test {

class RecordingCanvas final : public report::Canvas {
 public:
  struct Line {
    std::vector<report::Point> points;
    report::Stroke stroke;
  };
  struct Words {
    report::Point at;
    std::string words;
    report::TextStyle style;
  };

  void polyline(std::span<const report::Point> points, const report::Stroke& stroke) override {
    lines.push_back({{points.begin(), points.end()}, stroke});
  }
  void polygon(std::span<const report::Point>, const report::Fill&) override {}
  void rect(const report::Rect& area, const report::Fill& fill, double) override { rects.emplace_back(area, fill); }
  void circle(report::Point centre, double, const report::Fill& fill) override { circles.emplace_back(centre, fill); }
  void ring(report::Point centre, double, const report::Stroke& stroke) override { rings.emplace_back(centre, stroke); }
  void text(report::Point at, std::string_view words, const report::TextStyle& style) override {
    texts.push_back({at, std::string(words), style});
  }
  void image(const report::Rect& area, const Image&) override { images.push_back(area); }
  void push_clip(const report::Rect&) override {}
  void pop_clip() override {}
  void hint(const report::Rect& area, std::string_view words) override { hints.emplace_back(area, words); }

  /// The text that says exactly this, or nullptr.
  const Words* find(std::string_view words) const {
    for (const Words& text : texts) {
      if (text.words == words) return &text;
    }
    return nullptr;
  }
  /// The lines in this ink.
  std::vector<Line> in(report::Ink ink) const {
    std::vector<Line> out;
    for (const Line& line : lines) {
      if (line.stroke.ink == ink) out.push_back(line);
    }
    return out;
  }

  std::vector<Line> lines;
  std::vector<Words> texts;
  std::vector<std::pair<report::Rect, report::Fill>> rects;
  std::vector<std::pair<report::Point, report::Fill>> circles;
  std::vector<std::pair<report::Point, report::Stroke>> rings;
  std::vector<report::Rect> images;
  std::vector<std::pair<report::Rect, std::string>> hints;
};

}  // namespace sepia::test
