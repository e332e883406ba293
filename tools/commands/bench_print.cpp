#include "tools/commands/bench_print.h"

#include <fmt/format.h>

#include <algorithm>
#include <optional>

namespace sepia::cli {
namespace {

using nlohmann::ordered_json;
using tools::Ceilings;
using tools::LayerFigures;
using tools::ModelFigures;
using tools::Spread;
using tools::Work;

constexpr double kSmallest = 0.0005;  // of a step: layers below it share one line
constexpr const char* kNothingToDo = "nothing of its own to move or multiply: the next layer applies it as it loads";
constexpr const char* kDoneByNext = "left pending: the next layer carries it out and has the time and the least work of both";
constexpr const char* kNotALeaf = "not a layer: what the module computes outside of the layers in it";

/// Share of the time that the least work takes at the ceilings; none where there is no work.
std::optional<double> share(const Work& work, double seconds, const Ceilings& ceilings) {
  const double least = tools::least_seconds(work, ceilings.gemm_flops_per_s, ceilings.copy_bytes_per_s);
  if (least <= 0 || seconds <= 0) return std::nullopt;
  return least / seconds;
}

const char* bound_of(const Work& work, const Ceilings& ceilings) {
  return tools::compute_bound(work, ceilings.gemm_flops_per_s, ceilings.copy_bytes_per_s) ? "flops" : "bytes";
}

std::string share_text(const Work& work, double seconds, const Ceilings& ceilings) {
  const std::optional<double> value = share(work, seconds, ceilings);
  return value ? fmt::format("{:.0f}% {}", 100 * *value, bound_of(work, ceilings)) : "";
}

std::string milliseconds(double seconds) { return fmt::format("{:.3f}", 1e3 * seconds); }

void print_whole(const char* name, const Spread& spread, int batch, double least_s) {
  fmt::print("{:<14} {:>10} ms  {:>10} to {:>10}  {:>9.1f} img/s  {:>3.0f}%\n", name, milliseconds(spread.median), milliseconds(spread.low),
             milliseconds(spread.high), batch / spread.median, 100 * least_s / spread.median);
}

constexpr const char* kRow = "{:<26} {:<16} {:>10} {:>10} {:>10} {:>10} {:>10} {:>10} {:>9} {:>9}\n";

void print_outside(const char* name, std::optional<double> forward, std::optional<double> backward, std::optional<double> infer) {
  const auto text = [](std::optional<double> seconds) { return seconds ? milliseconds(*seconds) : std::string(); };
  fmt::print(kRow, name, "", text(forward), "", text(backward), "", text(infer), "", "", "");
}

bool is_small(const LayerFigures& layer, const ModelFigures& figures) {
  const double step = figures.train_step_s ? figures.train_step_s->median : 0;
  return layer.forward_s + layer.backward_s <= kSmallest * step && layer.infer_s <= kSmallest * figures.infer_s.median;
}

void print_layers(const ModelFigures& figures) {
  const bool trained = figures.train_step_s.has_value();
  const auto of_training = [trained](const std::string& text) { return trained ? text : std::string(); };
  fmt::print(kRow, "layer", "type", "forward ms", "ceiling", "backward", "ceiling", "inference", "ceiling", "GFLOP", "MB");
  LayerFigures small;
  int small_ones = 0;
  for (const LayerFigures& layer : figures.layers) {
    if (is_small(layer, figures)) {
      ++small_ones;
      small.forward_s += layer.forward_s;
      small.backward_s += layer.backward_s;
      small.infer_s += layer.infer_s;
      continue;
    }
    const Ceilings& ceilings = figures.ceilings;
    fmt::print(kRow, layer.leaf ? layer.row.name : layer.row.name + " itself", layer.row.type, of_training(milliseconds(layer.forward_s)),
               of_training(share_text(layer.cost.forward, layer.forward_s, ceilings)), of_training(milliseconds(layer.backward_s)),
               of_training(share_text(layer.cost.backward, layer.backward_s, ceilings)), milliseconds(layer.infer_s),
               share_text(layer.cost.inference, layer.infer_s, ceilings), layer.leaf ? fmt::format("{:.3f}", layer.cost.forward.flops / 1e9) : "",
               layer.leaf ? fmt::format("{:.1f}", layer.cost.forward.bytes / 1e6) : "");
  }
  const auto when = [trained](double seconds) { return trained ? std::optional(seconds) : std::nullopt; };
  if (small_ones > 0) print_outside(fmt::format("{} smaller layers", small_ones).c_str(), when(small.forward_s), when(small.backward_s), small.infer_s);
  const tools::OutsideFigures &train = figures.train_outside, &infer = figures.infer_outside;
  print_outside("input", when(train.input_s), std::nullopt, infer.input_s);
  print_outside(trained ? "loss; outputs" : "outputs", when(train.output_s), std::nullopt, infer.output_s);
  if (trained) print_outside("update", std::nullopt, train.update_s, std::nullopt);
  print_outside("between layers", when(train.between_s), std::nullopt, infer.between_s);
}

/// What must be known of convolutions that were left pending to read the table; empty when there is nothing.
std::string pending_note(const ModelFigures& figures) {
  const auto any = [&](const char* type, bool LayerFigures::*flag) {
    return std::ranges::any_of(figures.layers, [=](const LayerFigures& layer) { return layer.row.type == type && layer.*flag; });
  };
  std::string note;
  if (any("DepthwiseConv2d", &LayerFigures::infers_in_next)) {
    const bool training = any("DepthwiseConv2d", &LayerFigures::trains_in_next) || !figures.train_step_s;
    note += fmt::format("{} depthwise convolutions are left pending: the next layer carries them out and has the time and the least work of both.\n",
                        training ? "All" : "In inference");
  }
  if (any("Conv2d", &LayerFigures::infers_in_next)) {
    note += "Convolutions in front of a pooling are left pending: the pooling carries them out and has the time and the least work of both.\n";
  }
  return note;
}

ordered_json range_json(const Spread& spread) { return {spread.low, spread.high}; }

/// `seconds` as NAME_s, the least work and its share of the time.
void add_pass(ordered_json& json, const std::string& name, double seconds, const LayerFigures& layer, const Work& work, const Ceilings& ceilings, bool done_by_next) {
  json[name + "_s"] = seconds;
  if (!layer.leaf) return;
  json[name + "_flops"] = work.flops;
  json[name + "_bytes"] = work.bytes;
  const std::optional<double> value = share(work, seconds, ceilings);
  json[name + "_share_of_ceiling"] = value ? ordered_json(*value) : ordered_json(nullptr);
  if (value) json[name + "_bound"] = bound_of(work, ceilings);
  if (!value) json[name + "_share_of_ceiling_reason"] = done_by_next ? kDoneByNext : kNothingToDo;
}

ordered_json layer_json(const LayerFigures& layer, const ModelFigures& figures) {
  ordered_json json = {{"name", layer.row.name}, {"type", layer.row.type}};
  if (layer.leaf) {
    json["params"] = layer.row.params;
    json["flops"] = layer.row.flops;
    json["activation_bytes"] = layer.row.activation_bytes;
  } else {
    for (const char* absent : {"flops", "activation_bytes"}) {
      json[absent] = nullptr;
      json[std::string(absent) + "_reason"] = kNotALeaf;
    }
  }
  if (figures.train_step_s) {
    add_pass(json, "forward", layer.forward_s, layer, layer.cost.forward, figures.ceilings, layer.trains_in_next);
    add_pass(json, "backward", layer.backward_s, layer, layer.cost.backward, figures.ceilings, layer.trains_in_next);
  } else {
    for (const char* absent : {"forward_s", "backward_s"}) {
      json[absent] = nullptr;
      json[std::string(absent) + "_reason"] = figures.train_reason;
    }
  }
  add_pass(json, "infer", layer.infer_s, layer, layer.cost.inference, figures.ceilings, layer.infers_in_next);
  return json;
}

}  // namespace

std::string BenchSubject::title() const {
  return fmt::format("{}, batch {} of {}x{}, {}, {}, {} thread{}", model, batch, image_size, image_size, precision, device, threads, threads == 1 ? "" : "s");
}

void print_bench(const BenchSubject& subject, const ModelFigures& figures) {
  fmt::print("{}; medians of {} rounds taken in turn\n\n", subject.title(), subject.rounds);
  fmt::print("{:<14} {:>13}  {:>24}  {:>15}  ceiling\n", "", "median", "range", "");
  if (figures.train_step_s) {
    print_whole("training step", *figures.train_step_s, subject.batch, figures.train_least_s);
  } else {
    fmt::print("training step  not measured: {}\n", figures.train_reason);
  }
  print_whole("inference", figures.infer_s, subject.batch, figures.infer_least_s);
  fmt::print("this machine   copy {:.1f} GB/s (read and written), matrix product {:.0f} GFLOP/s in {}\n", figures.ceilings.copy_bytes_per_s / 1e9,
             figures.ceilings.gemm_flops_per_s / 1e9, subject.precision);
  fmt::print("memory         peak {:.0f} MiB of the process, {:.0f} with inference alone; a step's plan takes {:.0f} MiB, its buffers would take {:.0f} unshared\n\n",
             figures.peak_rss_mib, figures.infer_peak_rss_mib, figures.arena_mib, figures.unshared_mib);
  print_layers(figures);
  if (figures.infer_depth_first) {
    fmt::print("\nInference takes the pictures of a batch through this small network one by one, every thread a picture of its own. That has no borders\n"
               "between layers, so its layers were timed in passes of the whole batch, layer by layer, which took {} ms.\n", milliseconds(figures.infer_layers_s));
  }
  fmt::print("\nceiling: the share of the time that the layer's least work would take at this machine's measured rates, and which of the two\n"
             "binds it (flops or bytes); data that stay in the cache can exceed it. GFLOP and MB: the forward pass of one batch.\n{}",
             pending_note(figures));
}

ordered_json bench_json(const BenchSubject& subject, const ModelFigures& figures) {
  ordered_json json = {{"model", subject.model}, {"batch", subject.batch}, {"precision", subject.precision}, {"threads", subject.threads}};
  json["train_step_s"] = nullptr;
  if (figures.train_step_s) json["train_step_s"] = figures.train_step_s->median;
  if (!figures.train_step_s) json["train_step_s_reason"] = figures.train_reason;
  json["infer_s"] = figures.infer_s.median;
  json["peak_rss_mib"] = figures.peak_rss_mib;
  json["copy_gbps"] = figures.ceilings.copy_bytes_per_s / 1e9;
  json["gemm_gflops"] = figures.ceilings.gemm_flops_per_s / 1e9;
  json["device"] = subject.device;
  json["image_size"] = subject.image_size;
  json["rounds"] = subject.rounds;
  if (figures.train_step_s) {
    json["train_step_range_s"] = range_json(*figures.train_step_s);
    json["train_images_per_s"] = subject.batch / figures.train_step_s->median;
    json["train_share_of_ceiling"] = figures.train_least_s / figures.train_step_s->median;
    const tools::OutsideFigures& outside = figures.train_outside;
    json["train_outside"] = {{"input_s", outside.input_s}, {"loss_s", outside.output_s}, {"update_s", outside.update_s}, {"between_layers_s", outside.between_s}};
  }
  json["infer_range_s"] = range_json(figures.infer_s);
  json["infer_images_per_s"] = subject.batch / figures.infer_s.median;
  json["infer_share_of_ceiling"] = figures.infer_least_s / figures.infer_s.median;
  json["infer_layers_s"] = figures.infer_layers_s;
  json["infer_depth_first"] = figures.infer_depth_first;
  json["infer_outside"] = {{"input_s", figures.infer_outside.input_s}, {"output_s", figures.infer_outside.output_s}, {"between_layers_s", figures.infer_outside.between_s}};
  json["infer_peak_rss_mib"] = figures.infer_peak_rss_mib;
  json["arena_mib"] = figures.arena_mib;
  json["arena_unshared_mib"] = figures.unshared_mib;
  json["layers"] = ordered_json::array();
  for (const LayerFigures& layer : figures.layers) json["layers"].push_back(layer_json(layer, figures));
  return json;
}

}  // namespace sepia::cli
