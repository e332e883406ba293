#include "engine/train/trainer.h"

#include <chrono>
#include <cmath>
#include <filesystem>
#include <optional>

#include "engine/base/error.h"
#include "engine/base/file.h"
#include "engine/base/sha256.h"
#include "engine/io/tensorboard.h"
#include "engine/io/weights.h"
#include "engine/train/health.h"
#include "engine/train/inference.h"
#include "engine/train/results.h"

namespace sepia::train {
namespace {

using Clock = std::chrono::steady_clock;

double seconds_since(Clock::time_point start) { return std::chrono::duration<double>(Clock::now() - start).count(); }

double now() { return std::chrono::duration<double>(std::chrono::system_clock::now().time_since_epoch()).count(); }

std::vector<std::uint8_t> labels_of(const SplitPictures& split) {
  std::vector<std::uint8_t> labels;
  for (const std::size_t i : split.usable) labels.push_back(static_cast<std::uint8_t>(split.dataset->label(i)));
  return labels;
}

// The selected figure with larger meaning better; none without a validation split or when it cannot be computed.
std::optional<double> selected_figure(Select select, const EpochRecord& record) {
  if (select == Select::kLast) return record.epoch;
  if (!record.val) return std::nullopt;
  switch (select) {
    case Select::kLast: break;
    case Select::kValAccuracy: return record.val->accuracy;
    case Select::kValAuc: return record.val->auc;
    case Select::kValLoss: return -record.val->loss;
  }
  return std::nullopt;
}

// Whether the selected figure exists for this run: pictures to validate on, and both classes where it is an AUC.
bool can_select(Select select, const SplitPictures* val) {
  if (select == Select::kLast) return true;
  if (!val || val->usable.empty()) return false;
  return select != Select::kValAuc || (val->count(kReal) > 0 && val->count(kFake) > 0);
}

}  // namespace

std::vector<double> class_weights_of(const TrainConfig& config, const SplitPictures& train) {
  if (!config.balance_classes) return config.class_weights;
  const auto weight = [&](int label) { return static_cast<double>(train.usable.size()) / (2.0 * static_cast<double>(train.count(label))); };
  return {weight(kReal), weight(kFake)};
}

StepOptions step_options_of(const TrainConfig& config, const SplitPictures& train) {
  const auto scale = [&](double lr) { return lr > 0 ? lr / config.optimizer.lr : 1; };
  return {.normalisation = config.normalisation, .optimizer = config.optimizer, .class_weights = class_weights_of(config, train),
          .smoothing = config.smoothing, .clip_grad = config.clip_grad, .ema_decay = config.ema_decay, .head = config.transfer.head,
          .head_lr_scale = scale(config.transfer.head_lr), .backbone_lr_scale = scale(config.transfer.backbone_lr)};
}

/// One run of the loop: the state that lives as long as it does.
class Trainer::Run {
 public:
  Run(const Trainer& trainer, bool resume)
      : t_(trainer),
        train_(trainer.pictures_.train()),
        stepper_(trainer.model_, step_options_of(trainer.config_, train_)),
        total_batches_((train_.usable.size() + static_cast<std::size_t>(trainer.config_.batch_size) - 1) / static_cast<std::size_t>(trainer.config_.batch_size)) {
    const RunFolder& folder = t_.folder_;
    for (const auto& path : {folder.config(), folder.log(), folder.best(), folder.last(), folder.predictions("test"), folder.predictions("val"),
                             folder.metrics(), folder.manifest()}) {
      remove_stale_temporaries(path);
    }
    const std::string manifest = manifest_csv(t_.pictures_);
    state_.sample_list = sha256_hex(std::as_bytes(std::span(manifest)));
    for (const SplitPictures& split : t_.pictures_.splits) {
      state_.fingerprints.emplace_back(split.split, split.fingerprint);
      for (const FileRecord& record : split.records) {
        if (!record.error.empty()) state_.skipped.push_back(record.path);
      }
    }
    if (resume) restore();
    log_.emplace(t_.folder_.log_lines(), state_.log_bytes);
    std::filesystem::create_directories(t_.folder_.tensorboard());
    events_.emplace(EventWriter::continue_after(t_.folder_.tensorboard() / kTensorboardFileName, state_.epoch - 1));
    write_file_atomic(folder.manifest(), manifest);
  }

