// What a run makes of its figures: best epoch, early stopping, class weights, splits that are not there; and what stops it, NaN and Inf.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/base/error.h"
#include "engine/base/parallel_for.h"
#include "engine/io/safetensors.h"
#include "engine/nn/flat_parameters.h"
#include "engine/tensor/tensor.h"
#include "engine/train/inference.h"
#include "tests/support/temporary_folder.h"
#include "tests/support/tiny_training.h"

namespace sepia::test {
namespace {

using nlohmann::json;
using train::EpochRecord;
using train::TrainConfig;
using train::TrainOutcome;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

class Outcome : public ::testing::Test {
 protected:
  Outcome() {
    write_tiny_data(data());
    set_num_threads(1);
  }
  ~Outcome() override { set_num_threads(0); }

  std::filesystem::path data() const { return folder_ / "data"; }
  std::filesystem::path run() const { return folder_ / "run"; }
  json log() const { return json::parse(bytes_of(run() / "log.json")); }

  // Simplenet has no batch norm: with a learning rate of nothing, all epochs are alike.
  TrainConfig standing_still() const {
    TrainConfig config = tiny_config(data());
    config.model = "simplenet";
    config.image_size = 58;
    config.augment = "none";
    config.optimizer.lr = 1e-30;
    return config;
  }

  // Trains until kNumeric comes and returns what it says.
  std::string numeric_failure(const TrainConfig& config, const std::function<void(nn::Module&)>& sabotage = {}) {
    train::TrainObserver nobody;
    try {
      run_tiny(config, run(), false, nobody, sabotage);
    } catch (const Error& error) {
      EXPECT_EQ(error.kind(), ErrorKind::kNumeric) << error.what();
      return error.what();
    }
    ADD_FAILURE() << "nothing stopped the run";
    return "";
  }

