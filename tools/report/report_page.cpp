#include "tools/report/report_page.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "engine/base/error.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kPanelWidth = 420, kPanelHeight = 315, kSquareWidth = 400, kSquareHeight = 435;
const char* class_name(int label) { return label == 1 ? "fake" : "real"; }

double at_epoch(const std::vector<double>& values, int epoch) {
  const auto i = static_cast<std::size_t>(epoch - 1);
  return epoch >= 1 && i < values.size() ? values[i] : std::numeric_limits<double>::quiet_NaN();
}

std::string duration_text(double seconds) {
  if (seconds < 90) return fixed_text(seconds, seconds < 10 ? 1 : 0) + " s";
  const auto minutes = static_cast<long long>(seconds / 60);
  if (minutes < 90) return fmt::format("{} min {} s", minutes, static_cast<long long>(seconds) % 60);
  return fmt::format("{} h {} min", minutes / 60, minutes % 60);
}

struct Tone {
  const char *css, *headline;
};

Tone tone_of(Outcome outcome) {
  switch (outcome) {
    case Outcome::kLearned: return {"good", "It learned."};
    case Outcome::kOverfitted: return {"warn", "It learned, and overfitted."};
    case Outcome::kNotLearned: return {"bad", "It did not learn."};
    case Outcome::kUnknown: break;
  }
  return {"plain", ""};
}

// The split whose accuracy is quoted: test at the best epoch, as the document does, else val.
struct Quoted {
  std::string split;
  double accuracy = std::numeric_limits<double>::quiet_NaN();
};

Quoted quoted_accuracy(const RunHistory& history) {
  const double test = at_epoch(history.test_acc, history.best_epoch);
  if (std::isfinite(test)) return {"test", test};
  return {"val", at_epoch(history.val_acc, history.best_epoch)};
}

std::string verdict_block(const ReportData& data) {
  const Tone tone = tone_of(data.outcome);
  const Quoted quoted = quoted_accuracy(data.history);
  std::string headline = tone.headline;
  if (std::isfinite(quoted.accuracy)) {
    headline += fmt::format("{}{} accuracy is {} at the best epoch, {}.", headline.empty() ? "" : " ", quoted.split == "test" ? "Test" : "Validation",
                            percent_text(quoted.accuracy, 1), data.history.best_epoch);
  }
  std::string body = headline.empty() ? "" : "<p class=\"headline\">" + escape_markup(headline) + "</p>\n";
  if (!data.verdict.empty()) body += "<p>" + escape_markup(data.verdict) + "</p>\n";
  if (std::isfinite(data.history.majority_accuracy) && data.history.majority_accuracy > 0) {
    body += "<p class=\"muted\">Always answering the commoner class would reach " + percent_text(data.history.majority_accuracy, 1) + " on " +
            escape_markup(data.history.majority_split) + ".</p>\n";
  }
  std::string out = body.empty() ? "" : fmt::format("<div class=\"verdict {}\">\n{}</div>\n", tone.css, body);
  for (const std::string& note : data.notes) out += "<p class=\"note\">" + escape_markup(note) + "</p>\n";
  return out;
}

std::string tile(const std::string& label, const std::string& value, const std::string& hint) {
  return fmt::format("<div class=\"tile\"><div class=\"label\">{}</div><div class=\"value\">{}</div><div class=\"hint-line\">{}</div></div>\n",
                     escape_markup(label), escape_markup(value), escape_markup(hint));
}

std::string tiles(const ReportData& data) {
  std::string out;
  const Quoted quoted = quoted_accuracy(data.history);
  if (std::isfinite(quoted.accuracy)) {
    out += tile("accuracy, " + quoted.split, percent_text(quoted.accuracy, 1), "at epoch " + std::to_string(data.history.best_epoch));
  }
  if (data.scores && !data.scores->curves.empty()) {
    const ScoreCurve& fake = data.scores->curves.back();
    const Metric equal = equal_error_rate(fake.roc);
    if (fake.auc.value) out += tile("AUC, " + data.eval_split, fixed_text(*fake.auc.value, 3), "0.5 is chance, 1 is perfect");
    if (equal.value) out += tile("equal error rate", percent_text(*equal.value, 1), "misses = false alarms");
  }
  if (data.parameters > 0) out += tile("parameters", count_text(data.parameters), data.history.model);
  if (data.history.epochs() > 0) {
    out += tile("epochs", std::to_string(data.history.epochs()), std::isfinite(data.seconds) ? "in " + duration_text(data.seconds) : "");
  }
  return out.empty() ? "" : "<div class=\"tiles\">\n" + out + "</div>\n";
}