  TrainOutcome run() {
    TrainOutcome outcome;
    while (!state_.finished) {
      if (state_.batches_done == 0 && t_.observer_.stop_requested()) {
        if (state_.epoch == 1) save();  // between later epochs the checkpoint is there already
        outcome.interrupted = true;
        break;
      }
      const Clock::time_point start = Clock::now();
      if (!train_epoch()) {
        outcome.interrupted = true;
        break;
      }
      finish_epoch(seconds_since(start));
    }
    outcome.stopped_early = state_.finished && static_cast<int>(state_.history.epochs.size()) < t_.config_.epochs;
    if (!outcome.interrupted) evaluate_best(outcome);
    outcome.verdict = outcome.interrupted ? "interrupted" : verdict(outcome);
    outcome.history = state_.history;
    write_log(outcome.verdict);
    return outcome;
  }

 private:
  void restore() {
    if (!std::filesystem::exists(t_.folder_.last())) {
      t_.observer_.on_note("the run was stopped before its first checkpoint: starting over");
      return;
    }
    TrainState stored = load_checkpoint(t_.folder_.last(), t_.model_, stepper_);
    SEPIA_CHECK_KIND(stored.skipped == state_.skipped && stored.fingerprints == state_.fingerprints && stored.sample_list == state_.sample_list,
                     ErrorKind::kData, t_.config_.data,
                     ": these are not the pictures the run was started on (manifest.csv lists those); a run can only be resumed on the same data");
    state_ = std::move(stored);
  }

  double learning_rate(std::int64_t batches_done) const {
    const double epoch = state_.epoch - 1 + static_cast<double>(batches_done) / static_cast<double>(total_batches_);
    return t_.config_.optimizer.lr * optim::schedule_factor(t_.config_.schedule, epoch, t_.config_.epochs);
  }

  // Trains the rest of the epoch; false when the observer asked to stop (a checkpoint has been written then).
  bool train_epoch() {
    const TrainConfig& config = t_.config_;
    t_.model_.train();
    t_.observer_.on_epoch_begin(state_.epoch, config.epochs, train_.usable.size(), static_cast<std::size_t>(state_.samples));
    if (!loader_) {
      loader_.emplace(*train_.dataset, LoaderOptions{.batch_size = config.batch_size, .shuffle = true, .seed = config.seed,
                                                     .epoch = static_cast<std::uint32_t>(state_.epoch), .augment = augment_from_name(config.augment),
                                                     .workers = config.workers, .prefetch = 4,
                                                     .start_batch = static_cast<std::size_t>(state_.batches_done), .samples = train_.usable});
    }
    while (static_cast<std::size_t>(state_.batches_done) < total_batches_) {
      step(*loader_);
      t_.observer_.on_step(static_cast<std::size_t>(state_.samples), state_.loss_sum / static_cast<double>(state_.samples),
                           static_cast<double>(state_.correct) / static_cast<double>(state_.samples));
      const bool last_of_epoch = static_cast<std::size_t>(state_.batches_done) >= total_batches_;
      if (t_.observer_.stop_requested() && !last_of_epoch) {
        save();
        return false;
      }
      if (config.checkpoint_every > 0 && !last_of_epoch && stepper_.optimizer().steps_taken() % config.checkpoint_every == 0) save();
    }
    return true;
  }

  // One update from up to `accumulate` batches, each weighing its share of the samples.
  void step(Loader& loader) {
    const double loss_sum = state_.loss_sum;
    const std::int64_t correct = state_.correct, done = state_.samples;
    try {
      try_step(loader);
    } catch (const Error& error) {
      if (error.kind() != ErrorKind::kNumeric) throw;
      // The step never was: the weights are those before it, and so is what `last` tells.
      state_.loss_sum = loss_sum;
      state_.correct = correct;
      state_.samples = done;
      save();
      fail(ErrorKind::kNumeric, "epoch ", state_.epoch, ", step ", stepper_.optimizer().steps_taken() + 1, " (",
           pictures_of(batch_, [&](std::size_t i) { return train_.dataset->path(i); }), "): ", error.what(),
           "; last.safetensors holds the weights before this step; start anew with a smaller --lr or with --clip-grad 1");
    }
  }

