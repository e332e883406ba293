// The plots of a run. Each takes plain numbers and gives a Figure, to be saved as SVG and PNG or put into a page.
//
// Losses are means per picture in nats, accuracies fractions; NaN is "not measured" everywhere.
#pragma once

#include <string>
#include <vector>

#include "engine/metrics/calibration.h"
#include "engine/metrics/classification.h"
#include "engine/metrics/roc.h"
#include "tools/report/canvas.h"
#include "tools/report/chart.h"

namespace sepia::report {

/// What a training run logged, one entry per epoch in each list; a list may be empty (a data set without test/).
struct RunHistory {
  std::string model;    ///< "simplenet"
  std::string dataset;  ///< its name as the run knows it
  std::vector<double> train_loss, train_acc, val_loss, val_acc, test_loss, test_acc;
  int best_epoch = 0;            ///< counts from 1; 0 when there is none
  double majority_accuracy = 0;  ///< what always answering the commoner class reaches on `majority_split`; NaN to leave it out
  std::string majority_split = "test";
  int classes = 2;             ///< the chance level of the loss is ln(classes)
  bool document_units = false;  ///< losses divided by `batch_size`, accuracies in percent: the seed document's units
  int batch_size = 32;

  int epochs() const;
};

/// The panels of Figures 2, 4 and 5: curves for train, val and test over epochs counted from 1, the best epoch marked. The loss
/// panel has a dashed line at ln 2, the accuracy panel one at the majority class. A loss axis that spans more than a factor of
/// 50 is logarithmic.
Chart loss_chart(const RunHistory& history);
Chart accuracy_chart(const RunHistory& history);

/// One panel each, and both side by side, loss left (Figure 2).
Figure plot_loss(const RunHistory& history);
Figure plot_accuracy(const RunHistory& history);
Figure plot_history(const RunHistory& history);

/// The curve of one score; positive is fake.
struct ScoreCurve {
  std::string name;  ///< "second score"
  RocCurve roc;
  Metric auc;
  Ink ink = Ink::kFake;
};

/// What Figure 3 compares: the curves of both scores on the same pictures.
struct ScoreCurves {
  std::string title;  ///< model and split, shown above; may be empty
  std::vector<ScoreCurve> curves;
};

/// True positive rate against false positive rate, with the chance diagonal; the legend gives each AUC: "first score (AUC=0.058)".
Chart roc_chart(const ScoreCurves& curves);
/// Miss rate against false alarm rate on normal-deviate axes, percent ticks, the equal-error diagonal and each EER as a dot.
Chart det_chart(const ScoreCurves& curves);
Figure plot_roc(const ScoreCurves& curves);
Figure plot_det(const ScoreCurves& curves);
/// ROC left, DET right (Figures 3 and 6).
Figure plot_roc_det(const ScoreCurves& curves);

/// The four counts, rows the truth and columns the prediction, each cell tinted by its share of its row and lettered with both.
Figure plot_confusion(const Confusion& confusion, const std::string& title);

/// Health of one layer over the epochs (NaN where it does not apply: a layer without a ReLU has no dead share).
struct LayerHealth {
  std::string name;
  std::vector<double> dead_relu_share;  ///< share of units that were zero for every picture of the epoch, 0..1
  std::vector<double> gradient_norm;    ///< L2 norm of the layer's gradient
  std::vector<double> update_ratio;     ///< |update| / |weight|, L2 norms
};

/// Three panels over the epochs, one line per layer coloured from the first (light) to the last (dark): dead ReLU share, gradient
/// norm and update/weight ratio, the last two on logarithmic axes with the customary 10^-3 as a line to compare with. Panels
/// without a single value are left out.
std::vector<Chart> health_charts(const std::vector<LayerHealth>& layers);
/// The panels side by side; with no value at all the figure says so.
Figure plot_health(const std::vector<LayerHealth>& layers);

/// Observed share of fakes against the predicted probability, bin by bin, with the diagonal and below it how many pictures each
/// bin holds. The subtitle gives the expected calibration error.
Figure plot_reliability(const std::vector<ReliabilityBin>& bins, const std::string& title);

}  // namespace sepia::report
