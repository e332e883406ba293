#include "tools/paper/experiments.h"

#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <string_view>

#include "models/model.h"
#include "tools/report/text.h"

namespace sepia::paper {
namespace {

using report::count_text;
using report::SplitCounts;

std::string percent(double fraction) { return fmt::format("{:.2f}%", 100 * fraction); }

std::int64_t parameters(const char* model) { return models::make_model(models::default_spec(model))->parameter_count(); }

/// The outcome of the experiment of this name and what can be read from it.
class Ours {
 public:
  Ours(const std::vector<Outcome>& outcomes, std::string_view name) {
    const auto found = std::ranges::find_if(outcomes, [&](const Outcome& o) { return o.experiment.name == name; });
    if (found != outcomes.end()) outcome_ = &*found;
  }

  /// `write(outcome)`, or why not.
  template <class Write>
  std::string text(const Write& write) const {
    if (!outcome_) return "n/a (not run)";
    return write(*outcome_);
  }

  std::string train(double train::EpochRecord::*figure, double (*scale)(double, std::int64_t), const char* format) const {
    return text([&](const Outcome& o) -> std::string {
      if (o.history.epochs.empty()) return "n/a (no epoch)";
      const auto write = [&](const train::EpochRecord& e) { return fmt::format(fmt::runtime(format), scale(e.*figure, o.batch_size)); };
      return write(o.history.epochs.front()) + " to " + write(o.history.epochs.back());
    });
  }

  /// Accuracy of a split at the best epoch, with the epoch.
  std::string at_best(std::optional<train::SplitFigures> train::EpochRecord::*split, bool with_epoch) const {
    return text([&](const Outcome& o) -> std::string {
      if (!o.history.best_epoch) return "n/a (" + train::best_epoch_reason(o.history) + ")";
      const train::EpochRecord& best = o.history.epochs.at(static_cast<std::size_t>(*o.history.best_epoch) - 1);
      if (!(best.*split)) return "n/a (no such split)";
      return percent((best.*split)->accuracy) + (with_epoch ? fmt::format(" at epoch {}", best.epoch) : "");
    });
  }

  std::string metric(Metric Evaluation::*which) const {
    return text([&](const Outcome& o) -> std::string {
      if (!o.evaluation) return "n/a (nothing to evaluate on)";
      const Metric& m = (*o.evaluation).*which;
      return m.value ? fmt::format("{:.3f} ({})", *m.value, o.evaluated_split) : "n/a (" + m.reason + ")";
    });
  }

  std::string test_proportion() const {
    return text([&](const Outcome& o) -> std::string {
      const auto test = std::ranges::find(o.splits, "test", &SplitCounts::name);
      if (test == o.splits.end()) return "n/a (no test split)";
      return fmt::format("{} fake, {} real = {}", test->fake, test->real, report::proportion_text(test->fake, test->real));
    });
  }

  /// Training accuracy in each of the given epochs.
  std::string after_epochs(const std::vector<int>& epochs) const {
    return text([&](const Outcome& o) {
      std::string line;
      for (const int epoch : epochs) {
        const bool there = epoch <= static_cast<int>(o.history.epochs.size());
        const std::string value = there ? percent(o.history.epochs[static_cast<std::size_t>(epoch) - 1].train_acc) : "n/a";
        line += (line.empty() ? "" : ", ") + value;
      }
      return line;
    });
  }

  std::string verdict() const {
    return text([](const Outcome& o) { return o.verdict; });
  }

 private:
  const Outcome* outcome_ = nullptr;
};

double per_batch(double loss, std::int64_t batch_size) { return loss / static_cast<double>(batch_size); }
double in_percent(double accuracy, std::int64_t) { return 100 * accuracy; }

}  // namespace

const std::vector<Experiment>& experiments() {
  static const std::vector<Experiment> all{
      {"simplenet_deepfake", "3.1", "SimpleNet on face swaps", "simplenet", Data::kDeepfake, 2, 3},
      {"simplenet_synthetic", "3.2", "SimpleNet on generated faces", "simplenet", Data::kSynthetic, 4, 0},
      {"xception_synthetic", "4.3", "Xception with a new head on generated faces", "xception_based", Data::kSynthetic, 5, 6},
      {"edgenet_deepfake", "6", "The efficient net on face swaps", "edgenet", Data::kDeepfake, 0, 0},
  };
  return all;
}

std::vector<Comparison> compare(const std::vector<Outcome>& outcomes) {
  const Ours swaps(outcomes, "simplenet_deepfake"), generated(outcomes, "simplenet_synthetic"), xception(outcomes, "xception_synthetic"),
      edgenet(outcomes, "edgenet_deepfake");
  const auto val = &train::EpochRecord::val, test = &train::EpochRecord::test;
  const auto loss = &train::EpochRecord::train_loss, accuracy = &train::EpochRecord::train_acc;
  return {
      {"3.1.1", "training loss / batch size, first to last epoch", "0.015 to 0.003", swaps.train(loss, per_batch, "{:.4f}")},
      {"3.1.1", "training accuracy, first to last epoch", "75% to 95%", swaps.train(accuracy, in_percent, "{:.2f}%")},
      {"3.1.1", "best validation accuracy", "87% to 89%", swaps.at_best(val, true)},
      {"3.1.1", "test accuracy at that epoch", "87% to 89%", swaps.at_best(test, false)},
      {"3.1.3", "fake to real in the test set", "700 fake, 1400 real = 1:2", swaps.test_proportion()},
      {"3.1.4", "AUC of the first score", "0.058", swaps.metric(&Evaluation::auc_first_score)},
      {"3.1.4", "AUC of the second score", "0.942", swaps.metric(&Evaluation::auc_second_score)},
      {"3.2.1", "best validation accuracy", "50.4% at epoch 5", generated.at_best(val, true)},
      {"3.2.1", "test accuracy at that epoch", "49.7%", generated.at_best(test, false)},
      {"3.2.1", "training loss / batch size, first to last epoch", "0.022 to 0.022", generated.train(loss, per_batch, "{:.4f}")},
      {"3.2.2", "fake to real in the test set", "552 fake, 551 real = 1.002:1", generated.test_proportion()},
      {"3.2.3", "did it learn?", "no: random chance", generated.verdict()},
      {"4.1.4", "parameters of Xception", count_text(22'855'952), count_text(parameters("xception"))},
      {"4.2.1", "parameters with the new head", count_text(23'128'786), count_text(parameters("xception_based"))},
      {"4.2.1", "parameters that the head adds", count_text(272'834), count_text(parameters("xception_based") - parameters("xception"))},
      {"4.3.1", "best validation accuracy", "50.2% at epoch 1", xception.at_best(val, true)},
      {"4.3.1", "test accuracy at that epoch", "49.5%", xception.at_best(test, false)},
      {"4.3.2", "AUC of the first score", "0.524", xception.metric(&Evaluation::auc_first_score)},
      {"4.3.2", "AUC of the second score", "0.476", xception.metric(&Evaluation::auc_second_score)},
      {"6.1", "parameters of the efficient net", count_text(64'066), count_text(parameters("edgenet"))},
      {"6.2", "accuracy in epochs 1, 3 and 5 (training)", "67.18%, 76.30%, 82.44%", edgenet.after_epochs({1, 3, 5})},
      {"6.2", "best validation accuracy", "about 90%", edgenet.at_best(val, true)},
      {"6.2", "test accuracy at that epoch", "77.67%", edgenet.at_best(test, false)},
  };
}

}  // namespace sepia::paper