  void try_step(Loader& loader) {
    const auto first = static_cast<std::size_t>(state_.batches_done);
    const std::size_t count = std::min<std::size_t>(static_cast<std::size_t>(t_.config_.accumulate), total_batches_ - first);
    const auto batch_size = static_cast<std::size_t>(t_.config_.batch_size);
    const std::size_t samples = std::min((first + count) * batch_size, train_.usable.size()) - first * batch_size;
    last_lr_ = learning_rate(static_cast<std::int64_t>(first));
    const bool last_of_epoch = first + count >= total_batches_, whole = count == 1 && !last_of_epoch;
    for (std::size_t i = 0; i < count; ++i) {
      SEPIA_CHECK_KIND(loader.next(batch_), ErrorKind::kInternal, "[trainer] the loader ended early");
      const BatchFigures figures =
          whole ? stepper_.step(batch_, last_lr_) : stepper_.accumulate(batch_, static_cast<double>(batch_.n) / static_cast<double>(samples));
      state_.loss_sum += figures.loss * batch_.n;
      state_.correct += figures.correct;
      state_.samples += batch_.n;
    }
    if (!whole) updates_ = stepper_.commit(last_lr_, last_of_epoch);
    state_.batches_done += static_cast<std::int64_t>(count);
  }

  SplitFigures evaluate_split(const SplitPictures& split) {
    const std::vector<Logits2> logits = compute_logits(
        t_.model_, *split.dataset,
        {.normalisation = t_.config_.normalisation, .batch_size = t_.config_.batch_size, .workers = t_.config_.workers, .samples = split.usable, .on_batch = {}});
    for (std::size_t i = 0; i < logits.size(); ++i) {
      SEPIA_CHECK_KIND(std::isfinite(logits[i][0]) && std::isfinite(logits[i][1]), ErrorKind::kNumeric, "epoch ", state_.epoch, ": the network's output for ",
                       split.dataset->path(split.usable[i]), " is ", logits[i][0], ", ", logits[i][1], "; start anew with a smaller --lr or with --clip-grad 1");
    }
    EvaluationParams params;
    params.bootstrap.replicates = 0;
    const std::vector<std::uint8_t> labels = labels_of(split);
    Evaluation evaluation = evaluate(logits, labels, params);
    last_curve_ = std::move(evaluation.roc_second);
    state_.predictions = logits.size();
    state_.all_one_class = evaluation.all_one_class ? (evaluation.samples.front().called_fake ? "fake" : "real") : "";
    return {.loss = evaluation.loss.value.value_or(0), .accuracy = evaluation.accuracy.value.value_or(0), .auc = evaluation.auc.value};
  }

  void finish_epoch(double train_seconds) {
    EpochRecord record{.epoch = state_.epoch, .lr = last_lr_, .train_loss = state_.loss_sum / static_cast<double>(state_.samples),
                       .train_acc = static_cast<double>(state_.correct) / static_cast<double>(state_.samples), .val = std::nullopt,
                       .test = std::nullopt, .health = layer_health(t_.model_, batch_, t_.config_.normalisation, updates_)};
    stepper_.exchange_with_average();
    if (const SplitPictures* test = t_.pictures_.find("test"); test && !test->usable.empty()) record.test = evaluate_split(*test);
    if (const SplitPictures* val = t_.pictures_.find("val"); val && !val->usable.empty()) record.val = evaluate_split(*val);

    const std::optional<double> figure = selected_figure(t_.config_.select, record);
    const bool selects = can_select(t_.config_.select, t_.pictures_.find("val"));
    const bool better = selects ? figure && (!state_.best_figure || *figure > *state_.best_figure) : true;
    if (better) {
      state_.best_figure = figure;
      state_.epochs_since_best = 0;
      if (selects) state_.history.best_epoch = record.epoch;
      TensorFileMetadata metadata = t_.metadata_;
      if (record.val) metadata[kThresholdsKey] = thresholds_to_metadata(last_curve_);  // val was evaluated last
      save_weights(t_.folder_.best(), t_.model_, metadata);  // before the checkpoint: `last` alone is the truth
    } else {
      ++state_.epochs_since_best;
    }
    stepper_.exchange_with_average();

    state_.history.epochs.push_back(record);
    log_->append(epoch_to_json(record));
    write_events(record);
    const bool patience_over = t_.config_.patience > 0 && state_.epochs_since_best >= t_.config_.patience;
    state_.finished = record.epoch >= t_.config_.epochs || patience_over;
    ++state_.epoch;
    state_.batches_done = state_.correct = state_.samples = 0;
    state_.loss_sum = 0;
    if (!state_.finished) loader_->begin_pass(static_cast<std::uint32_t>(state_.epoch));  // pictures are read while the checkpoint goes to the disk
    save();
    write_log("training");
    t_.observer_.on_epoch_end(record, better, train_seconds);
  }

