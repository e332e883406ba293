#include "engine/train/self_test.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "data/loader.h"
#include "engine/base/error.h"
#include "engine/base/random.h"
#include "engine/metrics/evaluation.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "engine/train/trainer.h"

namespace sepia::train {
namespace {

constexpr int kMark = 8, kMarks = 4, kOneBatchSteps = 400, kMarkSteps = 600, kRightInARow = 10;
constexpr std::size_t kFewestPictures = 16;
constexpr double kLearned = 0.9, kChanceDeviations = 3.3;

/// Pictures of another data set under labels of no meaning; those called fake may carry a mark.
class Relabelled final : public Dataset {
 public:
  Relabelled(const SplitPictures& pictures, std::uint64_t seed, bool mark) : base_(*pictures.dataset), mark_(mark) {
    const LoaderOptions shuffled{.shuffle = true, .seed = seed, .samples = pictures.usable};
    samples_ = sample_order(base_.size(), shuffled);
  }

  std::size_t size() const override { return samples_.size(); }
  int label(std::size_t i) const override { return static_cast<int>(i % 2); }
  std::string path(std::size_t i) const override { return base_.path(samples_[i]); }
  int image_size() const override { return base_.image_size(); }
  Sample at(std::size_t i) const override {
    Sample sample{base_.at(samples_[i]).image, label(i)};
    if (mark_ && sample.label == kFake) plant(sample.image);
    return sample;
  }

 private:
  // Squares of 2x2 pixels, black and white in turn, at the middle of each sixteenth of the picture: a shifted crop and a mirrored
  // picture still show them, and sixteen are enough for a network that averages over the whole picture.
  static void plant(Image& image) {
    for (int cell = 0; cell < kMarks * kMarks; ++cell) {
      const int left = (2 * (cell % kMarks) + 1) * image.width / (2 * kMarks) - kMark / 2;
      const int top = (2 * (cell / kMarks) + 1) * image.height / (2 * kMarks) - kMark / 2;
      for (int y = 0; y < kMark; ++y) {
        for (int x = 0; x < kMark; ++x) {
          if (left + x < 0 || left + x >= image.width || top + y < 0 || top + y >= image.height) continue;  // less than 32 pixels wide
          std::fill_n(image.pixel(left + x, top + y), 3, (x / 2 + y / 2) % 2 == 0 ? 255 : 0);
        }
      }
    }
  }

  const Dataset& base_;
  bool mark_;
  std::vector<std::size_t> samples_;
};

/// As many of each class as the classes and the batch have room for, in the order of the data set.
std::vector<std::size_t> one_batch_of(const SplitPictures& train, int batch_size) {
  std::vector<std::size_t> of[kClassCount], batch;
  for (const std::size_t i : train.usable) of[train.dataset->label(i)].push_back(i);
  for (std::size_t k = 0; static_cast<int>(batch.size()) < batch_size && k < std::max(of[0].size(), of[1].size()); ++k) {
    for (const auto& samples : of) {
      if (k < samples.size() && static_cast<int>(batch.size()) < batch_size) batch.push_back(samples[k]);
    }
  }
  return batch;
}

/// Runs `train(control)`; a NaN ends a control as a fault of its own.
template <class Train>
void guarded(SelfTestControl& control, Train&& train) {
  try {
    train();
  } catch (const Error& error) {
    if (error.kind() != ErrorKind::kNumeric) throw;
    control.passed = false;
    control.finding = str("step ", control.steps + 1, ": ", error.what());
  }
}

class Controls {
 public:
  Controls(const TrainConfig& config, const SplitPictures& train, const ModelFactory& make_model)
      : config_(config), train_(train), make_model_(make_model), options_(step_options_of(config, train)) {
    options_.ema_decay = 0;
  }

  SelfTestControl one_batch() const {
    SelfTestControl control{.name = "one_batch", .lowest = 1, .finding = {}};
    const std::unique_ptr<nn::Module> model = make_model_();
    Stepper stepper(*model, options_);
    model->train();
    Batch batch;
    Loader(*train_.dataset, {.batch_size = config_.batch_size, .samples = one_batch_of(train_, config_.batch_size)}).next(batch);
    int in_a_row = 0;
    double loss = 0;
    guarded(control, [&] {
      for (; control.steps < kOneBatchSteps && in_a_row < kRightInARow; ++control.steps) {
        const BatchFigures figures = stepper.step(batch, config_.optimizer.lr);
        in_a_row = figures.correct == batch.n ? in_a_row + 1 : 0;
        control.figure = static_cast<double>(figures.correct) / batch.n;
        loss = figures.loss;
      }
      control.passed = in_a_row == kRightInARow;
      control.finding = str(batch.n, " pictures ", control.passed ? "learned by heart" : "not learned by heart", " in ", control.steps, " steps (loss ", loss,
                            control.passed ? ")" : str(", ", control.figure * 100, "% right)"));
    });
    return control;
  }

