#include "tools/measure/bench_chart.h"

#include <algorithm>
#include <array>

#include "tools/report/flame_chart.h"
#include "tools/report/text.h"

namespace sepia::tools {
namespace {

using report::FlameBox;
using report::FlamePanel;
using report::Ink;

struct Kind {
  const char* type;  ///< of modules
  const char* name;  ///< in the key
  Ink ink;
};

constexpr std::array<Kind, 6> kKinds = {{{"Conv2d", "dense convolution", Ink::kReal},
                                         {"DepthwiseConv2d", "depthwise convolution", Ink::kVal},
                                         {"PointwiseConv2d", "pointwise convolution", Ink::kTest},
                                         {"Linear", "fully connected", Ink::kRamp6},
                                         {"BatchNorm2d", "batch norm", Ink::kFake},
                                         {"Pool", "pooling", Ink::kAccent}}};
constexpr Ink kGroup = Ink::kGrid, kOther = Ink::kReference, kOwn = Ink::kRamp4;

Ink ink_of(const LayerFigures& layer) {
  if (!layer.leaf) return kOwn;
  for (const Kind& kind : kKinds) {
    if (layer.row.type == kind.type || (layer.row.type.find("Pool") != std::string::npos && kind.ink == Ink::kAccent)) return kind.ink;
  }
  return kOther;
}

constexpr const char* kOwnName = "+";  // of what a module computes outside of its layers: additions

using Seconds = double LayerFigures::*;

std::string milliseconds(double seconds) { return report::number_text(1e3 * seconds, 4) + " ms"; }

std::string share_text(double least, double seconds) {
  return least > 0 && seconds > 0 ? report::percent_text(least / seconds, 0) + " of the ceiling" : "";
}

// The box at a dotted path below `boxes`, made on the way in order of first use.
FlameBox& box_at(std::vector<FlameBox>& boxes, const std::string& path) {
  std::vector<FlameBox>* level = &boxes;
  std::string_view rest = path;
  while (true) {
    const std::string name(rest.substr(0, rest.find('.')));
    auto found = std::ranges::find(*level, name, &FlameBox::name);
    if (found == level->end()) found = level->insert(level->end(), {.name = name, .ink = kGroup});
    if (rest.size() == name.size()) return *found;
    rest.remove_prefix(name.size() + 1);
    level = &found->children;
  }
}

// Groups are as wide as what is in them; a group's own work comes after its layers. Boxes on the way back stand in reverse.
double finish(std::vector<FlameBox>& boxes, const std::string& prefix, double whole, bool reversed) {
  double sum = 0;
  std::ranges::stable_partition(boxes, [](const FlameBox& box) { return box.name != kOwnName; });
  for (FlameBox& box : boxes) {
    const std::string path = prefix.empty() ? box.name : prefix + "." + box.name;
    if (!box.children.empty()) box.value += finish(box.children, path, whole, reversed);
    sum += box.value;
    box.hint = path + "\n" + milliseconds(box.value) + ", " + report::percent_text(box.value / whole) + (box.hint.empty() ? "" : "\n" + box.hint);
  }
  if (reversed) std::ranges::reverse(boxes);
  return sum;
}

std::string work_text(const Work& work) {
  return report::number_text(work.flops / 1e9, 3) + " GFLOP, " + report::number_text(work.bytes / 1e6, 3) + " MB";
}

/// The layers' boxes for one pass under a common one.
FlameBox pass_box(const std::string& name, const ModelFigures& figures, Seconds seconds, Work LayerCost::*work, double whole, bool reversed) {
  FlameBox pass{.name = name, .ink = kGroup};
  for (const LayerFigures& layer : figures.layers) {
    FlameBox& box = layer.leaf ? box_at(pass.children, layer.row.name) : box_at(pass.children, layer.row.name + "." + kOwnName);
    const Work& least = layer.cost.*work;
    const double bound = least_seconds(least, figures.ceilings.gemm_flops_per_s, figures.ceilings.copy_bytes_per_s);
    box.value = layer.*seconds;
    box.ink = ink_of(layer);
    box.hint = layer.leaf ? layer.row.type + (bound > 0 ? "\n" + work_text(least) + "\n" + share_text(bound, box.value) : "")
                          : layer.row.type + " itself: what runs outside of its layers";
  }
  pass.value = finish(pass.children, "", whole, reversed);
  pass.hint = name + "\n" + milliseconds(pass.value) + ", " + report::percent_text(pass.value / whole);
  return pass;
}

FlameBox outside_box(const std::string& name, const std::string& what, double seconds, double whole) {
  return {.name = name, .hint = what + "\n" + milliseconds(seconds) + ", " + report::percent_text(seconds / whole), .value = seconds, .ink = kOther};
}

std::string subtitle_of(double seconds, double least_s, const Ceilings& ceilings) {
  return milliseconds(seconds) + " (median); its layers' least work takes " + milliseconds(least_s) + " at this machine's ceilings, copy " +
         report::number_text(ceilings.copy_bytes_per_s / 1e9, 3) + " GB/s and matrix product " + report::number_text(ceilings.gemm_flops_per_s / 1e9, 3) +
         " GFLOP/s: " + report::percent_text(least_s / seconds, 0) + " of the ceiling";
}

void to_milliseconds(std::vector<FlameBox>& boxes) {
  for (FlameBox& box : boxes) {
    box.value *= 1e3;
    to_milliseconds(box.children);
  }
}

FlamePanel training_panel(const std::string& title, const ModelFigures& figures) {
  const double whole = figures.train_step_s->median;
  const OutsideFigures& outside = figures.train_outside;
  FlamePanel panel{.title = "Training step: " + title, .subtitle = subtitle_of(whole, figures.train_least_s, figures.ceilings), .unit = "ms", .boxes = {}};
  panel.boxes.push_back(outside_box("input", "input: pictures to the device, normalised", outside.input_s, whole));
  panel.boxes.push_back(pass_box("forward", figures, &LayerFigures::forward_s, &LayerCost::forward, whole, false));
  panel.boxes.push_back(outside_box("loss", "loss and its gradient", outside.output_s, whole));
  panel.boxes.push_back(pass_box("backward", figures, &LayerFigures::backward_s, &LayerCost::backward, whole, true));
  panel.boxes.push_back(outside_box("update", "update: gradients checked, optimiser, running statistics", outside.update_s, whole));
  to_milliseconds(panel.boxes);
  return panel;
}

FlamePanel inference_panel(const std::string& title, const ModelFigures& figures) {
  const double whole = figures.infer_layers_s;
  const OutsideFigures& outside = figures.infer_outside;
  FlamePanel panel{.title = "Inference: " + title, .subtitle = subtitle_of(figures.infer_s.median, figures.infer_least_s, figures.ceilings), .unit = "ms", .boxes = {}};
  if (figures.infer_depth_first) panel.title = "Inference, layer by layer: " + title;
  panel.boxes.push_back(outside_box("input", "input: pictures to the device, normalised", outside.input_s, whole));
  panel.boxes.push_back(pass_box("layers", figures, &LayerFigures::infer_s, &LayerCost::inference, whole, false));
  panel.boxes.push_back(outside_box("output", "outputs read", outside.output_s, whole));
  to_milliseconds(panel.boxes);
  return panel;
}

}  // namespace

report::Figure bench_chart(const std::string& title, const ModelFigures& figures) {
  std::vector<FlamePanel> panels;
  if (figures.train_step_s) panels.push_back(training_panel(title, figures));
  panels.push_back(inference_panel(title, figures));
  std::vector<report::FlameKey> key;
  for (const Kind& kind : kKinds) {
    const bool used = std::ranges::any_of(figures.layers, [&](const LayerFigures& layer) { return ink_of(layer) == kind.ink; });
    if (used) key.push_back({kind.name, kind.ink});
  }
  if (std::ranges::any_of(figures.layers, [](const LayerFigures& layer) { return !layer.leaf; })) key.push_back({"a block itself: additions (+)", kOwn});
  key.push_back({"outside of the layers", kOther});
  key.push_back({"layers together", kGroup});
  return report::flame_chart(std::move(panels), std::move(key), "Time of " + title + ", layer by layer.");
}

}  // namespace sepia::tools
