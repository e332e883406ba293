#include "tools/report/thresholds_table.h"

#include <fmt/format.h>

#include <limits>

#include "tools/report/text.h"

namespace sepia::report {
namespace {

std::string share(const Metric& metric) { return percent_text(metric.value.value_or(std::numeric_limits<double>::quiet_NaN()), 1); }

std::string cells(const Confusion& c) {
  return fmt::format("<td class=\"number\">{}</td><td class=\"number\">{}</td><td class=\"number\">{}</td>", share(false_positive_rate(c)), share(false_negative_rate(c)), share(accuracy(c)));
}

}  // namespace

std::string thresholds_table(const std::vector<ThresholdRow>& rows, const std::string& split) {
  if (rows.empty()) return "";
  const bool apart = split != "val";
  const std::string three = "<th class=\"number\">false alarms</th><th class=\"number\">missed</th><th class=\"number\">right</th>";
  std::string out = "<h3>Thresholds chosen on val" + std::string(apart ? ", measured on " + escape_markup(split) : "") +
                    "</h3>\n<div class=\"card scroll\"><table><thead><tr><th rowspan=\"2\">rule</th><th rowspan=\"2\" class=\"number\">P(fake) above</th>"
                    "<th colspan=\"3\" class=\"group\">val</th>" +
                    (apart ? "<th colspan=\"3\" class=\"group\">" + escape_markup(split) + "</th>" : "") + "</tr><tr>" + three + (apart ? three : "") + "</tr></thead><tbody>\n";
  for (const ThresholdRow& row : rows) {
    out += fmt::format("<tr><td class=\"rule\"><b>{}</b><br><span class=\"muted small\">{}</span></td><td class=\"number\">{}</td>", escape_markup(row.rule), escape_markup(row.words), number_text(row.threshold, 4)) +
           cells(row.chosen_on) + (apart ? cells(row.measured) : "") + "</tr>\n";
  }
  return out + "</tbody></table></div>\n";
}

}  // namespace sepia::report
