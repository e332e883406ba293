// What all pages share: the shell with its style and script, figures, thumbnails, tables.
//
// A page is one file: no request leaves it. Its Content-Security-Policy forbids every fetch and every script but its own (by
// hash), so that even a mistake in escaping could not run what a file name carries.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "data/image.h"
#include "tools/report/chart.h"

namespace sepia::report {

/// A complete HTML document. `title` is plain text; `body` is markup.
std::string html_page(std::string_view title, std::string_view body);

/// The figure inline, re-coloured by the page and shrunk to narrow screens.
std::string html_figure(const Figure& figure);

/// The charts as figures of their own, side by side where there is room; `aside` (markup) takes the place after the last one.
std::string html_charts(const std::vector<Chart>& charts, double width, double height, const std::string& alt, const std::string& aside = "");

/// An <img> with the picture as JPEG, shrunk to at most `pixels` on its longer side, shown at half of that (sharp on dense
/// screens). `alt` is plain text. An empty picture gives an empty box.
std::string html_thumbnail(const Image& picture, std::string_view alt, int pixels = 224);

/// A picture ready for a page: a JPEG and its size. Empty where there is none.
struct Thumbnail {
  std::vector<std::byte> jpeg;
  int width = 0, height = 0;
};

/// The picture shrunk until its JPEG takes at most `bytes`: first to 256 pixels on its longer side, then by steps down to 40 pixels, which it gets
/// whatever they take. An empty picture gives an empty thumbnail.
Thumbnail make_thumbnail(const Image& picture, std::size_t bytes);

/// An <img> of it, as large as the page's style says; an empty one gives an empty box.
std::string html_image(const Thumbnail& thumbnail, std::string_view alt);

/// A file name: escaped, breakable, its whole text as the tooltip.
std::string html_path(std::string_view path);

/// The last part of a path, cut in its middle to fit under a thumbnail, with the whole path as the tooltip.
std::string html_short_path(std::string_view path);

/// A row of <td>; the cells are markup.
std::string html_row(const std::vector<std::string>& cells);

/// Name and value, both plain text.
struct Setting {
  std::string name, value;
};

/// A two-column table of names and values.
std::string html_settings(const std::vector<Setting>& settings);

/// Command lines in a block that can be copied.
std::string html_commands(const std::vector<std::string>& commands);

/// <section> with a heading and an anchor; both texts are plain.
std::string html_section(std::string_view anchor, std::string_view heading, std::string_view markup);

namespace detail {
/// The style sheet (without the palette) and the script of every page.
extern const std::string_view kPageStyle;
extern const std::string_view kPageScript;
}  // namespace detail

}  // namespace sepia::report