  TemporaryFolder folder_;
};

TEST_F(Outcome, BestEpochIsTheFirstWithTheBestFigure) {
  using train::Select;
  for (const auto& [select, figure] : std::vector<std::pair<Select, double (*)(const EpochRecord&)>>{
           {Select::kValAccuracy, [](const EpochRecord& r) { return r.val->accuracy; }},
           {Select::kValAuc, [](const EpochRecord& r) { return *r.val->auc; }},
           {Select::kValLoss, [](const EpochRecord& r) { return -r.val->loss; }},
           {Select::kLast, [](const EpochRecord& r) { return static_cast<double>(r.epoch); }}}) {
    TrainConfig config = tiny_config(data());
    config.epochs = 6;
    config.select = select;
    const auto folder = folder_ / train::select_name(select);
    const TrainOutcome outcome = run_tiny(config, folder);
    int best = 1;
    for (const EpochRecord& record : outcome.history.epochs) {
      if (figure(record) > figure(outcome.history.epochs[static_cast<std::size_t>(best - 1)])) best = record.epoch;
    }
    EXPECT_EQ(outcome.history.best_epoch, best) << train::select_name(select);
    // The figures quoted are those of the best epoch's weights, as that epoch measured them.
    const EpochRecord& chosen = outcome.history.epochs[static_cast<std::size_t>(best - 1)];
    EXPECT_EQ(outcome.evaluation->loss.value, chosen.test->loss);
    EXPECT_EQ(outcome.evaluation->accuracy.value, chosen.test->accuracy);
  }
}

TEST_F(Outcome, PatienceEndsTheRunAfterSoManyEpochsWithoutABetterOne) {
  TrainConfig config = standing_still();
  config.epochs = 9;
  config.patience = 2;
  const TrainOutcome outcome = run_tiny(config, run());
  EXPECT_TRUE(outcome.stopped_early);
  EXPECT_EQ(outcome.history.best_epoch, 1) << "of equal epochs the first is the best";
  EXPECT_EQ(outcome.history.epochs.size(), 3U);

  const auto broken = folder_ / "broken";
  Saboteur stopper;
  stopper.stop_after = 16;  // in the third epoch: one fruitless epoch is behind it
  EXPECT_TRUE(run_tiny(config, broken, false, stopper).interrupted);
  EXPECT_TRUE(run_tiny(config, broken, true).stopped_early);
  EXPECT_THAT(differing_files(run(), broken), IsEmpty());
}

TEST_F(Outcome, ClassWeightsWeighTheLoss) {
  write_small_dataset(folder_ / "uneven", {.train = 6, .val = 2, .test = 2, .side = 64});
  for (const char* name : {"1.png", "2.png", "3.png", "4.png"}) std::filesystem::remove(folder_ / "uneven/train/fake" / name);
  TrainConfig config = standing_still();
  config.data = (folder_ / "uneven").string();
  config.batch_size = 8;
  config.epochs = 1;

  const train::RunPictures pictures = train::check_pictures(config, {});
  EXPECT_THAT(train::class_weights_of(config, pictures.train()), IsEmpty());
  config.balance_classes = true;
  EXPECT_EQ(train::class_weights_of(config, pictures.train()), (std::vector{8.0 / (2 * 6), 8.0 / (2 * 2)}));
  config.balance_classes = false;
  config.class_weights = {1, 3};

  std::vector<double> losses;
  std::vector<int> labels;
  train::TrainObserver nobody;
  const TrainOutcome outcome = run_tiny(config, run(), false, nobody, [&](nn::Module& model) {
    const Dataset& dataset = *pictures.train().dataset;
    const std::vector<Logits2> logits = train::compute_logits(model, dataset, {.normalisation = config.normalisation});
    for (std::size_t i = 0; i < logits.size(); ++i) {
      labels.push_back(dataset.label(i));
      losses.push_back(cross_entropy(logits[i], labels.back()));
    }
  });
  double sum = 0, weights = 0;
  for (std::size_t i = 0; i < losses.size(); ++i) {
    const double weight = labels[i] == kFake ? 3 : 1;
    sum += weight * losses[i];
    weights += weight;
  }
  EXPECT_EQ(losses.size(), 8U);
  EXPECT_NEAR(outcome.history.epochs.front().train_loss, sum / weights, 1e-5);
}

TEST_F(Outcome, WithoutValAndTestFiguresAreNullWithTheReason) {
  std::filesystem::remove_all(data() / "val");
  std::filesystem::remove_all(data() / "test");
  TrainConfig config = tiny_config(data());
  config.patience = 1;  // there is nothing to be patient about
  const TrainOutcome outcome = run_tiny(config, run());
  EXPECT_EQ(outcome.history.epochs.size(), 3U);
  EXPECT_FALSE(outcome.history.best_epoch || outcome.evaluation);
  const json log = this->log();
  EXPECT_EQ(log.at("train_loss").size(), 3U);
  for (const char* key : {"val_loss", "val_acc", "test_loss", "test_acc", "best_epoch"}) {
    EXPECT_TRUE(log.at(key).is_null()) << key;
    EXPECT_THAT(log.at(str(key, "_reason")).get<std::string>(), Not(IsEmpty())) << key;
  }
  // With nothing to choose by, the best weights are the last ones.
  const auto best = SafetensorsFile::open(run() / "best.safetensors"), last = SafetensorsFile::open(run() / "last.safetensors");
  for (const TensorEntry& entry : best.entries()) {
    ASSERT_NE(last.find(entry.name), nullptr) << entry.name;
    EXPECT_TRUE(std::ranges::equal(best.data(entry), last.data(*last.find(entry.name)))) << entry.name;
  }
}

TEST_F(Outcome, AValSplitThatCannotChooseIsSaidAndNotStumbledOver) {
  std::filesystem::remove_all(data() / "val/fake");
  TrainConfig config = tiny_config(data());
  config.epochs = 1;
  config.select = train::Select::kValAuc;
  const TrainOutcome one_class = run_tiny(config, run());
  EXPECT_FALSE(one_class.history.best_epoch);
  EXPECT_EQ(one_class.evaluated_split, "test");
  EXPECT_THAT(log().at("best_epoch_reason").get<std::string>(), HasSubstr("one class"));
  EXPECT_FALSE(log().at("val_loss").is_null()) << "loss and accuracy do not need both classes";

  for (const char* name : {"0.png", "1.png"}) std::filesystem::remove(data() / "val/real" / name);
  config.select = train::Select::kValAccuracy;
  const TrainOutcome empty = run_tiny(config, folder_ / "empty");
  EXPECT_FALSE(empty.history.best_epoch);
  EXPECT_EQ(empty.evaluated_split, "test");
}

TEST_F(Outcome, NanInAWeightIsNamedBeforeTheStep) {
  const std::string message = numeric_failure(tiny_config(data()), [](nn::Module& model) {
    for (const auto& [name, parameter] : model.named_parameters()) {
      if (name != "blocks.1.pointwise.weight") continue;
      const double nan = std::numeric_limits<double>::quiet_NaN();
      model.flat().weights().slice(parameter->offset + 5, {1}).copy_from(tensor_from_doubles(std::span(&nan, 1), {1}, model.dtype(), model.device()));
    }
  });
  EXPECT_THAT(message, HasSubstr("epoch 1, step 1 (train/"));
  EXPECT_THAT(message, HasSubstr("blocks.1.pointwise.weight holds NaN or Inf"));
  EXPECT_EQ(message.find('\n'), std::string::npos);
}

TEST_F(Outcome, AStepThatWouldBreakTheWeightsLeavesLastAsItWasBeforeIt) {
  for (const int accumulate : {1, 2}) {
    TrainConfig config = tiny_config(data());
    config.optimizer.lr = 1e30;
    config.accumulate = accumulate;
    EXPECT_THAT(numeric_failure(config), HasSubstr("epoch 1, step 2 (train/"));
    Saboteur stopper;
    stopper.stop_after = 1;
    const auto stopped = folder_ / str("stopped", accumulate);
    run_tiny(config, stopped, false, stopper);
    EXPECT_EQ(bytes_of(run() / "last.safetensors"), bytes_of(stopped / "last.safetensors"));
    std::filesystem::remove_all(run());
  }
}

TEST_F(Outcome, NanInAGradientChangesNothing) {
  const TrainConfig config = tiny_config(data());
  const train::RunPictures pictures = train::check_pictures(config, {});
  models::ModelSpec spec = models::default_spec("edgenet");
  spec.image_size = config.image_size;
  const auto model = models::make_model(spec);
  model->place(kCpuDevice, DType::kF32, 1);
  train::Stepper stepper(*model, {.optimizer = config.optimizer, .ema_decay = 0.5});
  Loader loader(*pictures.train().dataset, {.batch_size = 4});
  Batch batch;
  ASSERT_TRUE(loader.next(batch));
  const std::vector<double> weights = model->flat().weights().to_doubles(), statistics = model->flat().running_statistics().to_doubles();
  stepper.accumulate(batch, 1);
  const double inf = std::numeric_limits<double>::infinity();
  const std::int64_t place = model->named_parameters()[4].second->offset;
  model->flat().gradients().slice(place, {1}).copy_from(tensor_from_doubles(std::span(&inf, 1), {1}, DType::kF32, model->device()));
  try {
    stepper.commit(1e-3);
    ADD_FAILURE() << "an infinite gradient was stepped with";
  } catch (const Error& error) {
    EXPECT_EQ(error.kind(), ErrorKind::kNumeric);
    EXPECT_THAT(error.what(), HasSubstr("gradient of " + model->named_parameters()[4].first));
  }
  EXPECT_EQ(model->flat().weights().to_doubles(), weights);
  EXPECT_EQ(model->flat().running_statistics().to_doubles(), statistics);
  EXPECT_EQ(stepper.average()->average_weights().to_doubles(), weights);
  EXPECT_EQ(stepper.optimizer().steps_taken(), 0);
  // The next batch starts from nothing: the bad gradient is gone.
  stepper.accumulate(batch, 1);
  stepper.commit(1e-3);
  EXPECT_EQ(model->flat().first_nonfinite(model->flat().weights()), -1);
}

}  // namespace
}  // namespace sepia::test
