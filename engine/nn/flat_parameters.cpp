#include "engine/nn/flat_parameters.h"

#include <algorithm>
#include <cmath>

#include "engine/base/random.h"
#include "engine/nn/layers.h"
#include "engine/tensor/dispatch.h"

namespace sepia::nn {
namespace {

constexpr std::int64_t kAlignment = 16;  // elements: 64 bytes of float
/// What is drawn or rounded on the host is so in pieces: simplenet's largest tensor takes 65 MB, and would take as much again and more on
/// its way there.
constexpr std::int64_t kPiece = 1 << 16;

std::int64_t aligned(std::int64_t count) { return (count + kAlignment - 1) / kAlignment * kAlignment; }

}  // namespace

FlatParameters::FlatParameters(Module& root, Device device, DType dtype) : parameters_(root.named_parameters()) {
  SEPIA_CHECK(dtype == DType::kF32 || dtype == DType::kF64 || dtype == DType::kBF16, "[place] models run in f32, f64 or bf16, not ", dtype);
  dispatch(dtype, device, [](const auto&) {});  // throws kUsage when the device has no kernels for it
  const DType master = accumulator_dtype(dtype);
  std::int64_t size = 0;
  for (const auto& [name, parameter] : parameters_) {
    parameter->offset = size;
    size += aligned(parameter->shape.numel());
  }
  weights_ = Tensor::zeros({size}, master, device);
  if (dtype != master) rounded_ = Tensor::zeros({size}, dtype, device);
  for (const auto& [name, parameter] : parameters_) {
    parameter->master = weights_.slice(parameter->offset, parameter->shape);
    parameter->variable = Variable(value_of(*parameter));
  }

  std::int64_t statistics = 0;
  for (const auto& [name, module] : root.named_modules()) {
    if (auto* norm = dynamic_cast<BatchNorm2d*>(module)) {
      batch_norms_.push_back(norm);
      statistics += 2 * aligned(norm->channels());
    }
  }
  running_ = Tensor::zeros({statistics}, master, device);
  step_statistics_ = Tensor::zeros({statistics}, master, device);
  std::int64_t offset = 0;
  for (BatchNorm2d* norm : batch_norms_) {
    norm->bind_statistics(running_, step_statistics_, offset, aligned(norm->channels()));
    offset += 2 * aligned(norm->channels());
    norm->reset_statistics();
  }
}

void FlatParameters::require_values() const {
  SEPIA_CHECK_KIND(have_values_, ErrorKind::kInternal, "[module] was placed without drawing its weights, and they have not all been loaded");
}

void FlatParameters::initialise(std::uint64_t seed) {
  std::uint32_t number = 0;
  for (const auto& [name, parameter] : parameters_) {
    const Initialiser& start = parameter->initialiser;
    const Tensor flat = parameter->master.reshape({parameter->shape.numel()});
    RandomStream random(seed, RandomPurpose::kInitialisation, number);
    for (std::int64_t first = 0; first < flat.numel(); first += kPiece) {
      const Shape piece{std::min(kPiece, flat.numel() - first)};
      std::vector<double> values(static_cast<std::size_t>(piece.numel()), start.value);
      if (start.kind == Initialiser::Kind::kUniform) {
        for (double& value : values) value = random.uniform(-start.value, start.value);
      }
      flat.slice(first, piece).copy_from(tensor_from_doubles(values, piece, weights_.dtype(), weights_.device()));
    }
    ++number;
  }
  round_weights();
  for (BatchNorm2d* norm : batch_norms_) norm->reset_statistics();
  have_values_ = true;
}

Tensor FlatParameters::value_of(const Parameter& parameter) const {
  return rounded_.defined() && !parameter.vector_like ? rounded_.slice(parameter.offset, parameter.shape) : parameter.master;
}

void FlatParameters::round_weights() {
  if (!rounded_.defined()) return;
  // By way of the host: it happens at loading and at evaluations of an average, not in steps.
  std::vector<bf16> rounded;
  for (std::int64_t first = 0; first < size(); first += kPiece) {
    const Shape piece{std::min(kPiece, size() - first)};
    const std::vector<float> values = weights_.slice(first, piece).to_host<float>();
    rounded.resize(values.size());
    std::ranges::transform(values, rounded.begin(), [](float value) { return bf16(value); });
    rounded_.slice(first, piece).copy_from_host(std::as_bytes(std::span(rounded)));
  }
}

void FlatParameters::require_gradients() {
  std::int64_t begin = size();
  for (const auto& [name, parameter] : parameters_) {
    if (parameter->trainable) begin = std::min(begin, parameter->offset);
  }
  if (!gradients_.defined() || gradient_begin() != begin) gradients_ = Tensor::empty({size() - begin}, weights_.dtype(), weights_.device());
  gradients_.zero();  // norms and the search for NaN walk over all of it: nothing may be left of parts that are frozen now
  for (const auto& [name, parameter] : parameters_) {
    const Tensor value = value_of(*parameter);
    parameter->variable = Variable(value);
    if (!parameter->trainable) continue;
    parameter->variable = Variable::leaf(value, true);
    parameter->variable.slot()->set_fixed_buffer(gradients_.slice(parameter->offset - begin, parameter->shape));
  }
}

void FlatParameters::release_gradients() {
  for (const auto& [name, parameter] : parameters_) parameter->variable = Variable(value_of(*parameter));
  gradients_ = {};
}

std::vector<FlatParameters::Range> FlatParameters::trainable_ranges() const {
  std::vector<Range> ranges;
  for (const auto& [name, parameter] : parameters_) {
    if (!parameter->trainable) continue;
    const std::int64_t count = aligned(parameter->shape.numel());
    if (!ranges.empty() && ranges.back().offset + ranges.back().count == parameter->offset) {
      ranges.back().count += count;
    } else {
      ranges.push_back({parameter->offset, count});
    }
  }
  return ranges;
}

void FlatParameters::complete_gradients() {
  for (const auto& [name, parameter] : parameters_) {
    const auto& slot = parameter->variable.slot();
    if (slot && !slot->has_gradient()) slot->claim().tensor.zero();
  }
}

void FlatParameters::clear_gradients() {
  for (const auto& [name, parameter] : parameters_) {
    if (const auto& slot = parameter->variable.slot()) slot->clear();
  }
}

void FlatParameters::commit_running_statistics(const kernels::StepControl* control) {
  committed_.clear();
  // Neighbouring batch norms that took part are moved together: one launch for a whole network unless layers are frozen.
  std::int64_t offset = 0, begin = 0, end = 0;
  double momentum = 0;
  const auto flush = [&] {
    if (end > begin) ops::lerp(running_.slice(begin, {end - begin}), step_statistics_.slice(begin, {end - begin}), momentum, control);
  };
  for (BatchNorm2d* norm : batch_norms_) {
    const std::int64_t count = 2 * aligned(norm->channels());
    if (norm->take_step_taken()) {
      committed_.push_back(norm);
      if (end != offset || momentum != norm->momentum()) {
        flush();
        begin = offset;
        momentum = norm->momentum();
      }
      end = offset + count;
    }
    offset += count;
  }
  flush();
  if (!control) confirm_running_statistics();
}

void FlatParameters::confirm_running_statistics() {
  for (BatchNorm2d* norm : committed_) norm->set_batches_tracked(norm->batches_tracked() + 1);
}

std::int64_t FlatParameters::first_nonfinite(const Tensor& flat) const { return ops::first_nonfinite(flat); }

std::string FlatParameters::name_at(std::int64_t offset) const {
  for (const auto& [name, parameter] : parameters_) {
    if (offset >= parameter->offset && offset < parameter->offset + aligned(parameter->shape.numel())) return name;
  }
  return "?";
}

double FlatParameters::norm(const Tensor& flat, std::int64_t offset, std::int64_t count) const {
  return std::sqrt(ops::sum_of_squares(flat.slice(offset, {count})));
}

}  // namespace sepia::nn