// A bar cut into real and fake; widths are attributes, as the page's policy wants.
std::string proportion_bar(const SplitCounts& split) {
  const double total = static_cast<double>(split.real + split.fake);
  if (total <= 0) return "";
  const double real = 200 * static_cast<double>(split.real) / total;
  return fmt::format(
      "<svg class=\"bar\" width=\"200\" height=\"12\" viewBox=\"0 0 200 12\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\"{0} real\"><rect class=\"f-real\" width=\"{1:.2f}\" height=\"12\"/>"
      "<rect class=\"f-fake\" x=\"{1:.2f}\" width=\"{2:.2f}\" height=\"12\"/></svg>",
      percent_text(static_cast<double>(split.real) / total, 1), real, 200 - real);
}

std::string thumb(const Image& picture, const std::string& path, const std::string& alt, const std::string& below, const MapOverlay& map = {}) {
  return "<div class=\"thumb\">" + html_thumbnail(picture, alt) + map_overlay(map, alt) + below + html_short_path(path) + "</div>\n";
}

std::string data_section(const ReportData& data) {
  std::string out;
  if (!data.splits.empty()) {
    out += "<div class=\"card scroll\"><table><thead><tr><th>split</th><th class=\"number\">real</th><th class=\"number\">fake</th>"
           "<th>fake : real</th><th>share</th><th class=\"number\">unreadable</th></tr></thead><tbody>\n";
    for (const SplitCounts& split : data.splits) {
      out += fmt::format(
          "<tr><td>{}</td><td class=\"number real\">{}</td><td class=\"number fake\">{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td></tr>\n",
          escape_markup(split.name), count_text(split.real), count_text(split.fake), proportion_text(split.fake, split.real), proportion_bar(split),
          count_text(split.unreadable));
    }
    out += "</tbody></table></div>\n";
  }
  if (!data.samples.empty()) {
    out += "<div class=\"thumbs\">\n";
    for (const SamplePicture& sample : data.samples) {
      const char* name = class_name(sample.label);
      out += thumb(sample.picture, sample.path, std::string(name) + " picture " + sample.path,
                   fmt::format("<span class=\"said {0}\">{0}</span>", name));
    }
    out += "</div>\n";
  }
  return out.empty() ? "" : html_section("data", "What it was trained on", out);
}

std::string curve_table(const RunHistory& history) {
  struct Column {
    const char* name;
    const std::vector<double>* values;
    bool percent;
  };
  const Column all[] = {{"train loss", &history.train_loss, false}, {"val loss", &history.val_loss, false},   {"test loss", &history.test_loss, false},
                        {"train accuracy", &history.train_acc, true}, {"val accuracy", &history.val_acc, true}, {"test accuracy", &history.test_acc, true}};
  std::string head = "<th class=\"number\">epoch</th>", rows;
  for (const Column& column : all) {
    if (!column.values->empty()) head += fmt::format("<th class=\"number\">{}</th>", column.name);
  }
  for (int epoch = 1; epoch <= history.epochs(); ++epoch) {
    rows += fmt::format("<tr><td class=\"number\">{}{}</td>", epoch == history.best_epoch ? "best \u2192 " : "", epoch);
    for (const Column& column : all) {
      if (column.values->empty()) continue;
      const double value = at_epoch(*column.values, epoch);
      rows += "<td class=\"number\">" + (column.percent ? percent_text(value, 2) : number_text(value, 5)) + "</td>";
    }
    rows += "</tr>\n";
  }
  return "<details><summary>All values by epoch</summary><div class=\"card scroll\"><table><thead><tr>" + head + "</tr></thead><tbody>\n" + rows +
         "</tbody></table></div></details>\n";
}

std::string curves_section(const ReportData& data) {
  if (data.history.epochs() == 0) return "";
  const std::string alt = data.history.model + " on " + data.history.dataset + " over " + std::to_string(data.history.epochs()) + " epochs";
  std::string out = html_charts({loss_chart(data.history), accuracy_chart(data.history)}, kPanelWidth, kPanelHeight, alt);
  return html_section("curves", "How it learned", out + curve_table(data.history));
}

std::string metric_value(const MetricRow& row) {
  const auto write = [&](double value) { return row.percent ? percent_text(value, 1) : number_text(value, 4); };
  if (!row.metric.value) return "n/a";
  std::string text = write(*row.metric.value);
  if (row.interval.value) {
    text += fmt::format(" <span class=\"muted\">({} to {})</span>", write(row.interval.value->first), write(row.interval.value->second));
  }
  return text;
}

