#include "tools/report/html.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "data/image_write.h"
#include "data/resize.h"
#include "engine/base/sha256.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

// The source expression 'sha256-...' of an inline script (Content Security Policy Level 3, 2.3.1).
std::string script_hash(std::string_view script) {
  const std::string digits = sha256_hex(std::as_bytes(std::span(script.data(), script.size())));
  std::vector<std::byte> digest;
  for (std::size_t i = 0; i < digits.size(); i += 2) digest.push_back(static_cast<std::byte>(std::stoi(digits.substr(i, 2), nullptr, 16)));
  return "'sha256-" + base64(digest) + "'";
}

Thumbnail shrunk(const Image& picture, int pixels, int quality) {
  if (picture.width <= 0 || picture.height <= 0) return {};
  const double shrink = std::min(1.0, static_cast<double>(pixels) / std::max(picture.width, picture.height));
  const int width = std::max(1, static_cast<int>(std::lround(shrink * picture.width)));
  const int height = std::max(1, static_cast<int>(std::lround(shrink * picture.height)));
  return {.jpeg = encode_jpeg(shrink < 1 ? resize(picture, width, height) : picture, {.quality = quality}), .width = width, .height = height};
}

}  // namespace

std::string html_page(std::string_view title, std::string_view body) {
  return fmt::format(
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src {}\">\n"
      "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<meta name=\"referrer\" content=\"no-referrer\">\n"
      "<title>{}</title>\n<style>\n{}{}</style>\n</head>\n<body>\n<main>\n{}</main>\n<script>{}</script>\n</body>\n</html>\n",
      script_hash(detail::kPageScript), escape_markup(title), palette_css(), detail::kPageStyle, body, detail::kPageScript);
}

std::string html_figure(const Figure& figure) { return "<figure>\n" + to_svg(figure, false) + "</figure>\n"; }

std::string html_charts(const std::vector<Chart>& charts, double width, double height, const std::string& alt, const std::string& aside) {
  std::string out = "<div class=\"figures\">\n";
  for (const Chart& chart : charts) out += html_figure(side_by_side({chart}, width, height, chart.title + ": " + alt));
  if (!aside.empty()) out += "<div class=\"aside\">" + aside + "</div>\n";
  return out + "</div>\n";
}

std::string html_thumbnail(const Image& picture, std::string_view alt, int pixels) {
  Thumbnail thumbnail = shrunk(picture, pixels, 85);
  thumbnail.width = (thumbnail.width + 1) / 2;
  thumbnail.height = (thumbnail.height + 1) / 2;
  return html_image(thumbnail, alt);
}

Thumbnail make_thumbnail(const Image& picture, std::size_t bytes) {
  // A photograph's JPEG takes about two bits a pixel and hardly less than one: larger sizes need not be tried.
  const double largest = std::sqrt(8 * static_cast<double>(bytes));
  Thumbnail thumbnail;
  for (const int pixels : {256, 224, 192, 160, 128, 112, 96, 80, 64, 52, 40}) {
    if (pixels > largest && pixels > 40) continue;
    thumbnail = shrunk(picture, pixels, pixels >= 128 ? 85 : 78);
    if (thumbnail.jpeg.size() <= bytes) break;
  }
  return thumbnail;
}

std::string html_image(const Thumbnail& thumbnail, std::string_view alt) {
  if (thumbnail.jpeg.empty()) return fmt::format("<span class=\"empty\" role=\"img\" aria-label=\"{}\"></span>", escape_markup(alt));
  return fmt::format("<img src=\"data:image/jpeg;base64,{}\" width=\"{}\" height=\"{}\" alt=\"{}\">", base64(thumbnail.jpeg), thumbnail.width, thumbnail.height,
                     escape_markup(alt));
}

std::string html_path(std::string_view path) {
  const std::string name = escape_markup(path);
  return fmt::format("<span class=\"path\" title=\"{0}\">{0}</span>", name);
}

std::string html_short_path(std::string_view path) {
  const std::string_view name = path.substr(path.find_last_of('/') + 1);
  return fmt::format("<span class=\"path\" title=\"{}\">{}</span>", escape_markup(path), escape_markup(shorten_middle(name, 17)));
}

std::string html_row(const std::vector<std::string>& cells) {
  std::string out = "<tr>";
  for (const std::string& cell : cells) out += "<td>" + cell + "</td>";
  return out + "</tr>\n";
}

std::string html_settings(const std::vector<Setting>& settings) {
  std::string out = "<table class=\"settings\"><tbody>\n";
  for (const Setting& setting : settings) out += html_row({escape_markup(setting.name), escape_markup(setting.value)});
  return out + "</tbody></table>\n";
}

std::string html_commands(const std::vector<std::string>& commands) {
  std::string lines;
  for (const std::string& command : commands) lines += escape_markup(command) + "\n";
  return "<div class=\"card commands\"><pre>" + lines + "</pre></div>\n";
}

std::string html_section(std::string_view anchor, std::string_view heading, std::string_view markup) {
  return fmt::format("<section id=\"{}\">\n<h2>{}</h2>\n{}</section>\n", escape_markup(anchor), escape_markup(heading), markup);
}

}  // namespace sepia::report
