#include "tools/paper/paper_page.h"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "tools/report/text.h"

namespace sepia::paper {
namespace {

using report::escape_markup;

std::string heading_of(const PaperFigure& figure) {
  return figure.number > 0 ? fmt::format("Figure {}", figure.number) : std::string("Beyond the document");
}

std::string figures_section(const std::vector<PaperFigure>& figures) {
  std::string out;
  for (const PaperFigure& f : figures) {
    out += fmt::format("<h3>{}</h3>\n<p>{}</p>\n", heading_of(f), escape_markup(f.caption));
    if (f.figure.draw) out += "<div class=\"sheet\">" + report::html_figure(f.figure) + "</div>\n";
    if (!f.document.empty()) out += "<p class=\"muted\">In the document: " + escape_markup(f.document) + "</p>\n";
  }
  return out.empty() ? "" : report::html_section("figures", "Figures", out);
}

std::string numbers_section(const std::vector<Comparison>& comparisons) {
  std::string out = "<div class=\"card\"><table class=\"stacked\"><thead><tr><th>section</th><th>quantity</th><th>the document</th><th>here</th></tr></thead><tbody>\n";
  for (const Comparison& c : comparisons) {
    out += fmt::format("<tr><td class=\"name\">{}</td><td class=\"wide\">{}</td><td class=\"name\">{}</td><td class=\"wide\">{}</td></tr>\n", escape_markup(c.section),
                       escape_markup(c.quantity), escape_markup(c.document), escape_markup(c.ours));
  }
  return report::html_section("numbers", "Numbers", out + "</tbody></table></div>\n");
}

}  // namespace

std::string paper_page(const PaperPage& page) {
  const std::string title = "Facial manipulation detection, run again";
  std::string body = "<header>\n<p class=\"kicker\">sepia \u00B7 paper</p>\n<h1>" + title +
                     "</h1>\n<p class=\"muted\">Every experiment of \u201CFacial Manipulation Detection\u201D (2025) on the data given here, its numbers and figures beside the "
                     "document's. Losses are divided by the batch size and accuracies are percent, as there.</p>\n"
                     "<nav aria-label=\"Sections\">\n<a href=\"#numbers\">Numbers</a>\n<a href=\"#figures\">Figures</a>\n<a href=\"#setup\">Reproduce</a>\n</nav>\n</header>\n";
  for (const std::string& note : page.notes) body += "<p class=\"note\">" + escape_markup(note) + "</p>\n";
  body += numbers_section(page.comparisons) + figures_section(page.figures);
  body += report::html_section("setup", "How to reproduce it", report::html_settings(page.settings) + report::html_commands(page.commands));
  body += "<footer>Made by sepia" + (page.version.empty() ? "" : " " + escape_markup(page.version)) + ". This page holds everything it shows; it loads nothing.</footer>\n";
  return report::html_page(title + " \u00B7 sepia", body);
}

std::string paper_json(const PaperPage& page) {
  using Json = nlohmann::ordered_json;
  Json comparisons = Json::array(), figures = Json::array();
  for (const Comparison& c : page.comparisons) {
    comparisons.push_back({{"section", c.section}, {"quantity", c.quantity}, {"document", c.document}, {"ours", c.ours}});
  }
  for (const PaperFigure& f : page.figures) {
    Json figure = {{"number", f.number > 0 ? Json(f.number) : Json(nullptr)}};
    if (f.number == 0) figure["number_reason"] = "the document has no such figure";
    figure["file"] = f.file + ".svg";
    figure["caption"] = f.caption;
    figures.push_back(figure);
  }
  return Json{{"comparisons", comparisons}, {"figures", figures}}.dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

}  // namespace sepia::paper