std::string scores_section(const ReportData& data) {
  std::string out;
  if (!data.metrics.empty()) {
    const bool intervals = std::any_of(data.metrics.begin(), data.metrics.end(), [](const MetricRow& row) { return row.interval.value.has_value(); });
    out += "<div class=\"card\"><table class=\"stacked\"><thead><tr><th>measure</th><th>value" + std::string(intervals ? " (95% interval)" : "") +
           "</th><th>what it says</th></tr></thead><tbody>\n";
    for (const MetricRow& row : data.metrics) {
      const std::string& words = row.metric.value || row.metric.reason.empty() ? row.meaning : row.metric.reason;
      out += fmt::format("<tr><td class=\"name\">{}</td><td class=\"name\">{}</td><td class=\"muted wide\">{}</td></tr>\n", escape_markup(row.name),
                         metric_value(row), escape_markup(words));
    }
    out += "</tbody></table></div>\n";
  }
  if (data.scores && !data.scores->curves.empty()) {
    std::string alt;
    for (const ScoreCurve& curve : data.scores->curves) alt += (alt.empty() ? "" : ", ") + curve.name + " AUC " + (curve.auc.value ? fixed_text(*curve.auc.value, 3) : "n/a");
    out += html_charts({roc_chart(*data.scores), det_chart(*data.scores)}, kSquareWidth, kSquareHeight, alt);
  } else if (!data.scores_reason.empty()) {
    out += "<p class=\"note\">" + escape_markup("No ROC and DET curves: " + data.scores_reason) + "</p>\n";
  }
  out += thresholds_table(data.thresholds, data.eval_split);
  if (!data.thresholds_reason.empty()) out += "<p class=\"muted\">" + escape_markup("No threshold was chosen: " + data.thresholds_reason + ".") + "</p>\n";
  std::string pair;
  if (data.confusion) {
    pair += html_figure(plot_confusion(*data.confusion, data.eval_split + ", threshold " + number_text(data.threshold, 3)));
  }
  if (!data.reliability.empty()) pair += html_figure(plot_reliability(data.reliability, data.eval_split));
  if (!pair.empty()) out += "<div class=\"figures\">\n" + pair + "</div>\n";
  return out.empty() ? "" : html_section("scores", "How well it tells them apart" + (data.eval_split.empty() ? "" : ", on " + data.eval_split), out);
}

std::string scored_thumbs(const std::vector<ScoredPicture>& pictures) {
  std::string out = "<div class=\"thumbs\">\n";
  for (const ScoredPicture& scored : pictures) {
    const int said = scored.called_fake;
    const std::string words = said == scored.label ? class_name(said) : std::string(class_name(scored.label)) + ", called " + class_name(said);
    const std::string below = fmt::format(
        "<span class=\"said {0}\">{1}</span><svg class=\"meter\" viewBox=\"0 0 100 5\" preserveAspectRatio=\"none\" aria-hidden=\"true\"><rect "
        "class=\"f-grid\" width=\"100\" height=\"5\"/><rect class=\"f-fake\" width=\"{2:.2f}\" height=\"5\"/></svg>P(fake) {3}",
        class_name(said), words, 100 * std::clamp(scored.prob_fake, 0.0, 1.0), fixed_text(scored.prob_fake, 4));
    out += thumb(scored.picture, scored.path, words + ", probability of fake " + fixed_text(scored.prob_fake, 4) + ": " + scored.path, below, scored.map);
  }
  return out + "</div>\n";
}

std::string pictures_section(const ReportData& data) {
  std::string out;
  if (!data.surest_hits.empty()) out += "<h3>Surest hits</h3>\n" + scored_thumbs(data.surest_hits);
  if (!data.worst_mistakes.empty()) out += "<h3>Worst mistakes</h3>\n" + scored_thumbs(data.worst_mistakes);
  if (out.empty()) return "";
  if (!data.maps.overlay_words.empty()) out = "<p class=\"muted\">" + escape_markup(data.maps.overlay_words) + "</p>\n" + map_legend(data.maps.overlay_legend) + out;
  if (!data.maps.missing.empty()) out = "<p class=\"note\">" + escape_markup("No maps: " + data.maps.missing) + "</p>\n" + out;
  return out.empty() ? "" : html_section("pictures", "Where it is sure, and where it is wrong", out);
}

