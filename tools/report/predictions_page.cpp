#include "tools/report/predictions_page.h"

#include <fmt/format.h>

#include <algorithm>

#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr int kHistogramBins = 20;

struct Counts {
  long long fake = 0, real = 0, inconclusive = 0, errors = 0;
};

// What is counted is what a reader acts on: the verdict where there is one, else the label.
const std::string& said(const Prediction& prediction) { return prediction.verdict.empty() ? prediction.label : prediction.verdict; }

Counts count(const std::vector<Prediction>& predictions) {
  Counts counts;
  for (const Prediction& prediction : predictions) {
    if (!prediction.error.empty()) {
      ++counts.errors;
    } else if (said(prediction) == "fake") {
      ++counts.fake;
    } else if (said(prediction) == "real") {
      ++counts.real;
    } else {
      ++counts.inconclusive;
    }
  }
  return counts;
}

std::string tile(const char* label, long long value, const char* tone) {
  return fmt::format("<div class=\"tile\"><div class=\"label\">{}</div><div class=\"value {}\">{}</div></div>\n", label, tone, count_text(value));
}

std::string tiles(const Counts& counts) {
  std::string out = tile("called fake", counts.fake, "fake") + tile("called real", counts.real, "real");
  if (counts.inconclusive > 0) out += tile("inconclusive", counts.inconclusive, "muted");
  if (counts.errors > 0) out += tile("could not be read", counts.errors, "");
  return "<div class=\"tiles\">\n" + out + "</div>\n";
}

std::string decision_words(const PredictionsPage& page) {
  return "Called fake: a probability of fake above " + number_text(page.threshold, 6) + (page.threshold_words.empty() ? "" : ", " + page.threshold_words) + ".";
}

Figure histogram(const std::vector<Prediction>& predictions) {
  std::vector<long long> counts(kHistogramBins);
  for (const Prediction& prediction : predictions) {
    if (!prediction.error.empty() || !(prediction.prob_fake >= 0 && prediction.prob_fake <= 1)) continue;
    ++counts[static_cast<std::size_t>(std::min(kHistogramBins - 1, static_cast<int>(prediction.prob_fake * kHistogramBins)))];
  }
  const long long most = *std::max_element(counts.begin(), counts.end());
  Chart chart;
  chart.title = "How sure the model is";
  chart.x = linear_axis("probability of fake, %", 0, 1, true);
  chart.y = integer_axis("pictures", 0, static_cast<int>(std::max(1LL, most)), 5);
  chart.bars = Bars{.width = 1.0 / kHistogramBins, .ink = Ink::kAccent};
  for (int bin = 0; bin < kHistogramBins; ++bin) {
    const double low = static_cast<double>(bin) / kHistogramBins, high = static_cast<double>(bin + 1) / kHistogramBins;
    const long long pictures = counts[static_cast<std::size_t>(bin)];
    chart.bars->bars.push_back({low, static_cast<double>(pictures)});
    chart.hints.push_back({(low + high) / 2, percent_text(low, 0) + " to " + percent_text(high, 0) + "\n" + count_text(pictures) +
                                                 (pictures == 1 ? " picture" : " pictures")});
  }
  return side_by_side({std::move(chart)}, 460, 230, "Histogram of the probability of fake over " + std::to_string(predictions.size()) + " pictures.");
}

