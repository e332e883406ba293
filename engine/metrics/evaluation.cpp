#include "engine/metrics/evaluation.h"

#include <cmath>

#include "engine/base/error.h"
#include "engine/metrics/delong.h"

namespace sepia {

Evaluation evaluate(std::span<const Logits2> logits, std::span<const std::uint8_t> labels, const EvaluationParams& params) {
  SEPIA_CHECK(params.threshold >= 0 && params.threshold <= 1, "[evaluate] threshold ", params.threshold, " is not a probability");
  for (std::size_t i = 0; i < logits.size(); ++i) {
    SEPIA_CHECK_KIND(std::isfinite(logits[i][0]) && std::isfinite(logits[i][1]), ErrorKind::kNumeric, "[evaluate] logits of picture ", i,
                     " are ", logits[i][0], " and ", logits[i][1]);
  }
  Evaluation result;
  result.confusion = confusion(logits, labels, params.threshold);
  result.n = result.confusion.n();
  result.n_real = result.confusion.reals();
  result.n_fake = result.confusion.fakes();
  const std::int64_t called_fake = result.confusion.tp + result.confusion.fp;
  result.all_one_class = result.n > 0 && (called_fake == 0 || called_fake == result.n);

  std::vector<double> first, second;
  double loss_sum = 0;
  for (std::size_t i = 0; i < logits.size(); ++i) {
    const double d = logit_difference(logits[i]);
    second.push_back(d);
    first.push_back(-d);
    const auto [prob_real, prob_fake] = softmax(logits[i]);
    result.samples.push_back({prob_real, prob_fake, cross_entropy(logits[i], labels[i]), is_fake(logits[i], params.threshold)});
    loss_sum += result.samples.back().loss;
  }
  result.loss = result.n == 0 ? Metric::none("there are no pictures") : Metric::of(loss_sum / static_cast<double>(result.n));
  result.accuracy = accuracy(result.confusion);
  result.balanced_accuracy = balanced_accuracy(result.confusion);
  result.precision = precision(result.confusion);
  result.recall = recall(result.confusion);
  result.f1 = f1(result.confusion);
  result.majority_accuracy = majority_accuracy(result.confusion);

  result.roc_first = roc_curve(first, labels);
  result.roc_second = roc_curve(second, labels);
  result.auc_first_score = auc(result.roc_first);
  result.auc = result.auc_second_score = auc(result.roc_second);
  result.auc_p_value = auc_p_value(result.roc_second);
  result.eer = equal_error_rate(result.roc_second);
  result.average_precision = average_precision(result.roc_second);
  result.tpr_at_fpr_1pct = tpr_at_fpr(result.roc_second, 0.01);

  result.brier = brier_score(logits, labels);
  result.reliability = reliability_bins(logits, labels, params.calibration_bins);
  result.ece = expected_calibration_error(result.reliability);
  result.cllr = cllr(logits, labels);
  result.auc_ci95 = params.bootstrap.replicates == 0 ? MetricInterval{std::nullopt, "no bootstrap replicates were asked for"}
                                                     : bootstrap_auc_interval(second, labels, params.bootstrap);
  result.auc_delong_ci95 = delong_auc_interval(result.roc_second);
  return result;
}

std::vector<NamedMetric> Evaluation::metrics() const {
  return {{"loss", &loss},
          {"accuracy", &accuracy},
          {"balanced_accuracy", &balanced_accuracy},
          {"precision", &precision},
          {"recall", &recall},
          {"f1", &f1},
          {"majority_accuracy", &majority_accuracy},
          {"auc_first_score", &auc_first_score},
          {"auc_second_score", &auc_second_score},
          {"auc", &auc},
          {"auc_p_value", &auc_p_value},
          {"eer", &eer},
          {"average_precision", &average_precision},
          {"tpr_at_fpr_1pct", &tpr_at_fpr_1pct},
          {"brier", &brier},
          {"ece", &ece},
          {"cllr", &cllr}};
}

}  // namespace sepia
