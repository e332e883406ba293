#include "engine/train/stepper.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <span>
#include <string_view>

#include "engine/ops/cross_entropy.h"
#include "engine/ops/flat.h"
#include "engine/ops/materialise.h"
#include "engine/train/inference.h"

namespace sepia::train {
namespace {

// The first element of the head; one behind the last when there is none.
std::int64_t head_begin(nn::Module& model, const std::string& head) {
  if (head.empty()) return model.flat().size();
  for (const auto& [name, parameter] : model.named_parameters()) {
    if (name.starts_with(head + ".")) return parameter->offset;
  }
  fail(ErrorKind::kInternal, "[stepper] the network has no head named '", head, "'");
}

// What is trained, cut where the head begins. Offsets are those of the gradients.
std::vector<optim::ParameterGroup> groups_of(nn::Module& model, const StepOptions& options) {
  const nn::FlatParameters& flat = model.flat();
  const std::int64_t first = flat.gradient_begin(), head = head_begin(model, options.head);
  std::vector<optim::ParameterGroup> groups;
  const auto add = [&](std::int64_t begin, std::int64_t end, double lr_scale) {
    if (begin < end) groups.push_back({.offset = begin - first, .count = end - begin, .lr_scale = lr_scale});
  };
  for (const auto& range : flat.trainable_ranges()) {
    const std::int64_t end = range.offset + range.count, cut = std::clamp(head, range.offset, end);
    if (options.head_lr_scale == options.backbone_lr_scale) {
      add(range.offset, end, options.head_lr_scale);
    } else {
      add(range.offset, cut, options.backbone_lr_scale);
      add(cut, end, options.head_lr_scale);
    }
  }
  return groups;
}

// Takes memory for gradients, so that the optimiser's arenas can be as long.
optim::Optimizer make_optimizer(nn::Module& model, const StepOptions& options) {
  nn::FlatParameters& flat = model.flat();
  flat.require_gradients();
  SEPIA_CHECK(flat.gradients().numel() > 0, "nothing to train: every layer is frozen");
  return {options.optimizer, flat.trained_weights(), flat.gradients(), groups_of(model, options), flat.trained_rounded_weights()};
}

std::string step_kind(const char* mode, const Batch& batch) { return str(mode, " ", batch.n, "x", batch.height, "x", batch.width); }

std::vector<std::int32_t> labels_of(const Batch& batch) { return {batch.labels.begin(), batch.labels.begin() + batch.n}; }

Tensor label_tensor(const nn::Module& model, const Batch& batch) {
  return Tensor::from_host<std::int32_t>(labels_of(batch), {batch.n}, model.device());
}

int correct_of(const Tensor& logits, const Batch& batch) {
  const std::vector<Logits2> rows = logits_of(logits);
  int correct = 0;
  for (std::size_t i = 0; i < rows.size(); ++i) correct += is_fake(rows[i]) == (batch.labels[i] == kFake);
  return correct;
}

bool recording_forbidden() {
  const char* setting = std::getenv("SEPIA_CUDA_GRAPH");
  return setting && std::string_view(setting) == "off";
}

}  // namespace

std::string pictures_of(const Batch& batch, const std::function<std::string(std::size_t)>& picture_name) {
  std::string names;
  for (int i = 0; i < batch.n && i < 3; ++i) names += (i ? ", " : "") + picture_name(batch.indices[static_cast<std::size_t>(i)]);
  return names + (batch.n > 3 ? str(" and ", batch.n - 3, " more") : std::string());
}

struct Stepper::Shaped {
  Shaped(const nn::Module& model, const Batch& batch)
      : kind(step_kind("step", batch)),
        labels(Tensor::empty({batch.n}, DType::kI32, model.device())),
        logits(Tensor::empty({batch.n, 2}, model.dtype(), model.device())),
        graph_calls(backend_of(model.device()).graph) {
    if (!model.device().on_host()) pixels = Tensor::empty({batch.n, batch.height, batch.width, 3}, DType::kU8, model.device());
  }
  ~Shaped() { forget_recording(); }
  Shaped(const Shaped&) = delete;
  Shaped& operator=(const Shaped&) = delete;

