#include "tools/measure/model_bench.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>

#include "engine/base/random.h"
#include "engine/nn/layers.h"
#include "engine/ops/batch_statistics.h"
#include "engine/tensor/held_weights.h"
#include "engine/train/inference.h"
#include "engine/train/stepper.h"
#include "tools/measure/layer_clock.h"

namespace sepia::tools {
namespace {

constexpr double kLearningRate = 1e-3;

Batch noise(int count, int side) {
  Batch batch{.n = count, .height = side, .width = side, .pixels = {}, .labels = {}, .indices = {}};
  batch.pixels.resize(static_cast<std::size_t>(count) * static_cast<std::size_t>(side) * static_cast<std::size_t>(side) * 3);
  RandomStream random(1, RandomPurpose::kTest);
  for (std::uint8_t& value : batch.pixels) value = static_cast<std::uint8_t>(random.next_u32() >> 24);
  for (int i = 0; i < count; ++i) {
    batch.labels.push_back(i % 2);
    batch.indices.push_back(static_cast<std::size_t>(i));
  }
  return batch;
}

double peak_rss_mib() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  return static_cast<double>(usage.ru_maxrss) / 1024;  // Linux counts KiB
}

double mib(std::size_t bytes) { return static_cast<double>(bytes) / (1 << 20); }

/// Of two middle values the mean.
Spread spread_of(std::vector<double> values) {
  std::ranges::sort(values);
  const std::size_t n = values.size();
  return {.median = (values[(n - 1) / 2] + values[n / 2]) / 2, .low = values.front(), .high = values.back()};
}

template <class Item, class Get>
double median_over(const std::vector<Item>& items, Get get) {
  std::vector<double> values;
  for (const Item& item : items) values.push_back(get(item));
  return spread_of(std::move(values)).median;
}

/// Measures one kind of step. On the host a step under the clock is the step itself: reading the clock some hundred times costs
/// microseconds. Whole steps are timed `apart` from those under the clock where it would change them: where the device works on its own
/// and would wait at every border, and where pictures go through the network one by one, on all threads, unless they are watched.
class TimedStep {
 public:
  explicit TimedStep(LayerClock& clock) : clock_(clock) {}

  void measure(const std::function<void()>& whole, const std::function<void()>& watched, bool apart, bool counts) {
    StepTimes times = clock_.time(watched);
    double total = times.total;
    if (apart) {
      const auto start = std::chrono::steady_clock::now();
      whole();
      total = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
    }
    if (!counts) return;
    totals_.push_back(total);
    times_.push_back(std::move(times));
  }

  Spread total() const { return spread_of(totals_); }
  /// Median of a part of the step; 0 when it was never measured.
  template <class Get>
  double median(Get get) const {
    return times_.empty() ? 0 : median_over(times_, get);
  }

 private:
  LayerClock& clock_;
  std::vector<double> totals_;
  std::vector<StepTimes> times_;
};

/// Which modules compute something outside of the modules in them, and the order in which a forward pass enters all: from one picture
/// whose gradient is wanted, in evaluation mode, so that nothing of the model changes.
std::vector<std::size_t> learn_structure(LayerClock& clock, nn::Module& model, std::int64_t side) {
  model.eval();
  clock.time([&] { model(Variable::leaf(Tensor::zeros({1, side, side, 3}, model.dtype(), model.device()))); });
  return clock.entered();
}

/// The least work of convolutions that were left pending goes to the layers that carried them out.
void move_pending_work(std::vector<LayerFigures>& layers, int batch, DType dtype) {
  for (auto layer = layers.begin(); layer != layers.end(); ++layer) {
    if (!layer->infers_in_next) continue;
    const auto next = std::find_if(layer + 1, layers.end(), [](const LayerFigures& other) { return other.leaf && other.row.type != "ReLU"; });
    if (next == layers.end()) continue;
    const bool pooled = layer->row.type == "Conv2d" && next->row.type == "MaxPool2d", first = layer == layers.begin();
    const bool together = pooled || next->row.type == "PointwiseConv2d" || next->row.type == "Linear";
    const LayerCost both = pooled ? pooled_cost(layer->row, next->row, batch, dtype, first) : separable_cost(layer->row, next->row, batch, dtype, first);
    const auto move = [&](Work LayerCost::*work) {
      Work &own = layer->cost.*work, &others = next->cost.*work;
      others = together ? both.*work : Work{own.flops + others.flops, own.bytes + others.bytes};
      own = {};
    };
    move(&LayerCost::inference);
    if (!layer->trains_in_next) continue;
    move(&LayerCost::forward);
    move(&LayerCost::backward);
  }
}

/// Whether a module was told that a batch norm follows.
bool normalised(const nn::Module* module) {
  if (const auto* dense = dynamic_cast<const nn::Conv2d*>(module)) return dense->normalised();
  const auto* pointwise = dynamic_cast<const nn::PointwiseConv2d*>(module);
  return pointwise && pointwise->normalised();
}

class ModelBench {
 public:
  ModelBench(nn::Module& model, const models::ModelSpec& spec, const BenchSettings& settings)
      : model_(model), spec_(spec), settings_(settings), batch_(noise(settings.batch, static_cast<int>(spec.image_size))), clock_(model),
        training_(clock_), inference_(clock_) {}

