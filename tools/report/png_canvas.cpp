// The PNG side of the canvas, and text measuring, both through cairo.
#include <cairo.h>

#include <array>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <memory>

#include "data/image_write.h"
#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/parallel_for.h"
#include "tools/report/canvas.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

using Surface = std::unique_ptr<cairo_surface_t, decltype(&cairo_surface_destroy)>;
using Context = std::unique_ptr<cairo_t, decltype(&cairo_destroy)>;

void check(cairo_status_t status, const char* doing) {
  if (status == CAIRO_STATUS_SUCCESS) return;
  fail(status == CAIRO_STATUS_NO_MEMORY ? ErrorKind::kMemory : ErrorKind::kInternal, "[png] cairo failed at ", doing, ": ",
       cairo_status_to_string(status));
}

void set_font(cairo_t* context, const TextStyle& style) {
  cairo_select_font_face(context, "DejaVu Sans", style.italic ? CAIRO_FONT_SLANT_ITALIC : CAIRO_FONT_SLANT_NORMAL,
                         style.bold ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
  cairo_set_font_size(context, style.size);
}

// Without hinting, letters have the same widths at every scale, so that a PNG is laid out as its SVG.
void set_font_options(cairo_t* context) {
  std::unique_ptr<cairo_font_options_t, decltype(&cairo_font_options_destroy)> options(cairo_font_options_create(),
                                                                                      &cairo_font_options_destroy);
  cairo_font_options_set_hint_style(options.get(), CAIRO_HINT_STYLE_NONE);
  cairo_font_options_set_hint_metrics(options.get(), CAIRO_HINT_METRICS_OFF);
  cairo_font_options_set_antialias(options.get(), CAIRO_ANTIALIAS_GRAY);
  cairo_set_font_options(context, options.get());
}

double advance(cairo_t* context, std::string_view words, const TextStyle& style) {
  set_font(context, style);
  cairo_text_extents_t extents;
  cairo_text_extents(context, clean_utf8(words).c_str(), &extents);
  return extents.x_advance;
}

// The picture as a cairo surface: native-endian 0x00RRGGBB words.
Surface surface_of(const Image& picture) {
  SEPIA_CHECK(picture.width > 0 && picture.height > 0 &&
                  picture.rgb.size() == static_cast<std::size_t>(picture.width) * static_cast<std::size_t>(picture.height) * 3,
              "[png] the picture is empty or its size and pixels disagree");
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_RGB24, picture.width, picture.height), &cairo_surface_destroy);
  check(cairo_surface_status(surface.get()), "making a surface");
  unsigned char* pixels = cairo_image_surface_get_data(surface.get());
  const auto stride = static_cast<std::size_t>(cairo_image_surface_get_stride(surface.get()));
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      const std::uint8_t* rgb = picture.pixel(x, y);
      const std::uint32_t word = 0xFF000000u | std::uint32_t{rgb[0]} << 16 | std::uint32_t{rgb[1]} << 8 | rgb[2];
      std::memcpy(pixels + static_cast<std::size_t>(y) * stride + static_cast<std::size_t>(x) * 4, &word, 4);
    }
  }
  cairo_surface_mark_dirty(surface.get());
  return surface;
}

Image picture_of(cairo_surface_t* surface) {
  Image picture(cairo_image_surface_get_width(surface), cairo_image_surface_get_height(surface));
  const unsigned char* pixels = cairo_image_surface_get_data(surface);
  const auto stride = static_cast<std::size_t>(cairo_image_surface_get_stride(surface));
  for (int y = 0; y < picture.height; ++y) {
    for (int x = 0; x < picture.width; ++x) {
      std::uint32_t word;
      std::memcpy(&word, pixels + static_cast<std::size_t>(y) * stride + static_cast<std::size_t>(x) * 4, 4);
      std::uint8_t* rgb = picture.pixel(x, y);
      rgb[0] = static_cast<std::uint8_t>(word >> 16);
      rgb[1] = static_cast<std::uint8_t>(word >> 8);
      rgb[2] = static_cast<std::uint8_t>(word);
    }
  }
  return picture;
}