std::string health_section(const ReportData& data) {
  const std::vector<Chart> charts = health_charts(data.health);
  if (charts.empty()) return "";
  const std::string words =
      "<h3>How to read these</h3>\n<p class=\"muted\">One line per layer, the first in light, the last in dark. A layer whose ReLUs are dead, "
      "whose gradient is lost or whose updates are far from a thousandth of its weights is where to look when training fails.</p>\n";
  return html_section("health", "Inside the layers",
                      html_charts(charts, kPanelWidth, kPanelHeight, std::to_string(data.health.size()) + " layers", words));
}

std::string setup_section(const ReportData& data) {
  std::string out;
  if (!data.settings.empty()) out += "<div>\n<h3>Settings</h3>\n" + html_settings(data.settings) + "</div>\n";
  if (!data.environment.empty()) out += "<div>\n<h3>Environment</h3>\n" + html_settings(data.environment) + "</div>\n";
  if (!out.empty()) out = "<div class=\"columns\">\n" + out + "</div>\n";
  if (!data.commands.empty()) out += "<h3>To run it again</h3>\n" + html_commands(data.commands);
  return out.empty() ? "" : html_section("setup", "How to reproduce it", out);
}

std::vector<std::size_t> ranked(std::span<const std::uint8_t> labels, std::span<const Logits2> logits, std::size_t count, double threshold, bool hits) {
  SEPIA_CHECK(labels.size() == logits.size(), "[report] ", logits.size(), " logits for ", labels.size(), " labels");
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < labels.size(); ++i) {
    if ((is_fake(logits[i], threshold) == (labels[i] == 1)) == hits) order.push_back(i);
  }
  const double border = log_odds(threshold);
  const auto sureness = [&](std::size_t i) { return std::abs(logit_difference(logits[i]) - border); };
  std::stable_sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) { return sureness(a) > sureness(b); });
  order.resize(std::min(order.size(), count));
  return order;
}

}  // namespace

std::string proportion_text(long long fake, long long real) {
  if (fake == 0 || real == 0) return fake == real ? "no pictures" : fake == 0 ? "no fake" : "no real";
  if (fake <= real) return "1:" + number_text(static_cast<double>(real) / static_cast<double>(fake), 4);
  return number_text(static_cast<double>(fake) / static_cast<double>(real), 4) + ":1";
}

std::vector<std::size_t> surest_hits(std::span<const std::uint8_t> labels, std::span<const Logits2> logits, std::size_t count, double threshold) {
  return ranked(labels, logits, count, threshold, true);
}

std::vector<std::size_t> worst_mistakes(std::span<const std::uint8_t> labels, std::span<const Logits2> logits, std::size_t count, double threshold) {
  return ranked(labels, logits, count, threshold, false);
}

std::string report_page(const ReportData& data) {
  struct Part {
    const char *anchor, *link;
    std::string markup;
  };
  const Part parts[] = {{"data", "Data", data_section(data)},       {"curves", "Curves", curves_section(data)},
                        {"scores", "Scores", scores_section(data)}, {"pictures", "Pictures", pictures_section(data)},
                        {"maps", "Maps", maps_section(data.maps)},
                        {"health", "Layers", health_section(data)}, {"setup", "Reproduce", setup_section(data)}};
  std::string links, sections;
  for (const Part& part : parts) {
    if (part.markup.empty()) continue;
    links += fmt::format("<a href=\"#{}\">{}</a>\n", part.anchor, part.link);
    sections += part.markup;
  }
  std::string subtitle = data.history.model;
  if (!data.history.dataset.empty()) subtitle += (subtitle.empty() ? "" : " on ") + data.history.dataset;
  const std::string title = data.title.empty() ? subtitle : data.title;
  std::string body = "<header>\n<p class=\"kicker\">sepia \u00B7 training run</p>\n<h1>" + escape_markup(title) + "</h1>\n";
  if (!data.title.empty() && !subtitle.empty()) body += "<p class=\"muted\">" + escape_markup(subtitle) + "</p>\n";
  if (!links.empty()) body += "<nav aria-label=\"Sections\">\n" + links + "</nav>\n";
  body += "</header>\n" + verdict_block(data) + tiles(data) + sections;
  body += "<footer>Made by sepia" + (data.version.empty() ? "" : " " + escape_markup(data.version)) +
          ". This page holds everything it shows; it loads nothing.</footer>\n";
  return html_page(title + " \u00B7 sepia", body);
}

}  // namespace sepia::report
