// The SVG side of the canvas: text stays text, each shape carries its plain light colour as an attribute and its meaning as a
// class, so that a page's style sheet (palette_css) can re-colour it and every other viewer still shows it right.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/image_write.h"
#include "data/resize.h"
#include "engine/base/error.h"
#include "tools/report/canvas.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr int kSmallPicture = 24;  // legends and the like: as PNG they are smaller and exact
constexpr const char* kFontFamily = "'DejaVu Sans', 'Bitstream Vera Sans', Verdana, Geneva, sans-serif";

// Two decimals are a fifth of a printer's dot; shorter than the default and the same on every machine.
std::string coordinate(double value) {
  SEPIA_CHECK_KIND(std::isfinite(value), ErrorKind::kInternal, "[svg] a coordinate is not finite");
  std::string text = fmt::format("{:.2f}", value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text == "-0" ? "0" : text;
}

class SvgCanvas final : public Canvas {
 public:
  explicit SvgCanvas(bool standalone) : standalone_(standalone) {}

  void polyline(std::span<const Point> points, const Stroke& stroke) override {
    if (points.size() < 2) return;
    body_ += fmt::format("<path d=\"{}\" fill=\"none\"{}/>\n", path(points), stroke_attributes(stroke));
  }

  void polygon(std::span<const Point> points, const Fill& fill) override {
    if (points.size() < 3) return;
    body_ += fmt::format("<path d=\"{}Z\"{}/>\n", path(points), fill_attributes(fill));
  }

  void rect(const Rect& area, const Fill& fill, double rounding) override {
    const std::string corner = rounding > 0 ? fmt::format(" rx=\"{}\"", coordinate(rounding)) : "";
    body_ += fmt::format("<rect{}{}{}/>\n", box(area), corner, fill_attributes(fill));
  }

  void circle(Point centre, double radius, const Fill& fill) override {
    body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\"{}/>\n", coordinate(centre.x), coordinate(centre.y), coordinate(radius),
                         fill_attributes(fill));
  }

  void ring(Point centre, double radius, const Stroke& stroke) override {
    body_ += fmt::format("<circle cx=\"{}\" cy=\"{}\" r=\"{}\" fill=\"none\"{}/>\n", coordinate(centre.x), coordinate(centre.y),
                         coordinate(radius), stroke_attributes(stroke));
  }

  void text(Point at, std::string_view words, const TextStyle& style) override {
    static constexpr const char* kAnchors[] = {"", " text-anchor=\"middle\"", " text-anchor=\"end\""};
    body_ += fmt::format("<text x=\"{}\" y=\"{}\" font-size=\"{}\"{}{}{}{}{}>{}</text>\n", coordinate(at.x), coordinate(at.y),
                         coordinate(style.size), kAnchors[static_cast<int>(style.anchor)], style.bold ? " font-weight=\"bold\"" : "",
                         style.italic ? " font-style=\"italic\"" : "", fill_attributes({style.ink, 1}),
                         style.angle == 0 ? ""
                                          : fmt::format(" transform=\"rotate({} {} {})\"", coordinate(-style.angle), coordinate(at.x),
                                                        coordinate(at.y)),
                         escape_markup(words));
  }

  void image(const Rect& area, const Image& picture) override {
    if (standalone_ || picture.width < kSmallPicture || picture.height < kSmallPicture) {
      body_ += fmt::format("<image{} preserveAspectRatio=\"none\" href=\"data:image/png;base64,{}\"/>\n", box(area), base64(encode_png(picture)));
      return;
    }
    // In a page a picture is looked at, not measured: twice as many pixels as it covers are enough for dense screens.
    const int width = std::min(picture.width, static_cast<int>(std::lround(2 * area.width))), height = std::min(picture.height, static_cast<int>(std::lround(2 * area.height)));
    const bool smaller = width > 0 && height > 0 && (width < picture.width || height < picture.height);
    body_ += fmt::format("<image{} preserveAspectRatio=\"none\" href=\"data:image/jpeg;base64,{}\"/>\n", box(area),
                         base64(encode_jpeg(smaller ? resize(picture, width, height) : picture, {.quality = 88})));
  }

  // A nested <svg> clips to its own box: no ids, which would clash when several figures share a page.
  void push_clip(const Rect& area) override {
    body_ += fmt::format("<svg{} viewBox=\"{} {} {} {}\" overflow=\"hidden\">\n", box(area), coordinate(area.x), coordinate(area.y),
                         coordinate(area.width), coordinate(area.height));
  }
  void pop_clip() override { body_ += "</svg>\n"; }

  void hint(const Rect& area, std::string_view words) override {
    body_ += fmt::format("<rect class=\"hint\"{} fill=\"#ffffff\" fill-opacity=\"0\"><title>{}</title></rect>\n", box(area),
                         escape_markup(words));
  }

  const std::string& body() const { return body_; }

 private:
  static std::string box(const Rect& area) {
    return fmt::format(" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\"", coordinate(area.x), coordinate(area.y), coordinate(area.width),
                       coordinate(area.height));
  }

  static std::string path(std::span<const Point> points) {
    std::string out;
    for (const Point& point : points) out += (out.empty() ? "M" : "L") + coordinate(point.x) + " " + coordinate(point.y);
    return out;
  }

  static std::string fill_attributes(const Fill& fill) {
    const std::string opacity = fill.opacity < 1 ? fmt::format(" fill-opacity=\"{}\"", coordinate(fill.opacity)) : "";
    return fmt::format(" class=\"f-{}\" fill=\"{}\"{}", ink_name(fill.ink), hex(light_color(fill.ink)), opacity);
  }

  static std::string stroke_attributes(const Stroke& stroke) {
    static constexpr const char* kDashes[] = {"", " stroke-dasharray=\"6 4\"", " stroke-dasharray=\"0.1 3.5\""};
    const std::string opacity = stroke.opacity < 1 ? fmt::format(" stroke-opacity=\"{}\"", coordinate(stroke.opacity)) : "";
    const char* ends = stroke.dash == Dash::kDashed ? "" : " stroke-linecap=\"round\"";
    return fmt::format(" class=\"k-{}\" stroke=\"{}\" stroke-width=\"{}\" stroke-linejoin=\"round\"{}{}{}", ink_name(stroke.ink),
                       hex(light_color(stroke.ink)), coordinate(stroke.width), ends, kDashes[static_cast<int>(stroke.dash)], opacity);
  }

  std::string body_;
  bool standalone_;
};

}  // namespace

std::string to_svg(const Figure& figure, bool standalone) {
  SvgCanvas canvas(standalone);
  if (standalone) canvas.rect({0, 0, figure.width, figure.height}, {Ink::kPaper}, 0);
  figure.draw(canvas);
  const std::string alt = escape_markup(figure.alt);
  return fmt::format(
      "{0}<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{1}\" height=\"{2}\" viewBox=\"0 0 {1} {2}\" role=\"img\" aria-label=\"{3}\" "
      "font-family=\"{4}\">\n{5}{6}</svg>\n",
      standalone ? "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n" : "", coordinate(figure.width), coordinate(figure.height), alt, kFontFamily,
      standalone ? "<title>" + alt + "</title>\n" : "", canvas.body());
}

}  // namespace sepia::report
