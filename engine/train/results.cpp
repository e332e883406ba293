#include "engine/train/results.h"

#include <nlohmann/json.hpp>

#include "engine/base/csv.h"

namespace sepia::train {

std::string evaluation_to_json(const Evaluation& evaluation, const std::string& split) {
  nlohmann::ordered_json j = {{"split", split}, {"n", evaluation.n}, {"n_real", evaluation.n_real}, {"n_fake", evaluation.n_fake}};
  const Confusion& c = evaluation.confusion;
  for (const NamedMetric& named : evaluation.metrics()) {
    const std::string name(named.name);
    j[name] = named.metric->value ? nlohmann::ordered_json(*named.metric->value) : nlohmann::ordered_json(nullptr);
    if (!named.metric->value) j[name + "_reason"] = named.metric->reason;
    if (name == "accuracy") j["confusion"] = {{c.tn, c.fp}, {c.fn, c.tp}};
  }
  const auto interval = [&](const char* name, const MetricInterval& value) {
    j[name] = value.value ? nlohmann::ordered_json({value.value->first, value.value->second}) : nlohmann::ordered_json(nullptr);
    if (!value.value) j[std::string(name) + "_reason"] = value.reason;
  };
  interval("auc_ci95", evaluation.auc_ci95);
  interval("auc_delong_ci95", evaluation.auc_delong_ci95);
  j["all_one_class"] = evaluation.all_one_class;
  j["positive"] = "fake";
  return j.dump(2) + "\n";
}

std::string predictions_csv(std::span<const std::string> paths, std::span<const std::uint8_t> labels, std::span<const Logits2> logits) {
  std::string csv = "path,label,prob_fake,logit_real,logit_fake\n";
  for (std::size_t i = 0; i < logits.size(); ++i) {
    csv += csv_field(paths[i]) + ',' + (labels[i] == 1 ? "fake" : "real") + ',' + csv_number(softmax(logits[i])[1]) + ',' + csv_number(logits[i][0]) + ',' +
           csv_number(logits[i][1]) + '\n';
  }
  return csv;
}

}  // namespace sepia::train