// Inserts a pHYs chunk (PNG specification, 11.3.5.3) behind IHDR, which ends at byte 33.
void set_density(std::vector<std::byte>& png, double pixels_per_inch) {
  const auto per_metre = static_cast<std::uint32_t>(std::lround(pixels_per_inch / 0.0254));
  std::vector<std::uint8_t> chunk = {0, 0, 0, 9, 'p', 'H', 'Y', 's'};
  const auto put = [&](std::uint32_t value) {
    for (int shift = 24; shift >= 0; shift -= 8) chunk.push_back(static_cast<std::uint8_t>(value >> shift));
  };
  put(per_metre);
  put(per_metre);
  chunk.push_back(1);
  std::uint32_t crc = 0xFFFFFFFFu;
  for (std::size_t i = 4; i < chunk.size(); ++i) {
    crc ^= chunk[i];
    for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xEDB88320u : 0u);
  }
  put(~crc);
  const auto* begin = reinterpret_cast<const std::byte*>(chunk.data());
  png.insert(png.begin() + 33, begin, begin + chunk.size());
}

class PngCanvas final : public Canvas {
 public:
  PngCanvas(double width, double height, double scale)
      : surface_(cairo_image_surface_create(CAIRO_FORMAT_RGB24, static_cast<int>(std::lround(width * scale)),
                                            static_cast<int>(std::lround(height * scale))),
                 &cairo_surface_destroy),
        context_(cairo_create(surface_.get()), &cairo_destroy) {
    check(cairo_surface_status(surface_.get()), "making a sheet");
    cairo_scale(context_.get(), scale, scale);
    set_font_options(context_.get());
    set_ink(Ink::kPaper, 1);
    cairo_paint(context_.get());
  }

  void polyline(std::span<const Point> points, const Stroke& stroke) override {
    if (points.size() < 2) return;
    trace(points);
    apply(stroke);
  }

  void polygon(std::span<const Point> points, const Fill& fill) override {
    if (points.size() < 3) return;
    trace(points);
    cairo_close_path(context_.get());
    set_ink(fill.ink, fill.opacity);
    cairo_fill(context_.get());
  }

  void rect(const Rect& area, const Fill& fill, double rounding) override {
    cairo_t* c = context_.get();
    if (rounding <= 0) {
      cairo_rectangle(c, area.x, area.y, area.width, area.height);
    } else {
      const double quarter = std::acos(0.0), r = rounding;
      cairo_new_sub_path(c);
      cairo_arc(c, area.right() - r, area.y + r, r, -quarter, 0);
      cairo_arc(c, area.right() - r, area.bottom() - r, r, 0, quarter);
      cairo_arc(c, area.x + r, area.bottom() - r, r, quarter, 2 * quarter);
      cairo_arc(c, area.x + r, area.y + r, r, 2 * quarter, 3 * quarter);
      cairo_close_path(c);
    }
    set_ink(fill.ink, fill.opacity);
    cairo_fill(c);
  }

  void circle(Point centre, double radius, const Fill& fill) override {
    cairo_new_sub_path(context_.get());
    cairo_arc(context_.get(), centre.x, centre.y, radius, 0, 4 * std::acos(0.0));
    set_ink(fill.ink, fill.opacity);
    cairo_fill(context_.get());
  }

  void ring(Point centre, double radius, const Stroke& stroke) override {
    cairo_new_sub_path(context_.get());
    cairo_arc(context_.get(), centre.x, centre.y, radius, 0, 4 * std::acos(0.0));
    apply(stroke);
  }

  void text(Point at, std::string_view words, const TextStyle& style) override {
    cairo_t* c = context_.get();
    const double width = advance(c, words, style);
    const double shift = style.anchor == Anchor::kStart ? 0 : style.anchor == Anchor::kMiddle ? width / 2 : width;
    cairo_save(c);
    cairo_translate(c, at.x, at.y);
    cairo_rotate(c, -style.angle * std::acos(0.0) / 90);
    cairo_move_to(c, -shift, 0);
    set_ink(style.ink, 1);
    cairo_show_text(c, clean_utf8(words).c_str());
    cairo_restore(c);
  }