std::string row(const Prediction& prediction) {
  if (!prediction.error.empty()) {
    return fmt::format(
        "<tr><td class=\"pictures\"><span class=\"empty\"></span></td><td>{}</td><td class=\"error\" data-key=\"error\">not read</td><td class=\"number\" "
        "data-key=\"\"></td><td class=\"error small wide\">{}<span class=\"hash\">{}</span></td></tr>\n",
        html_path(prediction.path), escape_markup(prediction.error),
        escape_markup(prediction.sha256));
  }
  const std::string word = escape_markup(said(prediction));
  const std::string alt = prediction.path + ", called " + said(prediction);
  const std::string map = prediction.map.jpeg.empty() ? "" : html_image(prediction.map, prediction.map_words + ", of " + prediction.path);
  const std::string map_words = map.empty() ? "" : "<span class=\"map-words\">" + escape_markup(prediction.map_words) + "</span>";
  return fmt::format(
      "<tr><td class=\"pictures\">{}{}</td><td>{}{}</td><td class=\"{}\" data-key=\"{}\"><b>{}</b></td><td class=\"number\" data-key=\"{}\">{}<svg class=\"meter\" "
      "viewBox=\"0 0 100 5\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect class=\"f-grid\" width=\"100\" height=\"5\"/><rect "
      "class=\"f-fake\" width=\"{:.2f}\" height=\"5\"/></svg></td><td class=\"wide\"><span class=\"hash\">{}</span></td></tr>\n",
      html_image(prediction.thumbnail, alt), map, html_path(prediction.path), map_words,
      said(prediction) == "fake" || said(prediction) == "real" ? word : "muted", word, word, prediction.prob_fake,
      fixed_text(prediction.prob_fake, 4), 100 * std::clamp(prediction.prob_fake, 0.0, 1.0), escape_markup(prediction.sha256));
}

}  // namespace

std::size_t thumbnail_bytes(std::size_t pictures, bool maps) {
  // Base64 makes four bytes of three; beside the thumbnails a row takes some 800 bytes.
  constexpr std::size_t kAllThumbnails = std::size_t{17'000'000} * 3 / 4, kLeast = 1200, kMost = 24'000;
  return std::clamp(kAllThumbnails / std::max<std::size_t>(1, pictures * (maps ? 2 : 1)), kLeast, kMost);
}

std::string predictions_page(const PredictionsPage& page) {
  const Counts counts = count(page.predictions);
  std::string body = "<header>\n<p class=\"kicker\">sepia \u00B7 predictions</p>\n<h1>" + escape_markup(page.title) + "</h1>\n";
  if (!page.model.empty()) body += "<p class=\"muted\">judged by " + escape_markup(page.model) + "</p>\n";
  body += "</header>\n";
  for (const std::string& note : page.notes) body += "<p class=\"note\">" + escape_markup(note) + "</p>\n";
  body += tiles(counts) + "<p class=\"muted decision\">" + escape_markup(decision_words(page)) + "</p>\n";
  if (counts.fake + counts.real + counts.inconclusive > 1) body += html_section("scores", "Scores", html_figure(histogram(page.predictions)));
  std::string rows;
  for (const Prediction& prediction : page.predictions) rows += row(prediction);
  const std::string maps = page.map_words.empty() ? "" : "<p class=\"muted\">" + escape_markup(page.map_words) + "</p>\n" + map_legend(page.map_legend);
  body += html_section("pictures", "Pictures",
                       maps + "<div class=\"card\"><table class=\"predictions sortable stacked" + std::string(page.map_words.empty() ? "" : " mapped") + "\"><thead><tr><th></th><th data-sort=\"text\">file</th>"
                       "<th data-sort=\"text\">verdict</th><th class=\"number\" data-sort=\"number\">P(fake)</th><th>SHA-256</th></tr></thead>"
                       "<tbody>\n" + rows + "</tbody></table></div>\n");
  std::string setup = page.settings.empty() ? "" : html_settings(page.settings);
  if (!page.commands.empty()) setup += "<h3>To run it again</h3>\n" + html_commands(page.commands);
  if (!setup.empty()) body += html_section("setup", "How to reproduce it", setup);
  body += "<footer>Made by sepia" + (page.version.empty() ? "" : " " + escape_markup(page.version)) +
          ". A score is the model's opinion, not a proof. This page holds everything it shows; it loads nothing.</footer>\n";
  return html_page(page.title + " \u00B7 sepia", body);
}

}  // namespace sepia::report