  void forget_recording() {
    if (recording) graph_calls->release(std::exchange(recording, nullptr));
  }

  std::string kind;
  Tensor labels, logits;
  Tensor pixels;  // undefined where the device reads a batch's own
  const kernels::GraphCalls* graph_calls;
  void* recording = nullptr;
  std::int64_t slab_generation = 0;  // of the arena that the recording's addresses lie in
  int runs = 0;                      // since the arena's plan was last found to hold
};

Stepper::Stepper(nn::Module& model, const StepOptions& options)
    : model_(model), options_(options), optimizer_(make_optimizer(model, options)) {
  if (options.ema_decay > 0) average_.emplace(options.ema_decay, model.flat().weights(), model.flat().running_statistics());
  const DType accumulator = accumulator_dtype(model.dtype());
  if (!options.class_weights.empty()) {
    class_weights_ = tensor_from_doubles(options.class_weights, {static_cast<std::int64_t>(options.class_weights.size())}, accumulator, model.device());
  }
  const double one = 1;
  one_ = tensor_from_doubles(std::span(&one, 1), {}, accumulator, model.device());
  loss_ = Tensor::zeros({}, accumulator, model.device());
  control_ = Tensor::zeros({sizeof(kernels::StepControl)}, DType::kU8, model.device());
  if (recording_forbidden()) options_.record = false;
}

Stepper::~Stepper() = default;

Stepper::Shaped& Stepper::shaped(const Batch& batch) {
  std::unique_ptr<Shaped>& found = shaped_[step_kind("step", batch)];
  if (!found) found = std::make_unique<Shaped>(model_, batch);
  return *found;
}

BatchFigures Stepper::step(const Batch& batch, double lr) {
  Shaped& tensors = shaped(batch);
  if (tensors.pixels.defined()) tensors.pixels.copy_from_host(std::as_bytes(std::span(batch.pixels).first(tensors.pixels.bytes())));
  const std::vector<std::int32_t> labels = labels_of(batch);
  tensors.labels.copy_from_host(std::as_bytes(std::span(labels)));
  write_control(lr);
  if (!run_recorded(tensors, batch)) {
    forward_backward_update(tensors, batch);
    ++tensors.runs;
  }
  conclude();
  return {.loss = loss_.item(), .correct = correct_of(tensors.logits, batch)};
}

// Everything between the batch's bytes and the moved weights, without a look back at the host.
void Stepper::forward_backward_update(Shaped& tensors, const Batch& batch) {
  const StepScope scope(model_.device(), tensors.kind);
  const ops::Normalisation& normalisation = options_.normalisation;
  const Variable input = tensors.pixels.defined() ? ops::pictures(tensors.pixels, normalisation, model_.dtype()) : network_input(model_, batch, normalisation);
  const Variable logits = ops::materialise(model_(input));
  SEPIA_CHECK(logits.shape() == tensors.logits.shape(), "a detector has 2 outputs (real, fake); this network gives ", logits.shape());
  const Variable loss = ops::cross_entropy(logits, tensors.labels, {.class_weights = class_weights_, .smoothing = options_.smoothing});
  tensors.logits.copy_from(logits.value());
  loss_.copy_from(loss.value());
  backward(loss, one_);
  enqueue_update();
}

// Plays the step back, recording it first when it has run often enough that its memory is planned. False: run it as it is.
bool Stepper::run_recorded(Shaped& tensors, const Batch& batch) {
  constexpr int kRunsBefore = 2;  // the first run is what the arena plans from, the second is the first that the plan serves
  if (!options_.record || !tensors.graph_calls) return false;
  const ArenaStatistics& arena = arena_of(model_.device())->statistics();
  if (tensors.recording && tensors.slab_generation != arena.slab_generation) {
    tensors.forget_recording();
    tensors.runs = 0;
  }
  if (!tensors.recording) {
    if (tensors.runs < kRunsBefore) return false;
    const std::int64_t allocations = arena.source_allocations;
    tensors.graph_calls->begin_capture({});
    try {
      forward_backward_update(tensors, batch);
    } catch (...) {
      tensors.graph_calls->abandon_capture({});
      throw;
    }
    tensors.recording = tensors.graph_calls->end_capture({});
    tensors.slab_generation = arena.slab_generation;
    if (arena.source_allocations != allocations) {  // it departed from the plan: its addresses would not hold
      tensors.forget_recording();
      tensors.runs = 0;
      return false;
    }
  }
  tensors.graph_calls->launch({}, tensors.recording);
  ++played_back_;
  return true;
}

void Stepper::write_control(double lr) {
  const kernels::StepControl control{.lr = lr, .gradient_scale = 1, .step = optimizer_.steps_taken(), .nonfinite = -1, .loss = 0, .norm = 0};
  control_.copy_from_host(std::as_bytes(std::span(&control, 1)));
}

void Stepper::enqueue_update() {
  nn::FlatParameters& flat = model_.flat();
  auto* control = static_cast<kernels::StepControl*>(control_.raw());
  flat.complete_gradients();
  ops::prepare_step(flat.gradients(), loss_, options_.clip_grad, control);
  optimizer_.step(control);
  flat.commit_running_statistics(control);
  if (average_) average_->update(control);
  flat.clear_gradients();
}

// What the device decided about the step; waits for it.
void Stepper::conclude() {
  kernels::StepControl control;
  control_.copy_to_host(std::as_writable_bytes(std::span(&control, 1)));
  nn::FlatParameters& flat = model_.flat();
  if (control.nonfinite < 0) {
    optimizer_.set_steps_taken(control.step);
    flat.confirm_running_statistics();
    return;
  }
  flat.clear_gradients();
  if (!std::isfinite(control.loss)) {
    const std::int64_t bad = flat.first_nonfinite(flat.weights());
    fail(ErrorKind::kNumeric, "the loss is ", control.loss, bad >= 0 ? str(" because ", flat.name_at(bad), " holds NaN or Inf") : std::string());
  }
  fail(ErrorKind::kNumeric, "the gradient of ", flat.name_at(flat.gradient_begin() + control.nonfinite), " holds NaN or Inf");
}

BatchFigures Stepper::accumulate(const Batch& batch, double weight) {
  const StepScope scope(model_.device(), step_kind("train", batch));
  const Variable logits = ops::materialise(model_(network_input(model_, batch, options_.normalisation)));
  const Variable loss = ops::cross_entropy(logits, label_tensor(model_, batch), {.class_weights = class_weights_, .smoothing = options_.smoothing});
  loss_.copy_from(loss.value());
  BatchFigures figures{.loss = loss_.item(), .correct = 0};
  if (!std::isfinite(figures.loss)) {
    nn::FlatParameters& flat = model_.flat();
    flat.clear_gradients();
    const std::int64_t bad = flat.first_nonfinite(flat.weights());
    fail(ErrorKind::kNumeric, "the loss is ", figures.loss, bad >= 0 ? str(" because ", flat.name_at(bad), " holds NaN or Inf") : std::string());
  }
  figures.correct = correct_of(logits.value(), batch);
  backward(loss, tensor_from_doubles(std::span(&weight, 1), {}, loss.dtype(), loss.device()));
  return figures;
}

std::vector<UpdateFigures> Stepper::commit(double lr, bool watch) {
  const StepScope scope(model_.device(), watch ? "update, watched" : "update");
  nn::FlatParameters& flat = model_.flat();
  const Tensor before = watch ? flat.weights().clone() : Tensor();
  write_control(lr);
  enqueue_update();
  conclude();

  std::vector<UpdateFigures> figures;
  if (watch) {
    for (const auto& [name, parameter] : model_.named_parameters()) {
      if (!parameter->trainable) continue;
      const std::int64_t offset = parameter->offset, count = parameter->shape.numel();
      const Tensor old = before.slice(offset, {count}), now = flat.weights().slice(offset, {count});
      figures.push_back({.name = name, .gradient_norm = flat.norm(flat.gradients(), offset - flat.gradient_begin(), count), .weight_norm = flat.norm(before, offset, count),
                         .update_norm = std::sqrt(ops::sum_of_squared_differences(old, now))});
    }
  }
  return figures;
}

void Stepper::exchange_with_average() {
  if (!average_) return;
  average_->swap();
  model_.flat().round_weights();
}

}  // namespace sepia::train