  void image(const Rect& area, const Image& picture) override {
    const Surface surface = surface_of(picture);
    cairo_t* c = context_.get();
    cairo_save(c);
    cairo_translate(c, area.x, area.y);
    cairo_scale(c, area.width / picture.width, area.height / picture.height);
    cairo_set_source_surface(c, surface.get(), 0, 0);
    cairo_pattern_set_filter(cairo_get_source(c), CAIRO_FILTER_BEST);
    cairo_pattern_set_extend(cairo_get_source(c), CAIRO_EXTEND_PAD);
    cairo_rectangle(c, 0, 0, picture.width, picture.height);
    cairo_fill(c);
    cairo_restore(c);
  }

  void push_clip(const Rect& area) override {
    cairo_save(context_.get());
    cairo_rectangle(context_.get(), area.x, area.y, area.width, area.height);
    cairo_clip(context_.get());
  }
  void pop_clip() override { cairo_restore(context_.get()); }
  void hint(const Rect&, std::string_view) override {}

  std::vector<std::byte> finish() {
    check(cairo_status(context_.get()), "drawing");
    cairo_surface_flush(surface_.get());
    return encode_png(picture_of(surface_.get()));  // cairo's own writer takes twice as long, see image_write.cpp
  }

 private:
  void set_ink(Ink ink, double opacity) {
    const Rgb color = light_color(ink);
    cairo_set_source_rgba(context_.get(), color.r / 255.0, color.g / 255.0, color.b / 255.0, opacity);
  }

  void trace(std::span<const Point> points) {
    cairo_new_path(context_.get());
    for (const Point& point : points) cairo_line_to(context_.get(), point.x, point.y);
  }

  void apply(const Stroke& stroke) {
    static constexpr std::array<double, 2> kDashed = {6, 4}, kDotted = {0.1, 3.5};
    cairo_t* c = context_.get();
    const auto* dashes = stroke.dash == Dash::kDashed ? kDashed.data() : kDotted.data();
    cairo_set_dash(c, dashes, stroke.dash == Dash::kSolid ? 0 : 2, 0);
    cairo_set_line_cap(c, stroke.dash == Dash::kDashed ? CAIRO_LINE_CAP_BUTT : CAIRO_LINE_CAP_ROUND);
    cairo_set_line_join(c, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_width(c, stroke.width);
    set_ink(stroke.ink, stroke.opacity);
    cairo_stroke(c);
  }

  Surface surface_;
  Context context_;
};

}  // namespace

void Canvas::line(Point from, Point to, const Stroke& stroke) {
  const std::array<Point, 2> ends = {from, to};
  polyline(ends, stroke);
}

double text_width(std::string_view words, const TextStyle& style) {
  Surface surface(cairo_image_surface_create(CAIRO_FORMAT_A8, 1, 1), &cairo_surface_destroy);
  Context context(cairo_create(surface.get()), &cairo_destroy);
  set_font_options(context.get());
  return advance(context.get(), words, style);
}

std::vector<std::byte> to_png(const Figure& figure, double scale) {
  PngCanvas canvas(figure.width, figure.height, scale);
  figure.draw(canvas);
  std::vector<std::byte> png = canvas.finish();
  set_density(png, 96 * scale);
  return png;
}

void save_figure(const Figure& figure, const std::filesystem::path& stem) {
  std::vector<std::byte> png;
  std::string svg;
  parallel_for(2, [&](std::int64_t side) {
    if (side == 0) {
      svg = to_svg(figure);
    } else {
      png = to_png(figure);
    }
  });
  write_file_atomic(std::filesystem::path(stem) += ".svg", svg);
  write_file_atomic(std::filesystem::path(stem) += ".png", png);
}

}  // namespace sepia::report
