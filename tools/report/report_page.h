// report.html: everything about a run on one page that a person can keep, send and print.
#pragma once

#include <cstdint>
#include <limits>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "data/image.h"
#include "engine/metrics/metric.h"
#include "engine/metrics/scores.h"
#include "tools/report/html.h"
#include "tools/report/maps_section.h"
#include "tools/report/plots.h"
#include "tools/report/thresholds_table.h"

namespace sepia::report {

/// How a training run ended; decides the colour and the first words of the verdict.
enum class Outcome { kLearned, kOverfitted, kNotLearned, kUnknown };

/// Pictures of one split.
struct SplitCounts {
  std::string name;  ///< "train"
  long long real = 0, fake = 0;
  long long unreadable = 0;  ///< skipped because they could not be read
};

/// A picture with its file and label, to show what the data look like.
struct SamplePicture {
  Image picture;
  std::string path;
  int label = 0;  ///< 0 real, 1 fake
};

/// A picture and what the model said about it.
struct ScoredPicture {
  Image picture;
  std::string path;
  int label = 0;
  double prob_fake = 0;
  bool called_fake = false;
  MapOverlay map{};
};

/// One row of the metrics table. An absent value is shown as "n/a" with its reason.
struct MetricRow {
  std::string name;  ///< "AUC"
  Metric metric;
  bool percent = false;
  std::string meaning;        ///< one short sentence for readers new to it
  MetricInterval interval{};  ///< 95% confidence interval, where there is one
};

/// Everything the page can show. All texts are plain; what is empty is left out.
struct ReportData {
  std::string title;  ///< name of the run
  Outcome outcome = Outcome::kUnknown;
  std::string verdict;             ///< the closing line of the training, one sentence
  std::vector<std::string> notes;  ///< what a reader must know ("trained on toy data")
  RunHistory history;
  long long parameters = 0;
  double seconds = std::numeric_limits<double>::quiet_NaN();  ///< of training
  std::vector<SplitCounts> splits;
  std::vector<SamplePicture> samples;
  std::string eval_split;  ///< the split of everything below: "test"
  std::vector<MetricRow> metrics;
  std::optional<ScoreCurves> scores;
  std::string scores_reason;  ///< why there are no curves ("test holds one class")
  std::optional<Confusion> confusion;
  double threshold = 0.5;  ///< of the confusion matrix
  std::vector<ThresholdRow> thresholds;   ///< chosen on val
  std::string thresholds_reason;          ///< why there are none; may be empty too
  std::vector<ReliabilityBin> reliability;
  std::vector<ScoredPicture> surest_hits, worst_mistakes;
  RunMaps maps;  ///< its overlays have been given to the pictures above
  std::vector<LayerHealth> health;
  std::vector<Setting> settings, environment;
  std::vector<std::string> commands;  ///< what to type to get this run again
  std::string version;                ///< of sepia
};

/// The whole page as one self-contained HTML document.
std::string report_page(const ReportData& data);

/// "1:2" for 700 and 1400, "1.002:1" for 552 and 551 (the smaller side is 1, four digits); "no fake" when a side is empty.
std::string proportion_text(long long fake, long long real);

/// Indices of the pictures that the model was most right (or most wrong) about, surest first: by the distance of the logit difference
/// from the threshold's log-odds, which does not saturate as probabilities do. Ties keep the order of the list. At most `count`.
std::vector<std::size_t> surest_hits(std::span<const std::uint8_t> labels, std::span<const Logits2> logits, std::size_t count, double threshold = 0.5);
std::vector<std::size_t> worst_mistakes(std::span<const std::uint8_t> labels, std::span<const Logits2> logits, std::size_t count, double threshold = 0.5);

}  // namespace sepia::report