  SelfTestControl planted_mark() const {
    SelfTestControl control{.name = "planted_mark", .lowest = kLearned, .finding = {}};
    guarded(control, [&] {
      const Evaluation e = train_on(Relabelled(train_, config_.seed, true), kMarkSteps, kLearned, control.steps);
      control.figure = e.accuracy.value.value_or(0);
      control.passed = control.figure >= kLearned;
      control.finding = str("marks of ", kMark, "x", kMark, " pixels ", control.passed ? "found" : "not found", " in ", control.figure * 100, "% of ", e.n,
                            " held-out pictures after ", control.steps, " steps");
    });
    return control;
  }

  SelfTestControl shuffled_labels(int steps) const {
    SelfTestControl control{.name = "shuffled_labels", .finding = {}};
    guarded(control, [&] {
      const Evaluation e = train_on(Relabelled(train_, config_.seed, false), steps, 2, control.steps);
      // Standard deviation of the AUC of scores that know nothing (Mann and Whitney 1947).
      const auto n = static_cast<double>(e.n), pairs = static_cast<double>(e.n_real) * static_cast<double>(e.n_fake);
      const double reach = std::min(0.5, kChanceDeviations * std::sqrt((n + 1) / (12 * pairs)));
      control.lowest = 0.5 - reach;
      control.highest = 0.5 + reach;
      control.figure = e.auc.value.value_or(0.5);
      control.passed = control.figure >= control.lowest && control.figure <= control.highest;
      control.finding = str("labels of no meaning give AUC ", control.figure, " on ", e.n, " held-out pictures; chance gives ", control.lowest, " to ", control.highest);
    });
    return control;
  }

 private:
  // Trains on the first half, until `enough` of the second are right or the steps are used up; the evaluation of the second.
  Evaluation train_on(const Relabelled& pictures, int most_steps, double enough, int& steps) const {
    const std::unique_ptr<nn::Module> model = make_model_();
    Stepper stepper(*model, options_);
    std::vector<std::size_t> half(pictures.size() / 2), held_out(pictures.size() - half.size());
    std::iota(half.begin(), half.end(), std::size_t{0});
    std::iota(held_out.begin(), held_out.end(), half.size());
    const std::size_t batches = (half.size() + static_cast<std::size_t>(config_.batch_size) - 1) / static_cast<std::size_t>(config_.batch_size);
    const double epochs = std::ceil(static_cast<double>(most_steps) / static_cast<double>(batches));
    Batch batch;
    for (std::uint32_t epoch = 1;; ++epoch) {
      model->train();
      Loader loader(pictures, {.batch_size = config_.batch_size, .shuffle = true, .seed = config_.seed, .epoch = epoch, .augment = augment_from_name(config_.augment),
                               .workers = config_.workers, .samples = half});
      for (std::size_t i = 0; steps < most_steps && loader.next(batch); ++i, ++steps) {
        const double progress = epoch - 1 + static_cast<double>(i) / static_cast<double>(batches);
        stepper.step(batch, config_.optimizer.lr * optim::schedule_factor(config_.schedule, progress, epochs));
      }
      const bool over = steps >= most_steps;
      if (!over && epoch % 4 != 0) continue;
      const std::vector<Logits2> logits = compute_logits(
          *model, pictures, {.normalisation = config_.normalisation, .batch_size = config_.batch_size, .workers = config_.workers, .samples = held_out, .on_batch = {}});
      std::vector<std::uint8_t> labels;
      for (const std::size_t i : held_out) labels.push_back(static_cast<std::uint8_t>(pictures.label(i)));
      EvaluationParams params;
      params.bootstrap.replicates = 0;
      const Evaluation evaluation = evaluate(logits, labels, params);
      if (over || evaluation.accuracy.value.value_or(0) >= enough) return evaluation;
    }
  }

  const TrainConfig& config_;
  const SplitPictures& train_;
  const ModelFactory& make_model_;
  StepOptions options_;
};

}  // namespace

std::vector<SelfTestControl> self_test(const TrainConfig& config, const SplitPictures& train, const ModelFactory& make_model,
                                       const std::function<void(const SelfTestControl&)>& heard) {
  SEPIA_CHECK_KIND(train.usable.size() >= kFewestPictures, ErrorKind::kData, config.data, "/train: ", train.usable.size(), " pictures; --self-test needs ",
                   kFewestPictures);
  const Controls controls(config, train, make_model);
  std::vector<SelfTestControl> done;
  const auto add = [&](SelfTestControl control) {
    if (heard) heard(control);
    done.push_back(std::move(control));
  };
  add(controls.one_batch());
  add(controls.planted_mark());
  add(controls.shuffled_labels(std::max(done.back().steps, 1)));
  return done;
}

std::string faulty_part(const std::vector<SelfTestControl>& controls, const TrainConfig& config) {
  const auto failed = [&](std::size_t i) { return i < controls.size() && !controls[i].passed; };
  if (failed(0)) {
    return str("the network or the optimiser: not even one batch is learned; try --lr ", config.optimizer.lr / 10, ", or --lr ", config.optimizer.lr * 10,
               " if the loss hardly moves");
  }
  if (failed(1)) {
    return str("what lies between the files and the network: one batch is learned, but marks on every fake are not found in new pictures; look at the "
               "augmentation (sepia data show DATA --augmented) and try more pictures or --lr ", config.optimizer.lr / 10);
  }
  if (failed(2)) return "the separation of pictures that are trained on and tested on: labels of no meaning cannot be known, but are";
  return "";
}

}  // namespace sepia::train