  ModelFigures run() {
    ModelFigures figures;
    if (spec_.classes != kClassCount) {
      figures.train_reason = str("the training step is for detectors, which have 2 outputs; this network has ", spec_.classes);
    }
    const bool trains = figures.train_reason.empty();
    model_.eval();
    figures.infer_depth_first = settings_.batch > 1 && train::runs_depth_first(model_);
    infer_apart_ = !model_.device().on_host() || train::runs_depth_first(model_);  // watched, it goes layer by layer
    {
      const HeldWeights held(model_.device());
      for (int i = 0; i < kUntimedRounds; ++i) infer_once();
      figures.infer_peak_rss_mib = peak_rss_mib();
    }
    if (infer_apart_) infer(false);
    if (trains) begin_training();
    for (int i = 0; i < kUntimedRounds; ++i) {
      if (trains) train(false);
      said(i + 1);
    }
    figures.peak_rss_mib = peak_rss_mib();
    const ArenaStatistics& arena = arena_of(model_.device())->statistics();
    figures.arena_mib = mib(arena.slab_bytes);
    figures.unshared_mib = mib(arena.requested_bytes);

    const CeilingBench ceilings(model_.device(), model_.dtype());
    std::vector<Ceilings> measured;
    for (int i = 0; i < settings_.rounds; ++i) {
      if (trains) train(true);
      infer(true);
      measured.push_back(ceilings.measure());
      said(kUntimedRounds + i + 1);
    }
    figures.ceilings = {.copy_bytes_per_s = median_over(measured, [](const Ceilings& c) { return c.copy_bytes_per_s; }),
                        .gemm_flops_per_s = median_over(measured, [](const Ceilings& c) { return c.gemm_flops_per_s; })};
    if (trains) figures.train_step_s = training_.total();
    figures.infer_s = inference_.total();
    figures.infer_layers_s = inference_.median([](const StepTimes& times) { return times.total; });
    add_layers(figures);
    return figures;
  }

 private:
  void said(int round) const {
    if (settings_.on_round) settings_.on_round(round);
  }

  void begin_training() {
    train::StepOptions options{.normalisation = spec_.normalisation};
    stepper_.emplace(model_, options);
    if (model_.device().on_host()) return;
    options.record = false;  // a recorded step plays back without a border to wait at
    watched_stepper_.emplace(model_, options);
  }

  void train(bool counts) {
    model_.train();
    training_.measure([this] { stepper_->step(batch_, kLearningRate); },
                      [this] { (watched_stepper_ ? *watched_stepper_ : *stepper_).step(batch_, kLearningRate); },
                      !model_.device().on_host(), counts);
  }

  void infer_once() {
    train::run_inference(model_, batch_, spec_.normalisation, [](const Tensor& outputs) { (void)outputs.to_doubles(); });
  }

  // As a program that judges one batch after another: with weights that stay as they are. What is done with them once is not timed.
  void infer(bool counts) {
    model_.eval();
    const HeldWeights held(model_.device());
    infer_once();
    const auto once = [this] { infer_once(); };
    inference_.measure(once, once, infer_apart_, counts);
  }

