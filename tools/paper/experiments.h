// The experiments of the document that this project comes from ("Facial Manipulation Detection", 2025), and the numbers it prints.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "engine/metrics/evaluation.h"
#include "engine/train/config.h"
#include "engine/train/history.h"
#include "tools/report/report_page.h"

namespace sepia::paper {

/// The document has two data sets: face swaps ("Deepfake") and generated faces ("Synthetic").
enum class Data : std::uint8_t { kDeepfake, kSynthetic };

/// One training run of the document. All of them: Adam at 1e-3, batches of 32, five epochs.
struct Experiment {
  const char* name;     ///< of its run folder
  const char* chapter;  ///< "3.1"
  const char* title;
  const char* model;
  Data data;
  int history_figure, curves_figure;  ///< their numbers in the document; 0: it has none
};

/// In the order of the document.
const std::vector<Experiment>& experiments();

/// What a run of an experiment gave.
struct Outcome {
  Experiment experiment{};
  train::History history;
  std::optional<Evaluation> evaluation;  ///< of the best epoch on `evaluated_split`
  std::string evaluated_split, verdict;
  std::vector<report::SplitCounts> splits;
  std::int64_t batch_size = 32;
};

/// One number of the document beside ours. `ours` is "n/a" with the reason where it could not be computed.
struct Comparison {
  std::string section, quantity, document, ours;
};

/// Every number that the document states, in its order and its units (losses divided by the batch size, accuracies in percent). Networks'
/// sizes are counted, not quoted. Outcomes may be fewer than experiments (a run that was left out): their numbers are "n/a".
std::vector<Comparison> compare(const std::vector<Outcome>& outcomes);

}  // namespace sepia::paper
