#include "engine/train/stepper.h"

#include <cmath>

#include "engine/ops/cross_entropy.h"
#include "engine/ops/flat.h"
#include "engine/ops/materialise.h"

namespace sepia::train {
namespace {

std::vector<optim::ParameterGroup> groups_of(const nn::FlatParameters& flat) {
  std::vector<optim::ParameterGroup> groups;
  for (const auto& range : flat.trainable_ranges()) groups.push_back({.offset = range.offset, .count = range.count, .lr_scale = 1});
  SEPIA_CHECK(!groups.empty(), "nothing to train: every layer is frozen");
  return groups;
}

const Tensor& with_gradients(nn::Module& model) {
  model.flat().require_gradients();
  return model.flat().gradients();
}

std::string step_kind(const char* mode, const Batch& batch) { return str(mode, " ", batch.n, "x", batch.height, "x", batch.width); }

Tensor label_tensor(const nn::Module& model, const Batch& batch) {
  const std::vector<std::int32_t> labels(batch.labels.begin(), batch.labels.begin() + batch.n);
  return Tensor::from_host<std::int32_t>(labels, {batch.n}, model.device());
}

// The two logits of every row; a network with another number of classes cannot be a detector of fakes.
std::vector<Logits2> rows_of(const Tensor& logits) {
  SEPIA_CHECK(logits.shape().ndim() == 2 && logits.shape()[1] == 2, "a detector has 2 outputs (real, fake); this network gives ", logits.shape());
  const std::vector<double> values = logits.to_doubles();
  std::vector<Logits2> rows(static_cast<std::size_t>(logits.shape()[0]));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {values[2 * i], values[2 * i + 1]};
  return rows;
}

}  // namespace

Tensor network_input(const nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation) {
  const Tensor pixels = Tensor::empty({batch.n, batch.height, batch.width, 3}, DType::kU8, model.device());
  pixels.copy_from_host(std::as_bytes(std::span(batch.pixels).first(pixels.bytes())));
  return ops::images_to_input(pixels, normalisation, model.dtype());
}

std::string pictures_of(const Batch& batch, const std::function<std::string(std::size_t)>& picture_name) {
  std::string names;
  for (int i = 0; i < batch.n && i < 3; ++i) names += (i ? ", " : "") + picture_name(batch.indices[static_cast<std::size_t>(i)]);
  return names + (batch.n > 3 ? str(" and ", batch.n - 3, " more") : std::string());
}

Stepper::Stepper(nn::Module& model, const StepOptions& options)
    : model_(model), options_(options), optimizer_(options.optimizer, model.flat().weights(), with_gradients(model), groups_of(model.flat()),
                 model.flat().rounded_weights()) {
  if (options.ema_decay > 0) average_.emplace(options.ema_decay, model.flat().weights(), model.flat().running_statistics());
  if (!options.class_weights.empty()) {
    class_weights_ = tensor_from_doubles(options.class_weights, {static_cast<std::int64_t>(options.class_weights.size())},
                                         accumulator_dtype(model.dtype()), model.device());
  }
}

BatchFigures Stepper::accumulate(const Batch& batch, double weight) {
  const StepScope scope(model_.device(), step_kind("train", batch));
  const Variable logits = ops::materialise(model_(Variable(network_input(model_, batch, options_.normalisation))));
  const Variable loss = ops::cross_entropy(logits, label_tensor(model_, batch), {.class_weights = class_weights_, .smoothing = options_.smoothing});
  BatchFigures figures{.loss = loss.value().item(), .correct = 0};
  if (!std::isfinite(figures.loss)) {
    nn::FlatParameters& flat = model_.flat();
    flat.clear_gradients();
    const std::int64_t bad = flat.first_nonfinite(flat.weights());
    fail(ErrorKind::kNumeric, "the loss is ", figures.loss, bad >= 0 ? str(" because ", flat.name_at(bad), " holds NaN or Inf") : std::string());
  }
  const std::vector<Logits2> rows = rows_of(logits.value());
  for (std::size_t i = 0; i < rows.size(); ++i) figures.correct += is_fake(rows[i]) == (batch.labels[i] == kFake);
  backward(loss, tensor_from_doubles(std::span(&weight, 1), {}, loss.dtype(), loss.device()));
  return figures;
}

std::vector<UpdateFigures> Stepper::commit(double lr, bool watch) {
  const StepScope scope(model_.device(), watch ? "update, watched" : "update");
  nn::FlatParameters& flat = model_.flat();
  flat.complete_gradients();
  const std::int64_t bad = flat.first_nonfinite(flat.gradients());
  if (bad >= 0) {
    flat.clear_gradients();
    fail(ErrorKind::kNumeric, "the gradient of ", flat.name_at(bad), " holds NaN or Inf");
  }
  const double scale = options_.clip_grad > 0 ? optim::clip_factor(flat.norm(flat.gradients(), 0, flat.size()), options_.clip_grad) : 1.0;
  const Tensor before = watch ? flat.weights().clone() : Tensor();
  optimizer_.step(lr, scale);
  flat.commit_running_statistics();
  if (average_) average_->update();

  std::vector<UpdateFigures> figures;
  if (watch) {
    for (const auto& [name, parameter] : model_.named_parameters()) {
      const std::int64_t offset = parameter->offset, count = parameter->shape.numel();
      const Tensor old = before.slice(offset, {count}), now = flat.weights().slice(offset, {count});
      figures.push_back({.name = name, .gradient_norm = flat.norm(flat.gradients(), offset, count), .weight_norm = flat.norm(before, offset, count),
                         .update_norm = std::sqrt(ops::sum_of_squared_differences(old, now))});
    }
  }
  flat.clear_gradients();
  return figures;
}

void Stepper::exchange_with_average() {
  if (!average_) return;
  average_->swap();
  model_.flat().round_weights();
}

std::vector<Logits2> compute_logits(nn::Module& model, const Dataset& dataset, const LogitsOptions& options) {
  const NoGradGuard no_grad;
  const bool was_training = model.training();
  model.eval();
  std::vector<Logits2> logits;
  Loader loader(dataset, {.batch_size = options.batch_size, .workers = options.workers, .samples = options.samples});
  Batch batch;
  while (loader.next(batch)) {
    const StepScope scope(model.device(), step_kind("evaluate", batch));
    const Variable output = ops::materialise(model(Variable(network_input(model, batch, options.normalisation))));
    for (const Logits2& row : rows_of(output.value())) logits.push_back(row);
    if (options.on_batch && !options.on_batch(logits.size())) break;
  }
  model.train(was_training);
  return logits;
}

}  // namespace sepia::train
