#include "tools/evaluate/cross_matrix.h"

#include <algorithm>

#include "engine/base/csv.h"
#include "engine/train/results.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

using Json = nlohmann::ordered_json;

constexpr double kCell = 104, kCellHeight = 62, kGap = 4, kMargin = 16;
constexpr std::size_t kNameLength = 24;

Json value_of(const Metric& metric) { return metric.value ? Json(*metric.value) : Json(nullptr); }

double longest(const std::vector<std::string>& names, const report::TextStyle& style) {
  double width = 0;
  for (const std::string& name : names) width = std::max(width, report::text_width(report::shorten_middle(name, kNameLength), style));
  return width;
}

}  // namespace

Json cross_json(const CrossMatrix& matrix) {
  Json json = {{"split", matrix.split}, {"models", matrix.models}, {"data", matrix.data}};
  Json auc = Json::array(), accuracy = Json::array(), eer = Json::array(), cells = Json::array();
  for (const std::vector<Evaluation>& row : matrix.cells) {
    Json aucs = Json::array(), accuracies = Json::array(), eers = Json::array(), whole = Json::array();
    for (const Evaluation& cell : row) {
      aucs.push_back(value_of(cell.auc));
      accuracies.push_back(value_of(cell.accuracy));
      eers.push_back(value_of(cell.eer));
      whole.push_back(Json::parse(train::evaluation_to_json(cell, matrix.split)));
    }
    auc.push_back(aucs);
    accuracy.push_back(accuracies);
    eer.push_back(eers);
    cells.push_back(whole);
  }
  json["auc"] = auc;
  json["accuracy"] = accuracy;
  json["eer"] = eer;
  json["cells"] = cells;
  return json;
}

std::string cross_csv(const CrossMatrix& matrix) {
  std::vector<std::string> head{"model", "data", "split", "n_real", "n_fake"};
  const Evaluation nothing;
  for (const NamedMetric& metric : nothing.metrics()) head.emplace_back(metric.name);
  std::string csv = csv_row(head);
  for (std::size_t m = 0; m < matrix.models.size(); ++m) {
    for (std::size_t d = 0; d < matrix.data.size(); ++d) {
      const Evaluation& cell = matrix.cells[m][d];
      std::vector<std::string> row{matrix.models[m], matrix.data[d], matrix.split, std::to_string(cell.n_real), std::to_string(cell.n_fake)};
      for (const NamedMetric& metric : cell.metrics()) row.push_back(metric.metric->value ? csv_number(*metric.metric->value) : "");
      csv += csv_row(row);
    }
  }
  return csv;
}

report::Figure plot_cross_matrix(const CrossMatrix& matrix) {
  using report::Anchor, report::Ink;
  const report::TextStyle name_style{.size = 11};
  const double left = kMargin + std::max(70.0, longest(matrix.models, name_style)) + 12, top = 74;
  const double column = std::max(kCell, longest(matrix.data, name_style) + 10);
  report::Figure figure;
  figure.width = left + static_cast<double>(matrix.data.size()) * (column + kGap) + kMargin;
  figure.height = top + static_cast<double>(matrix.models.size()) * (kCellHeight + kGap) + kMargin;
  figure.alt = "AUC of " + std::to_string(matrix.models.size()) + " models on " + std::to_string(matrix.data.size()) + " data sets, " + matrix.split;
  for (std::size_t m = 0; m < matrix.models.size(); ++m) {
    for (std::size_t d = 0; d < matrix.data.size(); ++d) {
      const Metric& auc = matrix.cells[m][d].auc;
      figure.alt += (m + d == 0 ? ": " : ", ") + matrix.models[m] + " on " + matrix.data[d] + " " + (auc.value ? report::fixed_text(*auc.value, 3) : "n/a");
    }
  }
  figure.alt += ".";
  figure.draw = [matrix, left, top, column, name_style](report::Canvas& canvas) {
    canvas.text({kMargin, 26}, "AUC, and accuracy below it", {.size = 14, .bold = true});
    canvas.text({kMargin, 46}, "rows: model; columns: tested on, " + matrix.split, {.size = 10.5, .ink = Ink::kMuted});
    for (std::size_t d = 0; d < matrix.data.size(); ++d) {
      canvas.text({left + static_cast<double>(d) * (column + kGap) + column / 2, top - 8}, report::shorten_middle(matrix.data[d], kNameLength), {.size = 11, .anchor = Anchor::kMiddle});
    }
    for (std::size_t m = 0; m < matrix.models.size(); ++m) {
      const double y = top + static_cast<double>(m) * (kCellHeight + kGap);
      canvas.text({left - 10, y + kCellHeight / 2 + 4}, report::shorten_middle(matrix.models[m], kNameLength), {.size = 11, .anchor = Anchor::kEnd});
      for (std::size_t d = 0; d < matrix.data.size(); ++d) {
        const Evaluation& cell = matrix.cells[m][d];
        const double x = left + static_cast<double>(d) * (column + kGap);
        // The tint begins at chance: what is not above it is pale.
        const double tint = cell.auc.value ? std::clamp(2 * (*cell.auc.value - 0.5), 0.0, 1.0) : 0;
        canvas.rect({x, y, column, kCellHeight}, {Ink::kGrid}, 4);
        canvas.rect({x, y, column, kCellHeight}, {Ink::kAccent, 0.45 * tint}, 4);
        canvas.text({x + column / 2, y + 30}, cell.auc.value ? report::fixed_text(*cell.auc.value, 3) : "n/a", {.size = 17, .anchor = Anchor::kMiddle, .bold = true});
        canvas.text({x + column / 2, y + 49}, cell.accuracy.value ? report::percent_text(*cell.accuracy.value, 1) : "no pictures", {.size = 10.5, .anchor = Anchor::kMiddle});
      }
    }
  };
  return figure;
}

}  // namespace sepia::tools
