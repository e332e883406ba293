#include "engine/train/inference.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <span>
#include <string>

#include "engine/base/flush_denormals.h"
#include "engine/base/parallel_for.h"
#include "engine/nn/flat_parameters.h"
#include "engine/ops/materialise.h"
#include "engine/tensor/held_weights.h"

namespace sepia::train {
namespace {

/// What weights and running statistics of a network may take for every core to keep them in its second-level cache.
constexpr std::size_t kCachedBytes = std::size_t{1} << 20;

/// The pictures [first, first + count) of a batch as input.
Variable input_of(const nn::Module& model, const Batch& batch, std::int64_t first, std::int64_t count, const ops::Normalisation& normalisation) {
  const Shape shape({count, batch.height, batch.width, 3});
  const auto bytes = static_cast<std::size_t>(shape.numel()), picture = bytes / static_cast<std::size_t>(count);
  const auto pixels = std::span<const std::uint8_t>(batch.pixels).subspan(static_cast<std::size_t>(first) * picture, bytes);
  const Device device = model.device();
  return ops::pictures(device.on_host() ? Tensor::view_of_host(pixels, shape, device) : Tensor::from_host(pixels, shape, device), normalisation, model.dtype());
}

Tensor outputs_of(nn::Module& model, const Variable& input) { return ops::materialise(model(input)).value(); }

/// The outputs of a batch's pictures, put down by whichever thread has them: the first to arrive shows how long a row is.
class OutputRows {
 public:
  explicit OutputRows(std::int64_t pictures) : pictures_(pictures) {}

  /// Takes the outputs (1, classes) of picture `i`.
  void put(std::int64_t i, const Tensor& outputs) {
    const std::lock_guard lock(mutex_);
    if (rows_.empty()) {
      shape_ = outputs.shape();
      rows_.resize(static_cast<std::size_t>(pictures_) * outputs.bytes());
    }
    outputs.copy_to_host(std::span(rows_).subspan(static_cast<std::size_t>(i) * outputs.bytes(), outputs.bytes()));
  }

  Tensor tensor(DType dtype, Device device) const {
    std::array<std::int64_t, Shape::kMaxDims> extents{};
    std::ranges::copy(shape_.extents(), extents.begin());
    extents[0] = pictures_;
    const Tensor all = Tensor::empty(Shape(std::span<const std::int64_t>(extents).first(shape_.extents().size())), dtype, device);
    all.copy_from_host(rows_);
    return all;
  }

 private:
  std::int64_t pictures_;
  std::mutex mutex_;
  Shape shape_;
  std::vector<std::byte> rows_;
};

// Each picture is a step of the arena of the thread that runs it: all its tensors are born and die there, only its row leaves.
void run_depth_first(nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation, const std::function<void(const Tensor& outputs)>& take) {
  OutputRows rows(batch.n);
  const std::string kind = str("picture ", batch.height, "x", batch.width);
  const auto run_picture = [&](std::int64_t i) {
    const NoGradGuard no_grad;
    const StepScope scope(model.device(), kind);
    rows.put(i, outputs_of(model, input_of(model, batch, i, 1, normalisation)));
  };
  if (batch.n < num_threads()) {
    // Too few for every thread to have one: all of them work on each in turn. The kernels cut by shape and not by threads, so the bits are
    // the same, given that denormals count as zero between the kernels too, as they do within a parallel_for.
    const FlushDenormals flush;
    for (std::int64_t i = 0; i < batch.n; ++i) run_picture(i);
  } else {
    parallel_for(batch.n, run_picture);
  }
  const StepScope scope(model.device(), str("outputs of ", batch.n));
  take(rows.tensor(model.dtype(), model.device()));
}

/// Gives `take` the outputs (N, classes) of batch after batch; it returns the pictures done so far.
template <class Take>
void evaluate(nn::Module& model, const Dataset& dataset, const LogitsOptions& options, Take take) {
  const bool was_training = model.training();
  model.eval();
  const HeldWeights held(model.device());
  Loader loader(dataset, {.batch_size = options.batch_size, .workers = options.workers, .samples = options.samples});
  Batch batch;
  while (loader.next(batch)) {
    std::size_t done = 0;
    run_inference(model, batch, options.normalisation, [&](const Tensor& output) { done = take(output); });
    if (options.on_batch && !options.on_batch(done)) break;
  }
  model.train(was_training);
}

}  // namespace

Variable network_input(const nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation) {
  return input_of(model, batch, 0, batch.n, normalisation);
}

bool runs_depth_first(nn::Module& model) {
  if (model.device() != kCpuDevice || model.training() || model.watched()) return false;
  const nn::FlatParameters& flat = model.flat();
  return flat.weights().bytes() + flat.running_statistics().bytes() <= kCachedBytes;
}

void run_inference(nn::Module& model, const Batch& batch, const ops::Normalisation& normalisation, const std::function<void(const Tensor& outputs)>& take) {
  const NoGradGuard no_grad;
  if (runs_depth_first(model)) return run_depth_first(model, batch, normalisation, take);
  const StepScope scope(model.device(), str("evaluate ", batch.n, "x", batch.height, "x", batch.width));
  take(outputs_of(model, network_input(model, batch, normalisation)));
}

std::vector<Logits2> logits_of(const Tensor& outputs) {
  SEPIA_CHECK(outputs.shape().ndim() == 2 && outputs.shape()[1] == 2, "a detector has 2 outputs (real, fake); this network gives ", outputs.shape());
  const std::vector<double> values = outputs.to_doubles();
  std::vector<Logits2> rows(static_cast<std::size_t>(outputs.shape()[0]));
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] = {values[2 * i], values[2 * i + 1]};
  return rows;
}

std::vector<Logits2> compute_logits(nn::Module& model, const Dataset& dataset, const LogitsOptions& options) {
  std::vector<Logits2> logits;
  evaluate(model, dataset, options, [&](const Tensor& output) {
    for (const Logits2& row : logits_of(output)) logits.push_back(row);
    return logits.size();
  });
  return logits;
}

std::vector<std::vector<double>> compute_outputs(nn::Module& model, const Dataset& dataset, const LogitsOptions& options) {
  std::vector<std::vector<double>> outputs;
  evaluate(model, dataset, options, [&](const Tensor& output) {
    const std::vector<double> values = output.to_doubles();
    const std::ptrdiff_t classes = output.shape()[-1];
    for (auto row = values.begin(); row != values.end(); row += classes) outputs.emplace_back(row, row + classes);
    return outputs.size();
  });
  return outputs;
}

}  // namespace sepia::train