  // Layers in the order of the forward pass; modules that are no leaf where they compute something themselves.
  void add_layers(ModelFigures& figures) {
    const LayerTable table = layer_table(spec_.name, model_, spec_.image_size);
    const std::vector<std::size_t> order = learn_structure(clock_, model_, spec_.image_size);
    std::vector<bool> listed(clock_.modules().size());
    const bool leave_statistics = ops::leaves_statistics(model_.dtype(), model_.device());
    bool statistics_left = false;  // by the leaf before, for the batch norm behind it
    for (const std::size_t m : order) {
      const bool leaf = clock_.modules()[m]->is_leaf();
      if (listed[m] || (!leaf && !clock_.makes_nodes(m))) continue;
      listed[m] = true;
      LayerFigures layer;
      layer.leaf = leaf;
      layer.row = row_of(table, m);
      if (leaf) {
        layer.cost = layer_cost(layer.row, settings_.batch, model_.dtype(), figures.layers.empty());
        if (statistics_left && layer.row.type == "BatchNorm2d") layer.cost.forward = {};
        statistics_left = leave_statistics && normalised(clock_.modules()[m]);
      }
      layer.forward_s = training_.median([m](const StepTimes& times) { return times.modules[m].forward; });
      layer.backward_s = training_.median([m](const StepTimes& times) { return times.modules[m].backward; });
      layer.infer_s = inference_.median([m](const StepTimes& times) { return times.modules[m].forward; });
      // Without a tape every depthwise one is left pending; with one, those that left no node of their own. A dense one is with and without.
      const bool no_node = !clock_.makes_nodes(m);
      layer.infers_in_next = layer.row.type == "DepthwiseConv2d" || (layer.row.type == "Conv2d" && no_node);
      layer.trains_in_next = layer.infers_in_next && no_node;
      figures.layers.push_back(std::move(layer));
    }
    move_pending_work(figures.layers, settings_.batch, model_.dtype());
    for (const LayerFigures& layer : figures.layers) {
      figures.train_least_s += least(layer.cost.forward, figures.ceilings) + least(layer.cost.backward, figures.ceilings);
      figures.infer_least_s += least(layer.cost.inference, figures.ceilings);
    }
    figures.train_outside = outside(training_, listed);
    figures.infer_outside = outside(inference_, listed);
  }

  static double least(const Work& work, const Ceilings& ceilings) {
    return least_seconds(work, ceilings.gemm_flops_per_s, ceilings.copy_bytes_per_s);
  }

  LayerRow row_of(const LayerTable& table, std::size_t module) const {
    const std::string& name = clock_.names()[module];
    const auto found = std::ranges::find(table.layers, name, &LayerRow::name);
    if (found != table.layers.end()) return *found;
    return {.name = name, .type = clock_.modules()[module]->type(), .stage = {}, .input_shape = {}, .output_shape = {}};
  }

  static OutsideFigures outside(const TimedStep& step, const std::vector<bool>& listed) {
    const auto between = [&listed](const StepTimes& times) {
      double sum = 0;
      for (std::size_t m = 0; m < listed.size(); ++m) sum += listed[m] ? 0 : times.modules[m].forward + times.modules[m].backward;
      return sum;
    };
    return {.input_s = step.median([](const StepTimes& times) { return times.input; }),
            .output_s = step.median([](const StepTimes& times) { return times.loss; }),
            .update_s = step.median([](const StepTimes& times) { return times.update; }),
            .between_s = step.median(between)};
  }

  nn::Module& model_;
  const models::ModelSpec& spec_;
  const BenchSettings& settings_;
  Batch batch_;
  LayerClock clock_;
  TimedStep training_, inference_;
  bool infer_apart_ = false;
  std::optional<train::Stepper> stepper_, watched_stepper_;
};

}  // namespace

ModelFigures bench_model(nn::Module& model, const models::ModelSpec& spec, const BenchSettings& settings) {
  return ModelBench(model, spec, settings).run();
}

}  // namespace sepia::tools
