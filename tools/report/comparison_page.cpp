// The page of a comparison.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>

#include "tools/report/comparison.h"
#include "tools/report/from_run.h"
#include "tools/report/text.h"

namespace sepia::report {
namespace {

constexpr double kPanelWidth = 420, kPanelHeight = 330, kSquareWidth = 400, kSquareHeight = 450;

// The run's colour in the figures.
std::string swatch(std::size_t run, std::size_t runs) {
  return fmt::format("<svg class=\"swatch\" width=\"14\" height=\"14\" viewBox=\"0 0 14 14\" aria-hidden=\"true\"><rect class=\"f-{}\" width=\"14\" height=\"14\" rx=\"3\"/></svg> ",
                     ink_name(ramp_ink(static_cast<int>(run), static_cast<int>(runs))));
}

std::string cell(const Metric& metric, bool percent) {
  if (!metric.value) return "<td class=\"number muted\" title=\"" + escape_markup(metric.reason) + "\">n/a</td>";
  return "<td class=\"number\">" + (percent ? percent_text(*metric.value, 1) : fixed_text(*metric.value, 3)) + "</td>";
}

std::string interval_text(const MetricInterval& interval) {
  if (!interval.value) return "";
  return fmt::format("{} to {}", fixed_text(interval.value->first, 3), fixed_text(interval.value->second, 3));
}

std::string results_section(const Comparison& comparison) {
  std::string rows;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    const ComparedRun& run = comparison.runs[i];
    const Evaluation none;
    const Evaluation& e = run.evaluation ? *run.evaluation : none;
    rows += fmt::format("<tr><td class=\"name\">{}{}</td><td>{}</td><td>{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td>{}</td>", swatch(i, comparison.runs.size()),
                        escape_markup(run.name), escape_markup(run.history.model), escape_markup(run.history.dataset), run.history.epochs(),
                        run.history.best_epoch > 0 ? std::to_string(run.history.best_epoch) : "n/a", escape_markup(run.eval_split));
    rows += cell(e.auc, false) + "<td class=\"number muted\">" + interval_text(e.auc_ci95) + "</td>" + cell(e.accuracy, true) + cell(e.eer, true) + cell(e.average_precision, false) +
            cell(e.brier, false) + "</tr>\n";
  }
  const std::string table =
      "<div class=\"card scroll\"><table><thead><tr><th>run</th><th>network</th><th>data</th><th class=\"number\">epochs</th><th class=\"number\">best</th><th>split</th>"
      "<th class=\"number\">AUC</th><th class=\"number\">95% interval</th><th class=\"number\">accuracy</th><th class=\"number\">EER</th>"
      "<th class=\"number\">avg. precision</th><th class=\"number\">Brier</th></tr></thead><tbody>\n" +
      rows + "</tbody></table></div>\n";
  return html_section("results", "Results, at each run's best epoch", table);
}

std::string spread_section(const Comparison& comparison) {
  const auto spreads = spreads_of(comparison);
  if (spreads.empty()) return "";
  std::string rows;
  for (const auto& [name, spread] : spreads) {
    const std::optional<MeasureWording> wording = wording_of(name);
    if (!wording) continue;
    const auto write = [&](double value, int digits) { return wording->percent ? percent_text(value, 1) : number_text(value, digits); };
    rows += fmt::format("<tr><td class=\"name\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td></tr>\n", escape_markup(wording->label),
                        write(spread.mean, 4), spread.deviation ? write(*spread.deviation, 2) : "n/a", write(spread.low, 4), write(spread.high, 4));
  }
  const std::string words = fmt::format("<p class=\"muted\">Over {} runs. The deviation is that of a sample (n - 1).</p>\n", comparison.runs.size());
  return html_section("spread", "Mean, deviation and range",
                      words + "<div class=\"card scroll\"><table><thead><tr><th>measure</th><th class=\"number\">mean</th><th class=\"number\">deviation</th><th class=\"number\">lowest</th>"
                              "<th class=\"number\">highest</th></tr></thead><tbody>\n" + rows + "</tbody></table></div>\n");
}

std::string settings_section(const Comparison& comparison) {
  const std::vector<DifferingSetting> rows = differing_settings(comparison);
  if (rows.empty()) return "";
  std::string head = "<th>setting</th>", body;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) head += "<th>" + swatch(i, comparison.runs.size()) + escape_markup(comparison.runs[i].name) + "</th>";
  for (const DifferingSetting& row : rows) {
    body += "<tr><td class=\"muted\">" + escape_markup(row.name) + "</td>";
    for (const std::string& value : row.values) body += "<td class=\"path\">" + escape_markup(value) + "</td>";
    body += "</tr>\n";
  }
  return html_section("settings", "Settings that differ", "<div class=\"card scroll\"><table><thead><tr>" + head + "</tr></thead><tbody>\n" + body + "</tbody></table></div>\n");
}

std::string verdicts_section(const Comparison& comparison) {
  std::string rows;
  for (std::size_t i = 0; i < comparison.runs.size(); ++i) {
    if (comparison.runs[i].verdict.empty()) continue;
    rows += "<tr><td class=\"name\">" + swatch(i, comparison.runs.size()) + escape_markup(comparison.runs[i].name) + "</td><td>" + escape_markup(comparison.runs[i].verdict) + "</td></tr>\n";
  }
  return rows.empty() ? "" : html_section("verdicts", "How each ended", "<div class=\"card scroll\"><table><tbody>\n" + rows + "</tbody></table></div>\n");
}

}  // namespace

std::string comparison_page(const Comparison& comparison) {
  std::string body = "<header>\n<p class=\"kicker\">sepia \u00B7 comparison</p>\n<h1>" + escape_markup(comparison.title) + "</h1>\n</header>\n";
  std::string names;
  for (const ComparedRun& run : comparison.runs) names += (names.empty() ? "" : ", ") + run.name;
  if (!comparison.runs.empty()) {
    body += results_section(comparison) + spread_section(comparison);
    body += html_section("curves", "How they learned", html_charts(comparison_curves(comparison), kPanelWidth, kPanelHeight, names));
    if (const auto scores = comparison_scores(comparison)) {
      body += html_section("scores", "How well they tell them apart", html_charts(comparison_score_charts(*scores), kSquareWidth, kSquareHeight, names));
    }
    body += settings_section(comparison) + verdicts_section(comparison);
  }
  if (!comparison.commands.empty()) body += html_section("again", "To make this page again", html_commands(comparison.commands));
  body += "<footer>Made by sepia" + (comparison.version.empty() ? "" : " " + escape_markup(comparison.version)) + ". This page holds everything it shows; it loads nothing.</footer>\n";
  return html_page(comparison.title + " \u00B7 sepia", body);
}

}  // namespace sepia::report
