#include "tools/report/maps_section.h"

#include <fmt/format.h>

#include "data/image_write.h"
#include "tools/report/html.h"
#include "tools/report/text.h"

namespace sepia::report {

std::string map_legend(const MapLegend& legend) {
  if (legend.colors.width <= 0) return "";
  return fmt::format("<div class=\"legend\"><span>{}</span><img src=\"data:image/png;base64,{}\" width=\"{}\" height=\"10\" alt=\"colours from low to high\"><span>{}</span></div>\n",
                     escape_markup(legend.low), base64(encode_png(legend.colors)), legend.colors.width, escape_markup(legend.high));
}

std::string map_overlay(const MapOverlay& map, const std::string& alt) {
  if (map.picture.width <= 0) return "";
  return html_thumbnail(map.picture, map.words + ", of: " + alt) + "<span class=\"map-words\">" + escape_markup(map.words) + "</span>";
}

std::string maps_section(const RunMaps& maps) {
  std::string out;
  if (!maps.samples.empty()) {
    out += "<p class=\"muted\">" + escape_markup(maps.sample_words) + "</p>\n" + map_legend(maps.sample_legend) + "<div class=\"thumbs pairs\">\n";
    for (const ExplainedSample& sample : maps.samples) {
      const char* name = sample.label == 1 ? "fake" : "real";
      out += "<div class=\"thumb\"><div class=\"pair\">" + html_thumbnail(sample.picture, std::string(name) + " picture " + sample.path) +
             html_thumbnail(sample.map, sample.words + ", of " + sample.path) + "</div>" + fmt::format("<span class=\"said {0}\">{0}</span>", name) +
             "<span class=\"map-words\">" + escape_markup(sample.words) + "</span>" + html_short_path(sample.path) + "</div>\n";
    }
    out += "</div>\n";
  }
  if (maps.means) {
    out += "<h3>Mean maps, and what is there without training</h3>\n<div class=\"figures\">\n" + html_figure(*maps.means) + "<div class=\"aside\">";
    for (const std::string& words : maps.mean_words) out += "<p class=\"muted\">" + escape_markup(words) + "</p>\n";
    out += "</div></div>\n";
  }
  if (!out.empty() && !maps.commands.empty()) out += "<h3>To see more of it</h3>\n" + html_commands(maps.commands);
  return out.empty() ? "" : html_section("maps", "What it looks at", out);
}

}  // namespace sepia::report