  void save() {
    state_.log_bytes = log_->bytes();
    state_.optimizer_steps = stepper_.optimizer().steps_taken();
    save_checkpoint(t_.folder_.last(), t_.model_, stepper_, state_, t_.metadata_);
  }

  void write_log(const std::string& verdict) { write_file_atomic(t_.folder_.log(), history_to_json(state_.history, t_.config_, verdict)); }

  void write_events(const EpochRecord& record) {
    const auto scalar = [&](const std::string& tag, double value) { events_->add_scalar(tag, record.epoch, value, now()); };
    scalar("loss/train", record.train_loss);
    scalar("accuracy/train", record.train_acc);
    scalar("lr", record.lr);
    for (const auto& [split, figures] : {std::pair{"val", &record.val}, {"test", &record.test}}) {
      if (!*figures) continue;
      scalar(str("loss/", split), (*figures)->loss);
      scalar(str("accuracy/", split), (*figures)->accuracy);
      if ((*figures)->auc) scalar(str("auc/", split), *(*figures)->auc);
    }
    for (const LayerHealth& layer : record.health) {
      scalar("gradient_norm/" + layer.layer, layer.gradient_norm);
      scalar("update_ratio/" + layer.layer, layer.update_ratio);
      if (layer.dead_share) scalar("dead_relu/" + layer.layer, *layer.dead_share);
    }
    events_->flush();
  }

  // The figures to quote are those of the best weights, measured anew from the file that is shipped.
  void evaluate_best(TrainOutcome& outcome) {
    const SplitPictures* split = nullptr;
    for (const char* name : {"test", "val"}) {
      const SplitPictures* candidate = t_.pictures_.find(name);
      if (!split && candidate && !candidate->usable.empty()) split = candidate;
    }
    if (!split) return;
    const SafetensorsFile best = SafetensorsFile::open(t_.folder_.best());
    load_weights(best, t_.model_);
    outcome.evaluated_split = split->split;
    outcome.logits = compute_logits(
        t_.model_, *split->dataset,
        {.normalisation = t_.config_.normalisation, .batch_size = t_.config_.batch_size, .workers = t_.config_.workers, .samples = split->usable, .on_batch = {}});
    const std::vector<std::uint8_t> labels = labels_of(*split);
    outcome.evaluation = evaluate(outcome.logits, labels);
    std::vector<std::string> paths;
    for (const std::size_t i : split->usable) paths.push_back(split->dataset->path(i));
    write_file_atomic(t_.folder_.predictions(split->split), predictions_csv(paths, labels, outcome.logits));
    outcome.thresholds = thresholds_from_metadata(best.metadata(), t_.folder_.best().string());
    write_file_atomic(t_.folder_.metrics(),
                      add_thresholds(evaluation_to_json(*outcome.evaluation, split->split), outcome.thresholds, split->split, outcome.logits, labels));
  }

  std::string verdict(const TrainOutcome& outcome) const {
    VerdictInput input{.history = state_.history, .learning_rate = t_.config_.optimizer.lr, .predictions = state_.predictions,
                       .all_one_class = state_.all_one_class};
    if (input.predictions == 0 && outcome.evaluation && outcome.evaluation->all_one_class) {
      input.predictions = outcome.logits.size();
      input.all_one_class = outcome.evaluation->samples.front().called_fake ? "fake" : "real";
    }
    return training_verdict(input);
  }

  const Trainer& t_;
  const SplitPictures& train_;
  Stepper stepper_;
  std::size_t total_batches_;
  TrainState state_;
  std::optional<LineLog> log_;
  std::optional<EventWriter> events_;
  std::optional<Loader> loader_;  ///< of the epoch under way, or of the next one between two
  Batch batch_;
  RocCurve last_curve_;  ///< of the split that was evaluated last
  double last_lr_ = 0;
  std::vector<UpdateFigures> updates_;
};

Trainer::Trainer(const TrainConfig& config, nn::Module& model, const RunPictures& pictures, const RunFolder& folder, const TensorFileMetadata& metadata,
                 TrainObserver& observer)
    : config_(config), model_(model), pictures_(pictures), folder_(folder), metadata_(metadata), observer_(observer) {}

TrainOutcome Trainer::run(bool resume) { return Run(*this, resume).run(); }

}  // namespace sepia::train
